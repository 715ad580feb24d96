import { DEFAULT_SHARD_COUNT, type Limits, type PartitionMap, type Runtime } from '@topgunbuild/core';
import type { Authenticator } from './auth/Authenticator.js';
import type { Backbone } from './backbone/Backbone.js';
import { type Logger, SILENT } from './Logger.js';
import { Counters } from './metrics/Counters.js';
import type { Permissions } from './permissions/Permissions.js';
import { RowGuard } from './permissions/RowGuard.js';
import { RateLimiter } from './session/RateLimiter.js';
import { Sessions } from './session/Sessions.js';
import { LocalDataPlane } from './shard/LocalDataPlane.js';
import type { ShardTuning } from './shard/ShardTuning.js';
import { TopicHub } from './topic/TopicHub.js';

export interface NodeCoreOptions {
  readonly nodeId: string;
  /** Where clients reach the node. */
  readonly endpoint: string;
  /** Must be open, and is closed by whoever opened it. */
  readonly backbone: Backbone;
  readonly runtime: Runtime;
  readonly limits: Limits;
  readonly authenticator: Authenticator;
  readonly permissions: Permissions;
  readonly counters?: Counters | undefined;
  readonly logger?: Logger | undefined;
  readonly tuning?: Partial<ShardTuning> | undefined;
}

/** How long the data plane may take to finish what is queued. A disk that hangs must not keep a node from ending. */
const DRAIN_MS = 7_000;
/** How long peers may take to close. */
const GOODBYE_MS = 1_500;

/**
 * A node without its sockets: data plane, sessions and topics over ports. `TopGunNode` puts it on the network; a
 * simulation hands in peers, clocks and a backbone of its own.
 */
export class NodeCore {
  readonly plane: LocalDataPlane;
  readonly sessions: Sessions;
  readonly topics = new TopicHub();
  readonly counters: Counters;
  readonly partitionMap: PartitionMap;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  #closed: Promise<void> | null = null;

  private constructor(options: NodeCoreOptions, plane: LocalDataPlane) {
    const { nodeId, runtime, limits, authenticator, permissions, logger = SILENT } = options;
    this.#runtime = runtime;
    this.#logger = logger;
    this.plane = plane;
    this.counters = options.counters ?? new Counters();
    this.partitionMap = soleOwnerMap(options, plane);
    this.sessions = new Sessions({
      nodeId,
      clusterId: this.partitionMap.clusterId,
      runtime,
      limits,
      plane,
      authenticator,
      permissions,
      topics: this.topics,
      rates: new RateLimiter(runtime, limits),
      rowGuard: new RowGuard(),
      counters: this.counters,
      logger,
      cluster: null,
      routing: null,
      streamsPerQuery: 1,
      partitionMap: () => this.partitionMap,
    });
  }

  /** Restores the data; sessions may be accepted once this resolves. @throws TopGunError */
  static async open(options: NodeCoreOptions): Promise<NodeCore> {
    const { backbone, runtime, limits, logger = SILENT, tuning = {} } = options;
    const shardCount = DEFAULT_SHARD_COUNT;
    const plane = new LocalDataPlane({ backbone, runtime, limits, shardCount, logger, options: tuning });
    await plane.open();
    return new NodeCore(options, plane);
  }

  /** Tells sessions to go, answers what is under way, and closes them. */
  async drain(): Promise<void> {
    this.sessions.goodbye('the node stops');
    // Sessions end by themselves once their operations are answered, which the data plane does as it closes.
    await this.close();
    this.sessions.closeAll('the node stops');
    await this.sessions.emptied(GOODBYE_MS);
  }

  /** Finishes what is queued and closes the data plane. */
  close(): Promise<void> {
    this.#closed ??= this.#atMost(DRAIN_MS, this.plane.close());
    return this.#closed;
  }

  #atMost(timeoutMs: number, work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#runtime.setTimer(timeoutMs, () => {
        this.#logger.warn({ timeoutMs }, 'the data plane takes too long to close; going on without it');
        resolve();
      });
      const settle = (): void => {
        this.#runtime.clearTimer(timer);
        resolve();
      };
      work.then(settle, (error: unknown) => {
        this.#logger.error({ err: error }, 'the data plane failed to close');
        settle();
      });
    });
  }
}

/** A node that is alone owns everything. The incarnation is new at each start, as the node's id and address may be. */
function soleOwnerMap({ nodeId, endpoint, runtime }: NodeCoreOptions, plane: LocalDataPlane): PartitionMap {
  const { logId, shardCount } = plane;
  return {
    clusterId: logId,
    incarnation: runtime.id(8),
    version: 1,
    shardCount,
    nodes: [{ id: nodeId, endpoint }],
    owners: new Array<number>(shardCount).fill(0),
    epochs: new Array<number>(shardCount).fill(1),
  };
}
