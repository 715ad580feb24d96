import { DEFAULT_LIMITS, type Limits, TopGunError } from '@topgunbuild/core';
import type { Authenticator, Identity } from '../../../packages/server/src/auth/Authenticator.js';
import { MemoryBackbone } from '../../../packages/server/src/backbone/MemoryBackbone.js';
import { Counters } from '../../../packages/server/src/metrics/Counters.js';
import { createPermissions } from '../../../packages/server/src/permissions/createPermissions.js';
import { RowGuard } from '../../../packages/server/src/permissions/RowGuard.js';
import type { Rule } from '../../../packages/server/src/permissions/Rule.js';
import type { Peer } from '../../../packages/server/src/session/Peer.js';
import { RateLimiter } from '../../../packages/server/src/session/RateLimiter.js';
import type { Session } from '../../../packages/server/src/session/Session.js';
import { Sessions } from '../../../packages/server/src/session/Sessions.js';
import { LocalDataPlane } from '../../../packages/server/src/shard/LocalDataPlane.js';
import { TestRuntime } from '../../../packages/server/src/testing/TestRuntime.js';
import { TopicHub } from '../../../packages/server/src/topic/TopicHub.js';
import { ListeningLogger } from './ListeningLogger.js';

const SHARDS = 4;

/** Tokens are names: `ann`, or `ann:admin,clerk` with roles. `never` gets no answer. */
class NameAuthenticator implements Authenticator {
  async authenticate(token: string | null): Promise<Identity> {
    if (token === 'never') await new Promise(() => undefined);
    const [subject = '', roles = ''] = (token ?? '').split(':');
    if (!/^[a-z]+$/.test(subject)) throw new TopGunError('AUTH_INVALID', 'unknown token');
    return { subject, roles: roles === '' ? [] : roles.split(','), claims: { sub: subject }, expiresAt: 0 };
  }
}

/** A whole node but for sockets and disks, on virtual time. */
export class VirtualNode {
  readonly runtime = new TestRuntime();
  readonly logger = new ListeningLogger();
  readonly counters = new Counters();
  readonly topics = new TopicHub();
  readonly rowGuard = new RowGuard();
  readonly limits: Limits;
  readonly backbone = new MemoryBackbone('log-1');
  readonly plane: LocalDataPlane;
  readonly sessions: Sessions;

  private constructor(limits: Partial<Limits>, rules: readonly Rule[] | undefined) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.plane = this.createPlane();
    this.sessions = new Sessions({
      nodeId: 'node-1',
      clusterId: 'log-1',
      runtime: this.runtime,
      limits: this.limits,
      plane: this.plane,
      authenticator: new NameAuthenticator(),
      permissions: createPermissions(rules, this.logger),
      topics: this.topics,
      rates: new RateLimiter(this.runtime, this.limits),
      rowGuard: this.rowGuard,
      counters: this.counters,
      logger: this.logger,
      cluster: null,
      routing: null,
      streamsPerQuery: 1,
      partitionMap: () => ({
        clusterId: 'log-1',
        incarnation: 'boot-1',
        version: 1,
        shardCount: SHARDS,
        nodes: [{ id: 'node-1', endpoint: 'ws://node-1' }],
        owners: new Array<number>(SHARDS).fill(0),
        epochs: new Array<number>(SHARDS).fill(1),
      }),
    });
  }

  static async start(limits: Partial<Limits> = {}, rules?: readonly Rule[]): Promise<VirtualNode> {
    const node = new VirtualNode(limits, rules);
    await node.plane.open();
    return node;
  }

  /** Another data plane over the same log: what this node would be after a restart. */
  createPlane(): LocalDataPlane {
    const { backbone, runtime, limits, logger } = this;
    return new LocalDataPlane({ backbone, runtime, limits, shardCount: SHARDS, logger });
  }

  accept(peer: Peer): Session {
    return this.sessions.accept(peer);
  }

  /** Everything about the node that a frame may change, but for traffic counters. */
  digest(): string {
    const { shards, streams, windows } = this.plane.stats();
    const logs = shards.map(({ logSeq, records, horizonMs }) => `${logSeq}/${records}/${horizonMs}`);
    return [logs.join(' '), streams, windows, this.topics.size, this.rowGuard.size, this.counters.subscriptions].join();
  }

  /** Lets appends land and answers leave. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      this.runtime.advance(0);
    }
  }
}
