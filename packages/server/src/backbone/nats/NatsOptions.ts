import type { NodeConnectionOptions } from '@nats-io/transport-node';
import type { Runtime } from '@topgunbuild/core';
import type { Logger } from '../../Logger.js';

/** How to reach NATS, and what a cluster there is made of. */
export interface NatsOptions {
  /** URLs of NATS servers: `nats://host:4222` or `tls://…`. One of a cluster is enough, more survive its loss. */
  readonly servers: readonly string[];
  /** Names the cluster within its NATS account: 1 to 32 characters of A-Z, a-z, 0-9, `-` and `_`. Default `topgun`. */
  readonly cluster?: string;
  /** Copies of everything the cluster keeps: 1, or 3 with three NATS servers and more. Fixed at creation. Default 1. */
  readonly replicas?: number;
  /** Fixed at creation, 1 to 271. Default 32. */
  readonly shardCount?: number;
  /** Credentials (URLs hold none), TLS and the like, as NATS's client takes them. */
  readonly connection?: Omit<NodeConnectionOptions, 'servers'>;
  /** How long one request to NATS may take, ms. Default 3000. */
  readonly timeoutMs?: number;
  /** How long a NATS that cannot be reached is tried for when the node starts, ms. Default 5000. */
  readonly connectWithinMs?: number;
  readonly runtime?: Runtime;
  readonly logger?: Logger;
}
