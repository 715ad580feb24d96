import { DEFAULT_SHARD_COUNT, type Limits, type PartitionMap, type Runtime } from '@topgunbuild/core';
import type { Authenticator } from './auth/Authenticator.js';
import type { Backbone } from './backbone/Backbone.js';
import { ClusterMembership } from './cluster/ClusterMembership.js';
import type { ClusterTiming } from './cluster/ClusterTiming.js';
import { Forwarding } from './forward/Forwarding.js';
import { type Logger, SILENT } from './Logger.js';
import { Counters } from './metrics/Counters.js';
import type { Permissions } from './permissions/Permissions.js';
import { RowGuard } from './permissions/RowGuard.js';
import type { ClusterView } from './session/ClusterView.js';
import { RateLimiter } from './session/RateLimiter.js';
import { Sessions } from './session/Sessions.js';
import { LocalDataPlane } from './shard/LocalDataPlane.js';
import { DEFAULT_TUNING, type ShardTuning } from './shard/ShardTuning.js';
import { TopicBus } from './topic/TopicBus.js';
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
  /** Fixed when the log was created. Default 32. */
  readonly shardCount?: number | undefined;
  /** Standbys of each shard, where the backbone is shared. Default 1. */
  readonly backups?: number | undefined;
  readonly clusterTiming?: Partial<ClusterTiming> | undefined;
  /** Told once when another process has taken the id of this node, which should stop then. */
  readonly onReplaced?: (() => void) | undefined;
  /** Runs a function at the end of this turn of the event loop. Default: a timer of the runtime, or a microtask. */
  readonly atTurnEnd?: ((flush: () => void) => void) | undefined;
}

/** Within this long a node that stops has told everybody and given back what it held, whatever hangs. */
const STOP_MS = 9_000;
/** Of that, how long others may take to serve what this node owned. */
const HAND_OVER_MS = 5_000;
/** How long sessions may take to be answered and end, and once more to be cut off. */
const GOODBYE_MS = 1_500;
/** What a log record has beside the operations in it. */
const RECORD_OVERHEAD = 64 * 1024;

/**
 * A node without its sockets: data plane, sessions and topics over ports, and its place in a cluster when its backbone has
 * one. `TopGunNode` puts it on the network; a simulation hands in peers, clocks and a backbone of its own.
 */
export class NodeCore {
  readonly plane: LocalDataPlane;
  readonly sessions: Sessions;
  readonly topics: TopicHub;
  readonly counters: Counters;
  /** Null: the node is alone. */
  readonly membership: ClusterMembership | null;
  readonly #view: Pick<ClusterView, 'map'>;
  readonly #backbone: Backbone;
  readonly #forwarding: Forwarding | null;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  #stopsAt = Number.POSITIVE_INFINITY;
  #closed: Promise<void> | null = null;

  private constructor(
    options: NodeCoreOptions,
    limits: Limits,
    plane: LocalDataPlane,
    member: ClusterMembership | null,
  ) {
    const { nodeId, backbone, runtime, authenticator, permissions, logger = SILENT } = options;
    this.#backbone = backbone;
    this.#runtime = runtime;
    this.#logger = logger;
    this.plane = plane;
    this.membership = member;
    this.#view = member ?? { map: soleOwnerMap(options, plane) };
    this.counters = options.counters ?? new Counters();
    const bus = backbone.cluster?.bus ?? null;
    this.topics = new TopicHub(bus === null ? null : new TopicBus(bus, `${nodeId}.${runtime.id()}`, logger));
    const ports = {
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
      partitionMap: () => this.partitionMap,
    };
    const { atTurnEnd } = options;
    this.#forwarding =
      bus === null || member === null
        ? null
        : new Forwarding({ bus, view: member, ports, ...(atTurnEnd === undefined ? {} : { atTurnEnd }) });
    this.sessions = new Sessions({ ...ports, cluster: member, routing: this.#forwarding, streamsPerQuery: 1 });
  }

  /** Restores the data, or joins the cluster; sessions may be accepted once this resolves. @throws TopGunError */
  static async open(options: NodeCoreOptions): Promise<NodeCore> {
    const { nodeId, endpoint, backbone, runtime, logger = SILENT, shardCount = DEFAULT_SHARD_COUNT } = options;
    const { limits, tuning } = fitToLog(options);
    const plane = new LocalDataPlane({
      ...{ nodeId, backbone, runtime, limits, shardCount, logger, options: tuning },
      atTurnEnd: options.atTurnEnd,
    });
    await plane.open();
    const { cluster } = backbone;
    if (cluster === null) return new NodeCore(options, limits, plane, null);
    const { clusterId } = cluster;
    try {
      const member = await ClusterMembership.join({
        ...{ nodeId, endpoint, ports: cluster, host: plane, runtime, clusterId, shardCount, logger },
        ...{ backups: options.backups, timing: options.clusterTiming, onReplaced: options.onReplaced },
      });
      return new NodeCore(options, limits, plane, member);
    } catch (error) {
      await plane.close();
      throw error;
    }
  }

  get partitionMap(): PartitionMap {
    return this.#view.map;
  }

  /** Why this node must not get traffic now; null = it serves. */
  readyProblem(): string | null {
    return this.#backbone.problem ?? this.membership?.problem ?? this.plane.readyProblem();
  }

  /** Gives away what it owns, tells sessions to go, answers what is under way, and closes them. */
  async drain(): Promise<void> {
    this.#stopsAt = this.#runtime.monotonic() + STOP_MS;
    // While others take over, clients are served as ever: what they write goes where it belongs by then.
    await this.membership?.leave(HAND_OVER_MS);
    this.sessions.goodbye('the node stops');
    // Sessions end by themselves once their operations are answered, here or by other nodes.
    await this.sessions.emptied(GOODBYE_MS);
    await this.close();
    this.sessions.closeAll('the node stops');
    await this.sessions.emptied(GOODBYE_MS);
  }

  /** Finishes what is queued and closes the data plane. */
  close(): Promise<void> {
    const leftMs = Math.max(0, this.#stopsAt - this.#runtime.monotonic() - GOODBYE_MS);
    this.#closed ??= this.#atMost(Math.min(STOP_MS - GOODBYE_MS, leftMs), this.#close());
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.membership?.close();
    await this.plane.close();
    this.#forwarding?.close();
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

/** A log may take no records as large as this node would make, or as large values. */
function fitToLog({ backbone, limits, logger = SILENT, tuning = {} }: NodeCoreOptions): {
  readonly limits: Limits;
  readonly tuning: Partial<ShardTuning>;
} {
  const { maxRecordBytes = Number.POSITIVE_INFINITY } = backbone.log;
  const wanted = tuning.maxRecordBytes ?? DEFAULT_TUNING.maxRecordBytes;
  const room = maxRecordBytes - RECORD_OVERHEAD - limits.maxKeyBytes;
  if (room >= wanted + limits.maxValueBytes) return { limits, tuning };
  // A record is closed once it is full, by an operation that may be as large as any.
  const maxValueBytes = Math.min(limits.maxValueBytes, Math.floor(room / 2));
  if (maxValueBytes < limits.maxValueBytes) {
    logger.warn({ maxValueBytes, maxRecordBytes }, 'values are limited by what the log takes');
  }
  return { limits: { ...limits, maxValueBytes }, tuning: { ...tuning, maxRecordBytes: room - maxValueBytes } };
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
