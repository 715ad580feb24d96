import {
  type ClientMessage,
  DEFAULT_LIMITS,
  EntryBatch,
  encodeMessage,
  encodeValue,
  type Limits,
  type PartitionMap,
  PROTOCOL_VERSION,
  subjectTag,
  Tag,
  TopGunError,
} from '@topgunbuild/core';
import type { Authenticator, Identity } from '../auth/Authenticator.js';
import { SILENT } from '../Logger.js';
import { Counters } from '../metrics/Counters.js';
import { createPermissions } from '../permissions/createPermissions.js';
import { RowGuard } from '../permissions/RowGuard.js';
import type { PermissionFunction, Rule } from '../permissions/Rule.js';
import type { ClusterView } from '../session/ClusterView.js';
import { RateLimiter } from '../session/RateLimiter.js';
import type { Session } from '../session/Session.js';
import { Sessions } from '../session/Sessions.js';
import { TopicHub } from '../topic/TopicHub.js';
import { FakePlane } from './FakePlane.js';
import { MemoryPeer } from './MemoryPeer.js';
import { TestRuntime } from './TestRuntime.js';

/** Knows tokens by their text. One that is not listed is refused. */
export class TokenTable implements Authenticator {
  readonly identities = new Map<string, Identity>();
  /** Set: nobody gets an answer before `release`. */
  #gate: Promise<void> | null = null;
  #open: () => void = () => undefined;

  add(token: string, subject: string, more: Partial<Identity> = {}): void {
    this.identities.set(token, { subject, roles: [], claims: { sub: subject }, expiresAt: 0, ...more });
  }

  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  release(): void {
    this.#gate = null;
    this.#open();
  }

  async authenticate(token: string | null): Promise<Identity> {
    await this.#gate;
    const identity = this.identities.get(token ?? '');
    if (identity === undefined) throw new TopGunError('AUTH_INVALID', 'unknown token');
    return identity;
  }
}

export interface HarnessOptions {
  readonly limits?: Partial<Limits>;
  readonly permissions?: readonly Rule[] | PermissionFunction;
  readonly authenticator?: Authenticator;
  readonly cluster?: ClusterView;
}

const SOLE_MAP: PartitionMap = {
  clusterId: 'log-1',
  incarnation: 'boot-1',
  version: 1,
  shardCount: 1,
  nodes: [{ id: 'node-1', endpoint: 'ws://node-1' }],
  owners: [0],
  epochs: [1],
};

/** Sessions without sockets: virtual time, peers in memory, a data plane that only listens. */
export function sessionHarness(options: HarnessOptions = {}): Harness {
  return new Harness(options);
}

export class Harness {
  readonly runtime = new TestRuntime();
  readonly plane = new FakePlane();
  readonly tokens = new TokenTable();
  readonly counters = new Counters();
  readonly topics = new TopicHub();
  readonly sessions: Sessions;
  readonly limits: Limits;

  constructor({ limits, permissions, authenticator, cluster }: HarnessOptions) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.plane.clock = () => this.runtime.now();
    this.tokens.add('ann-token', 'ann');
    this.tokens.add('bob-token', 'bob');
    this.sessions = new Sessions({
      nodeId: 'node-1',
      clusterId: 'log-1',
      runtime: this.runtime,
      limits: this.limits,
      plane: this.plane,
      authenticator: authenticator ?? this.tokens,
      permissions: createPermissions(permissions, SILENT),
      topics: this.topics,
      rates: new RateLimiter(this.runtime, this.limits),
      rowGuard: new RowGuard(),
      counters: this.counters,
      logger: SILENT,
      cluster: cluster ?? null,
      routing: null,
      streamsPerQuery: 1,
      partitionMap: () => cluster?.map ?? SOLE_MAP,
    });
  }

  connect(): Client {
    const peer = new MemoryPeer();
    return new Client(peer, this.sessions.accept(peer));
  }

  /** A session that is authenticated as the bearer of `token`. */
  async join(token = 'ann-token', clientId = 'c1'): Promise<Client> {
    const client = this.connect();
    client.send(auth({ token, clientId }));
    await settled();
    return client;
  }
}

export class Client {
  readonly peer: MemoryPeer;
  readonly session: Session;

  constructor(peer: MemoryPeer, session: Session) {
    this.peer = peer;
    this.session = session;
  }

  send(message: ClientMessage): void {
    this.session.onFrame(encodeMessage(message));
  }

  sendBatch(batchId: number, ops: EntryBatch): void {
    this.send({ type: 'OP_BATCH', batchId, routed: false, mapVersion: 1, ops });
  }

  /** The last OP_ACK in short: which rows are durable and why the others are not. */
  get ack(): { readonly ranges: readonly number[]; readonly rejected: readonly string[] } | undefined {
    const ack = this.peer.all('OP_ACK').at(-1);
    if (ack === undefined) return undefined;
    return { ranges: ack.ranges, rejected: ack.rejected.map((op) => `${op.index} ${op.code}`) };
  }

  get errors(): readonly string[] {
    return this.peer.all('ERROR').map((error) => error.code);
  }
}

export function auth(more: Partial<Extract<ClientMessage, { type: 'AUTH' }>> = {}): ClientMessage {
  return { type: 'AUTH', protocol: PROTOCOL_VERSION, token: 'ann-token', clientId: 'c1', mapVersion: 0, ...more };
}

export function subscribe(queryId: number, map: string, query = {}): ClientMessage {
  return { type: 'QUERY_SUB', queryId, map, query, logId: null, cursors: [], shards: null };
}

export interface OpFields {
  readonly map?: string;
  readonly key?: string;
  readonly tag?: Tag;
  readonly ms?: number;
  readonly counter?: number;
  readonly replica?: string;
  readonly expires?: number;
  readonly value?: unknown;
  readonly bytes?: Uint8Array;
}

export const WALL = 1_760_000_000_000;

export function replicaOf(clientId: string, subject: string, incarnation = 'abcd1234'): string {
  return `${clientId}.${incarnation}.${subjectTag(subject)}`;
}

/** A batch of operations of client c1 under ann, unless a row says otherwise. */
export function ops(...rows: readonly OpFields[]): EntryBatch {
  const batch = new EntryBatch();
  rows.forEach((row, index) => {
    const tag = row.tag ?? Tag.LWW_SET;
    const bytes = row.bytes ?? (tag === Tag.LWW_REMOVE ? new Uint8Array(0) : encodeValue(row.value ?? index));
    batch.add(
      row.map ?? 'todos',
      row.key ?? `k${index}`,
      tag,
      row.ms ?? WALL,
      row.counter ?? index,
      row.replica ?? replicaOf('c1', 'ann'),
      row.expires ?? 0,
      bytes,
    );
  });
  return batch;
}

/** Lets promises that are under way settle. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
