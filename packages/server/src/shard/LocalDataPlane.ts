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
import type { Backbone, LogTails } from '../backbone/Backbone.js';
import { type Logger, SILENT } from '../Logger.js';
import { LiveHub } from '../live/LiveHub.js';
import { DEFAULT_LIVE_TUNING, type LiveTuning } from '../live/LiveTuning.js';
import { AppendPacer } from './AppendPacer.js';
import type {
  DataPlane,
  DataPlaneStats,
  ReadResult,
  Stream,
  StreamSink,
  SubscribeSpec,
  WriteDone,
} from './DataPlane.js';
import { HeadProbe } from './HeadProbe.js';
import { HostedShard, type HostedShardOwner, OPENING_WAIT_MS } from './HostedShard.js';
import type { HostingEnvironment } from './HostingEnvironment.js';
import { LatencyRecorder } from './LatencyRecorder.js';
import { NodeClock } from './NodeClock.js';
import { QueueBudget } from './QueueBudget.js';
import { RestoreSlots } from './RestoreSlots.js';
import type { HostingState, Role, ShardHost } from './Role.js';
import { ABSENT, rowValue } from './rowValue.js';
import { ShardStore } from './ShardStore.js';
import { DEFAULT_TUNING, type ShardTuning } from './ShardTuning.js';
import type { ShardWriter } from './ShardWriter.js';
import { SnapshotKeeper } from './SnapshotKeeper.js';
import { WaitingStream, type WaitingStreamPort } from './WaitingStream.js';
import { WriteTicket } from './WriteTicket.js';

export interface LocalDataPlaneOptions {
  /** Names the node in the log, to those who share it. */
  readonly nodeId?: string;
  /** Opened before `open` is called, and closed by whoever opened it. */
  readonly backbone: Backbone;
  readonly runtime: Runtime;
  readonly limits: Limits;
  readonly shardCount: number;
  readonly logger?: Logger;
  readonly options?: Partial<ShardTuning & LiveTuning>;
  /**
   * Runs a function at the end of this turn of the event loop, when all sockets that had something were read: appends then
   * carry what all of them sent. Default: a microtask.
   */
  readonly atTurnEnd?: ((run: () => void) => void) | undefined;
}

/** Shards restored at a time when somebody waits for them. */
const RESTORES_AT_ONCE = 4;

/**
 * The data plane of one node: its shards, and the live queries over those that it serves. A node that is alone serves every
 * shard once it is open; one that shares its backbone hosts nothing until it is given roles.
 */
export class LocalDataPlane implements DataPlane, ShardHost, HostedShardOwner {
  readonly shardCount: number;
  readonly #backbone: Backbone;
  readonly #runtime: Runtime;
  readonly #limits: Limits;
  readonly #logger: Logger;
  readonly #tuning: ShardTuning;
  readonly #shards: readonly HostedShard[];
  readonly #hub: LiveHub;
  readonly #snapshots: SnapshotKeeper;
  readonly #probe: HeadProbe;
  readonly #latency = new LatencyRecorder();
  readonly #pacer: AppendPacer;
  readonly #clock: NodeClock;
  /** Streams of shards that are about to be served. */
  readonly #waiting = new Set<WaitingStream>();
  #replicas = new Interner();
  /** Null: the node is alone. Known once the plane opens. */
  #tails: LogTails | null = null;
  #state: 'created' | 'opening' | 'open' | 'closed' = 'created';
  #horizonTimer: Timer | null = null;

  constructor(options: LocalDataPlaneOptions) {
    const { backbone, runtime, limits, shardCount, logger = SILENT, options: tuning = {}, nodeId = '' } = options;
    this.shardCount = shardCount;
    this.#backbone = backbone;
    this.#runtime = runtime;
    this.#limits = limits;
    this.#logger = logger;
    this.#tuning = { ...DEFAULT_TUNING, ...tuning };
    this.#pacer = new AppendPacer(runtime, options.atTurnEnd ?? queueMicrotask, this.#tuning);
    this.#clock = new NodeClock(runtime, limits.maxDriftMs);
    this.#hub = new LiveHub(this.#clock.runtime(), logger, { ...DEFAULT_LIVE_TUNING, ...tuning }, shardCount);
    this.#snapshots = new SnapshotKeeper(backbone, runtime, logger, shardCount, this.#tuning);
    const env: HostingEnvironment = {
      nodeId,
      backbone,
      runtime,
      logger,
      shardCount,
      tails: () => this.#tails,
      isClustered: () => this.#tails !== null,
      tuning: this.#tuning,
      budget: new QueueBudget(this.#tuning.maxQueuedBytes),
      latency: this.#latency,
      bytes: new ByteWriter(64 * 1024),
      slots: new RestoreSlots(RESTORES_AT_ONCE),
      clock: this.#clock,
      isServing: () => this.#shards.some((shard) => shard.isServing),
      createStore: (shard) => new ShardStore(shard, this.#replicas, this.#limits.maxElementsPerKey, this.#hub),
    };
    this.#shards = Array.from({ length: shardCount }, (_, shard) => new HostedShard(shard, env, this));
    this.#probe = new HeadProbe(backbone, runtime, this.#shards);
  }

  get logId(): string {
    return this.#backbone.log.logId;
  }

  async open(): Promise<void> {
    if (this.#state !== 'created') throw new TopGunError('INTERNAL', 'A data plane can be opened once.');
    this.#state = 'opening';
    this.#tails = this.#backbone.cluster?.tails ?? null;
    if (!this.#isAlone) this.#pacer.linger();
    this.#hub.start(this.logId);
    if (this.#isAlone) await this.#openAlone();
    else this.#probe.start();
    this.#state = 'open';
    this.#armHorizon();
  }

  async close(): Promise<void> {
    if (this.#horizonTimer !== null) this.#runtime.clearTimer(this.#horizonTimer);
    this.#horizonTimer = null;
    this.#probe.close();
    this.#pacer.close();
    for (const stream of [...this.#waiting]) stream.close();
    await Promise.all(this.#shards.map((shard) => shard.close()));
    await this.#snapshots.close();
    this.#hub.closeAll();
    this.#state = 'closed';
  }

  setRoles(roles: readonly Role[]): void {
    if (this.#state !== 'open') return;
    // What is given up first: whoever takes it over need not wait for what this node takes over.
    for (const isOwner of [false, true]) {
      for (const [shard, role] of roles.entries()) {
        if ((role.name === 'owner') === isOwner) this.#shards[shard]?.setRole(role);
      }
    }
  }

  hosting(): readonly HostingState[] {
    return this.#shards.map((shard) => shard.hosting());
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
    const store = shard.servedStore;
    if (store === null) {
      if (!this.#isAlone && !shard.isAboutToServe) throw notOwner(shard.id);
      throw new TopGunError('UNAVAILABLE', shard.problem ?? 'The shard does not serve.');
    }
    const table = store.find(map)?.table;
    const slot = table?.find(key) ?? -1;
    if (table === undefined || slot < 0) return null;
    const value = rowValue(table, slot, this.now());
    return value === ABSENT ? null : { kind: table.kind(slot), value };
  }

  now(): number {
    return this.#clock.now();
  }

  subscribe(spec: SubscribeSpec, sink: StreamSink): Stream {
    if (this.#state !== 'open') throw new TopGunError('UNAVAILABLE', 'The node is not ready. Try again soon.');
    const shards = this.#hub.shardsOf(spec);
    // At a node that is alone whatever has been restored can be read, whatever became of its log since.
    const isReady = this.#isAlone ? true : this.#readinessOf(shards);
    if (isReady === null) throw notOwner(shards.find((shard) => !this.owns(shard)) ?? -1);
    const ahead = isReady ? this.#cursorsAhead(spec, shards) : [];
    if (isReady && ahead.length === 0) return this.#hub.subscribe(spec, sink);
    let proof: boolean | null = ahead.length === 0;
    const waiting = this.#wait(spec, sink, () => {
      const readiness = this.#readinessOf(shards);
      return readiness === true ? proof : readiness;
    });
    if (ahead.length > 0) {
      void this.#areVoid(ahead).then((areVoid) => {
        proof = areVoid ? true : null;
        waiting.recheck();
      });
    }
    return waiting;
  }

  owns(shard: number): boolean {
    return this.#shards[shard]?.isOwned ?? false;
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
      appendsFenced: 0,
      takeovers: 0,
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

  hasWork(writer: ShardWriter): void {
    this.#pacer.add(writer);
  }

  snapshotDue(writer: ShardWriter): void {
    this.#snapshots.request(writer);
  }

  serves(store: ShardStore): void {
    this.#hub.serves(store);
  }

  ends(shard: number): void {
    this.#hub.ends(shard);
  }

  changed(shard: HostedShard): void {
    for (const stream of [...this.#waiting]) stream.recheck();
    // The names of replicas are shared by all stores; with the last of them they go.
    if (shard.isAbsent && this.#shards.every(({ isAbsent }) => isAbsent)) this.#replicas = new Interner();
  }

  /** One shard after the other, so that looking for what can be forgotten does not hold up the rest for long. */
  #armHorizon(next = 0): void {
    const { horizonIntervalMs, tombstoneRetentionMs } = this.#tuning;
    this.#horizonTimer = this.#runtime.setTimer(horizonIntervalMs / this.shardCount, () => {
      // By the clock of the machine: where the node's is ahead of it, deletions are remembered the longer.
      this.#shards[next]?.proposeHorizon(Math.floor(this.#runtime.now() - tombstoneRetentionMs));
      this.#armHorizon((next + 1) % this.shardCount);
    });
  }

  async #openAlone(): Promise<void> {
    const startedAt = this.#runtime.monotonic();
    const waiting = [...this.#shards];
    let restored = 0;
    const restore = async (): Promise<void> => {
      for (let shard = waiting.shift(); shard !== undefined; shard = waiting.shift()) {
        await shard.openAlone();
        restored++;
        this.#logger.debug({ shard: shard.id, restored, of: this.shardCount }, 'shard restored');
      }
    };
    await Promise.all(Array.from({ length: RESTORES_AT_ONCE }, restore));
    let records = 0;
    for (const shard of this.#shards) records += shard.servedStore?.size ?? 0;
    const ms = Math.round(this.#runtime.monotonic() - startedAt);
    this.#logger.info({ shards: this.shardCount, records, ms }, 'data restored');
  }

  #wait(spec: SubscribeSpec, sink: StreamSink, readiness: () => boolean | null): WaitingStream {
    const port: WaitingStreamPort = {
      runtime: this.#runtime,
      readiness,
      open: () => this.#hub.subscribe(spec, sink),
      failed: (error) => {
        if (error !== null) this.#logger.error({ error, map: spec.map }, 'a stream could not be opened');
        spec.onMoved();
      },
      settled: (stream) => this.#waiting.delete(stream),
    };
    const waiting = new WaitingStream(port, OPENING_WAIT_MS);
    this.#waiting.add(waiting);
    return waiting;
  }

  /**
   * Cursors beyond what this node has, where others may write: either it has been succeeded and does not know, and must
   * not send a subscriber back to what it was; or the log has lost what they stand for.
   */
  #cursorsAhead({ logId, cursors }: SubscribeSpec, shards: readonly number[]): readonly [shard: number, seq: number][] {
    if (this.#isAlone || logId !== this.logId) return [];
    const ahead: [number, number][] = [];
    for (let i = 0; i + 1 < cursors.length; i += 2) {
      const [shard, seq] = [cursors[i] as number, cursors[i + 1] as number];
      const appliedSeq = this.#shards[shard]?.servedStore?.appliedSeq ?? Number.POSITIVE_INFINITY;
      if (seq > appliedSeq && shards.includes(shard)) ahead.push([shard, seq]);
    }
    return ahead;
  }

  /** True: the log does not reach to any of the cursors. */
  async #areVoid(cursors: readonly [shard: number, seq: number][]): Promise<boolean> {
    try {
      const heads = await Promise.all(cursors.map(([shard]) => this.#backbone.log.head(shard)));
      return cursors.every(([, seq], i) => seq > (heads[i] as number));
    } catch {
      return false;
    }
  }

  /** As WaitingStream asks. */
  #readinessOf(shards: readonly number[]): boolean | null {
    let isReady = true;
    for (const id of shards) {
      const shard = this.#shards[id];
      if (shard?.isServing) continue;
      if (shard === undefined || !shard.isAboutToServe) return null;
      isReady = false;
    }
    return isReady;
  }

  get #isAlone(): boolean {
    return this.#tails === null;
  }

  #shardOf(key: string): HostedShard {
    return this.#shards[shardOfKey(key, this.shardCount)] as HostedShard;
  }
}

function notOwner(shard: number): TopGunError {
  return new TopGunError('NOT_OWNER', `Shard ${shard} is another node's. Ask for it there.`);
}
