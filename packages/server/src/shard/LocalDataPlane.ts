import {
  ByteWriter,
  type EntryBatch,
  Interner,
  type Limits,
  type Runtime,
  shardOfKey,
  type Timer,
  TopGunError,
} from '@topgunbuild/core';
import type { Backbone } from '../backbone/Backbone.js';
import { type Logger, SILENT } from '../Logger.js';
import { LiveHub } from '../live/LiveHub.js';
import { DEFAULT_LIVE_TUNING, type LiveTuning } from '../live/LiveTuning.js';
import type {
  DataPlane,
  DataPlaneStats,
  ReadResult,
  Stream,
  StreamSink,
  SubscribeSpec,
  WriteDone,
} from './DataPlane.js';
import { LatencyRecorder } from './LatencyRecorder.js';
import { QueueBudget } from './QueueBudget.js';
import { ABSENT, rowValue } from './rowValue.js';
import { Shard, type ShardEnvironment, type ShardOwner } from './Shard.js';
import { ShardStore } from './ShardStore.js';
import { DEFAULT_TUNING, type ShardTuning } from './ShardTuning.js';
import { SnapshotKeeper } from './SnapshotKeeper.js';
import { WriteTicket } from './WriteTicket.js';

export interface LocalDataPlaneOptions {
  /** Opened before `open` is called, and closed by whoever opened it. */
  readonly backbone: Backbone;
  readonly runtime: Runtime;
  readonly limits: Limits;
  readonly shardCount: number;
  readonly logger?: Logger;
  readonly options?: Partial<ShardTuning & LiveTuning>;
}

/** Shards restored at a time: enough to keep the disk busy, few enough not to hold all logs in memory. */
const RESTORES_AT_ONCE = 4;

/** The data plane of a node that owns every shard. */
export class LocalDataPlane implements DataPlane, ShardOwner {
  readonly shardCount: number;
  readonly #backbone: Backbone;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  readonly #tuning: ShardTuning;
  readonly #shards: readonly Shard[];
  readonly #hub: LiveHub;
  readonly #snapshots: SnapshotKeeper;
  readonly #latency = new LatencyRecorder();
  #state: 'created' | 'opening' | 'open' | 'closed' = 'created';
  /** Idle shards that have something to append. */
  #working: Shard[] = [];
  #horizonTimer: Timer | null = null;

  constructor({ backbone, runtime, limits, shardCount, logger = SILENT, options = {} }: LocalDataPlaneOptions) {
    this.shardCount = shardCount;
    this.#backbone = backbone;
    this.#runtime = runtime;
    this.#logger = logger;
    this.#tuning = { ...DEFAULT_TUNING, ...options };
    this.#hub = new LiveHub(runtime, logger, { ...DEFAULT_LIVE_TUNING, ...options });
    this.#snapshots = new SnapshotKeeper(backbone, runtime, logger, shardCount, this.#tuning.snapshotStepRows);
    const env: ShardEnvironment = {
      backbone,
      runtime,
      logger,
      shardCount,
      tuning: this.#tuning,
      budget: new QueueBudget(this.#tuning.maxQueuedBytes),
      latency: this.#latency,
      writer: new ByteWriter(64 * 1024),
    };
    const replicas = new Interner();
    const stores = Array.from({ length: shardCount }, (_, shard) => {
      return new ShardStore(shard, replicas, limits.maxElementsPerKey, this.#hub);
    });
    this.#shards = stores.map((store) => new Shard(store, env, this));
  }

  get logId(): string {
    return this.#backbone.log.logId;
  }

  async open(): Promise<void> {
    if (this.#state !== 'created') throw new TopGunError('INTERNAL', 'A data plane can be opened once.');
    this.#state = 'opening';
    const startedAt = this.#runtime.monotonic();
    const waiting = [...this.#shards];
    let restored = 0;
    const restore = async (): Promise<void> => {
      for (let shard = waiting.shift(); shard !== undefined; shard = waiting.shift()) {
        await shard.restore();
        restored++;
        this.#logger.debug({ shard: shard.id, restored, of: this.shardCount }, 'shard restored');
      }
    };
    await Promise.all(Array.from({ length: RESTORES_AT_ONCE }, restore));
    const stores = this.#shards.map((shard) => shard.store);
    this.#hub.start(stores, this.logId);
    this.#state = 'open';
    this.#armHorizon();
    let records = 0;
    for (const store of stores) records += store.size;
    const ms = Math.round(this.#runtime.monotonic() - startedAt);
    this.#logger.info({ shards: this.shardCount, records, ms }, 'data restored');
  }

  async close(): Promise<void> {
    if (this.#horizonTimer !== null) this.#runtime.clearTimer(this.#horizonTimer);
    this.#horizonTimer = null;
    await Promise.all(this.#shards.map((shard) => shard.close()));
    await this.#snapshots.close();
    this.#hub.closeAll();
    this.#state = 'closed';
  }

  write(batch: EntryBatch, indexes: readonly number[] | null, done: WriteDone): void {
    const count = indexes === null ? batch.count : indexes.length;
    if (count === 0) {
      done([], []);
      return;
    }
    const ticket = new WriteTicket(count, (rejected, notOwner) => {
      try {
        done(rejected, notOwner);
      } catch (error) {
        this.#logger.error({ error }, 'a write could not be answered');
      }
    });
    for (let i = 0; i < count; i++) {
      const index = indexes === null ? i : (indexes[i] as number);
      this.#shardOf(batch.keys[index] as string).submit(batch, index, ticket);
    }
  }

  read(map: string, key: string): ReadResult | null {
    const shard = this.#shardOf(key);
    if (!shard.isServing) throw new TopGunError('UNAVAILABLE', shard.problem ?? 'The shard does not serve.');
    const table = shard.store.find(map)?.table;
    const slot = table?.find(key) ?? -1;
    if (table === undefined || slot < 0) return null;
    const value = rowValue(table, slot, this.#runtime.now());
    return value === ABSENT ? null : { kind: table.kind(slot), value };
  }

  subscribe(spec: SubscribeSpec, sink: StreamSink): Stream {
    if (this.#state !== 'open') throw new TopGunError('UNAVAILABLE', 'The node is not ready. Try again soon.');
    return this.#hub.subscribe(spec, sink);
  }

  owns(shard: number): boolean {
    return this.#shards[shard]?.isServing ?? false;
  }

  readyProblem(): string | null {
    if (this.#state === 'closed') return 'the data plane is closed';
    for (const { problem } of this.#shards) if (problem !== null) return problem;
    return null;
  }

  stats(): DataPlaneStats {
    const shards = this.#shards.map((shard) => shard.stats());
    const totals = {
      records: 0,
      logBytes: 0,
      appends: 0,
      opsApplied: 0,
      opsSuperseded: 0,
      opsRejected: 0,
      queuedBytes: 0,
    };
    for (const shard of shards) {
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += shard[name];
    }
    return {
      shards,
      totals,
      appendLatency: this.#latency.read(),
      streams: this.#hub.streamCount,
      windows: this.#hub.windowCount,
    };
  }

  hasWork(shard: Shard): void {
    // At the end of the turn: a batch that is spread over shards, and batches that arrive together, are queued whole
    // before the first append takes its share.
    if (this.#working.push(shard) === 1) queueMicrotask(this.#kick);
  }

  snapshotDue(shard: Shard): void {
    this.#snapshots.request(shard);
  }

  readonly #kick = (): void => {
    const working = this.#working;
    this.#working = [];
    for (const shard of working) shard.kick();
  };

  /** One shard after the other, so that looking for what can be forgotten does not hold up the rest for long. */
  #armHorizon(next = 0): void {
    const { horizonIntervalMs, tombstoneRetentionMs } = this.#tuning;
    this.#horizonTimer = this.#runtime.setTimer(horizonIntervalMs / this.shardCount, () => {
      this.#shards[next]?.proposeHorizon(Math.floor(this.#runtime.now() - tombstoneRetentionMs));
      this.#armHorizon((next + 1) % this.shardCount);
    });
  }

  #shardOf(key: string): Shard {
    return this.#shards[shardOfKey(key, this.shardCount)] as Shard;
  }
}
