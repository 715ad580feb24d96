import {
  DEFAULT_LIMITS,
  type Limits,
  MAX_VALUE_DEPTH,
  PARTITION_COUNT,
  type Runtime,
  TopGunError,
} from '@topgunbuild/core';
import { z } from 'zod';
import type { Authenticator } from './auth/Authenticator.js';
import type { AuthOptions } from './auth/createAuthenticator.js';
import type { NatsOptions } from './backbone/nats/NatsOptions.js';
import type { Logger } from './Logger.js';
import type { PermissionFunction, Rule } from './permissions/Rule.js';

export type BackboneOptions =
  /** An LMDB environment in the directory `path`: acknowledged means flushed to this disk. */
  | { readonly type: 'embedded'; readonly path: string }
  /** Keeps nothing: for tests, caches and demonstrations. */
  | { readonly type: 'memory' }
  /** A node of a cluster, whose nodes share NATS with JetStream: acknowledged means what NATS's own settings make it. */
  | NatsBackboneOptions;

export interface NatsBackboneOptions {
  readonly type: 'nats';
  /** URLs of NATS servers, such as `nats://127.0.0.1:4222`; one, or several that are separated by commas. */
  readonly servers: string | readonly string[];
  /** Names the cluster among those that share the NATS account. Default `topgun`. */
  readonly cluster?: string | undefined;
  /** Copies of everything in NATS, fixed when the cluster is created: 1, or 3 with three NATS servers. Default 1. */
  readonly replicas?: 1 | 3 | undefined;
  /** Nodes that follow each shard, ready to take it over. Default 1. */
  readonly backups?: number | undefined;
  /** Fixed when the cluster is created, 1 to 271. Default 32. */
  readonly shards?: number | undefined;
  /** Credentials, TLS and the like, as NATS's own client takes them. */
  readonly options?: NatsConnectionOptions | undefined;
}

export type NatsConnectionOptions = NonNullable<NatsOptions['connection']>;

export interface ServerOptions {
  /** Default 8080; 0 takes any free port. */
  readonly port?: number | undefined;
  /** The address to listen on; default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default: a new one at each start. */
  readonly nodeId?: string | undefined;
  /** The WebSocket URL under which clients reach this node, where that is not `ws://host:port`. */
  readonly advertise?: string | undefined;
  /** Default: embedded, in ./topgun-data. */
  readonly backbone?: BackboneOptions | undefined;
  /** Required. `'none'` lets everybody in as the anonymous subject. */
  readonly auth: AuthOptions | 'none';
  /** Default: every authenticated subject may do everything. An empty list denies everything. */
  readonly permissions?: readonly Rule[] | PermissionFunction | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Origins of the pages that may connect, such as `https://app.example`. Default: all. */
  readonly origins?: readonly string[] | undefined;
  /** A pino logger fits. Default: silent. */
  readonly logger?: Logger | undefined;
  /** Whether `GET /metrics` answers; default true. */
  readonly metrics?: boolean | undefined;
  /** How long deletions are remembered, ms; default 30 days. Clients that were away for longer start afresh. */
  readonly tombstoneRetentionMs?: number | undefined;
  /** Replaces `auth`: for tests and for tokens of another kind. */
  readonly authenticator?: Authenticator | undefined;
  /** Clocks, timers and randomness; default: those of the machine. */
  readonly runtime?: Runtime | undefined;
}

export interface CheckedOptions extends Omit<ServerOptions, 'port' | 'host' | 'backbone' | 'limits' | 'metrics'> {
  readonly port: number;
  readonly host: string;
  readonly backbone: BackboneOptions;
  readonly limits: Limits;
  readonly metrics: boolean;
}

const NODE_ID = /^[A-Za-z0-9._-]{1,64}$/;
const CLUSTER_NAME = /^[A-Za-z0-9_-]{1,32}$/;
/** Node ids are parts of subjects there. */
const CLUSTER_NODE_ID = /^[A-Za-z0-9_-]{1,64}$/;
/** The protocol's own bound on names. */
const MAX_NAME_BYTES = 256;

const positive = z.number().int().positive().max(Number.MAX_SAFE_INTEGER);

const limitsSchema = z.strictObject({
  maxKeyBytes: positive.max(1024 * 1024),
  maxNameBytes: positive.max(MAX_NAME_BYTES),
  maxValueBytes: positive,
  maxFrameBytes: positive.min(1024).max(2 ** 30),
  maxBatchOps: positive,
  maxSubscriptions: positive,
  maxSessions: positive,
  authTimeoutMs: positive.max(2 ** 31 - 1),
  maxSendBufferBytes: positive.min(1024),
  maxOpsPerSecond: positive,
  maxValueDepth: positive.max(MAX_VALUE_DEPTH),
  maxDriftMs: positive,
  maxElementsPerKey: positive,
} satisfies Record<keyof Limits, z.ZodType>);

const authSchema = z.union([
  z.literal('none'),
  z.strictObject({
    secret: z.string().optional(),
    jwksUrl: z.string().optional(),
    publicKey: z.string().optional(),
    algorithm: z.string().optional(),
    keyId: z.string().min(1).optional(),
    issuer: z.string().min(1).optional(),
    audience: z.string().min(1).optional(),
    clockToleranceSeconds: z.number().int().min(0).max(300).optional(),
  }),
]);

const backboneSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('embedded'), path: z.string().min(1) }),
  z.strictObject({ type: z.literal('memory') }),
  z.strictObject({
    type: z.literal('nats'),
    servers: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
    cluster: z.string().regex(CLUSTER_NAME, '1 to 32 characters of A-Z, a-z, 0-9, - and _').optional(),
    replicas: z.union([z.literal(1), z.literal(3)], 'must be 1 or 3').optional(),
    backups: z.number().int().min(0).max(8).optional(),
    shards: z.number().int().min(1).max(PARTITION_COUNT).optional(),
    options: z.custom<NatsConnectionOptions>((value) => typeof value === 'object' && value !== null).optional(),
  }),
]);

const optionsSchema = z.strictObject({
  port: z.number().int().min(0).max(65_535).default(8080),
  host: z.string().min(1).default('127.0.0.1'),
  nodeId: z.string().regex(NODE_ID, '1 to 64 characters of A-Z, a-z, 0-9, ., _ and -').optional(),
  advertise: z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// URL' }).optional(),
  backbone: backboneSchema.default({ type: 'embedded', path: './topgun-data' }),
  auth: authSchema,
  permissions: z.custom<ServerOptions['permissions']>().optional(),
  limits: limitsSchema.partial().optional(),
  origins: z.array(z.string().min(1)).optional(),
  logger: z
    .custom<Logger>(hasMethods('info', 'warn', 'error', 'debug'), 'must have debug, info, warn and error')
    .optional(),
  metrics: z.boolean().default(true),
  tombstoneRetentionMs: positive.optional(),
  authenticator: z.custom<Authenticator>(hasMethods('authenticate'), 'must have authenticate').optional(),
  runtime: z.custom<Runtime>(hasMethods('now', 'setTimer'), 'must be a Runtime').optional(),
});

/**
 * Checks what an application passes to `createServer` and adds the defaults.
 * @throws TopGunError INVALID_VALUE that names the first option that is wrong
 */
export function checkOptions(options: ServerOptions): CheckedOptions {
  const given: { readonly auth?: unknown } = options ?? {};
  if (given.auth === undefined) {
    throw new TopGunError(
      'INVALID_VALUE',
      "auth is missing: give a secret of at least 32 bytes, a jwksUrl or a publicKey, or 'none' to let everybody in",
    );
  }
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = issue === undefined || issue.path.length === 0 ? 'options' : issue.path.join('.');
    throw new TopGunError('INVALID_VALUE', `${path}: ${issue?.message ?? 'wrong form'}`);
  }
  const { backbone, nodeId } = parsed.data;
  if (backbone.type === 'nats' && nodeId !== undefined && !CLUSTER_NODE_ID.test(nodeId)) {
    throw new TopGunError('INVALID_VALUE', 'nodeId: in a cluster 1 to 64 characters of A-Z, a-z, 0-9, _ and -');
  }
  return { ...parsed.data, limits: checkedLimits(parsed.data.limits ?? {}) };
}

function checkedLimits(given: { readonly [Name in keyof Limits]?: number | undefined }): Limits {
  const limits: Record<keyof Limits, number> = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(limits) as (keyof Limits)[]) limits[name] = given[name] ?? limits[name];
  if (limits.maxValueBytes > limits.maxFrameBytes) {
    throw new TopGunError('INVALID_VALUE', 'limits.maxValueBytes: no value can be larger than limits.maxFrameBytes');
  }
  return limits;
}

function hasMethods(...names: readonly string[]): (value: unknown) => boolean {
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === 'function');
}
