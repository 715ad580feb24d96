import type { Runtime, Timer } from '@topgunbuild/core';
import type { Backbone } from '../backbone/Backbone.js';
import type { Logger } from '../Logger.js';
import type { ShardTuning } from './ShardTuning.js';
import type { ShardWriter } from './ShardWriter.js';
import { SnapshotBuilder } from './SnapshotBuilder.js';

type SnapshotTuning = Pick<ShardTuning, 'snapshotDelayMs' | 'snapshotStepRows'>;

const RETRY_MS = 30_000;

/** Takes the snapshots that shards ask for, one at a time, and trims their logs afterwards. */
export class SnapshotKeeper {
  readonly #backbone: Pick<Backbone, 'log'>;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  readonly #shardCount: number;
  readonly #tuning: SnapshotTuning;
  readonly #waiting: ShardWriter[] = [];
  #running: Promise<void> | null = null;
  #isClosed = false;
  /** The pause under way. */
  #pause: { readonly timer: Timer; readonly end: () => void } | null = null;

  constructor(
    backbone: Pick<Backbone, 'log'>,
    runtime: Runtime,
    logger: Logger,
    shardCount: number,
    tuning: SnapshotTuning,
  ) {
    this.#backbone = backbone;
    this.#runtime = runtime;
    this.#logger = logger;
    this.#shardCount = shardCount;
    this.#tuning = tuning;
  }

  request(shard: ShardWriter): void {
    this.#waiting.push(shard);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is under way any more. A snapshot in the making is abandoned, one being saved is waited for. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#pause !== null) {
      this.#runtime.clearTimer(this.#pause.timer);
      this.#pause.end();
    }
    await this.#running;
  }

  async #run(): Promise<void> {
    const { snapshotDelayMs } = this.#tuning;
    if (snapshotDelayMs > 0) await this.#sleep(snapshotDelayMs);
    for (let shard = this.#waiting.shift(); shard !== undefined; shard = this.#waiting.shift()) {
      if (this.#isClosed) break;
      try {
        await this.#snapshot(shard);
      } catch (error) {
        shard.snapshotFailed();
        this.#logger.warn({ shard: shard.id, error }, 'snapshot failed, the log is kept');
        if (this.#isClosed) break;
        await this.#sleep(RETRY_MS);
      }
    }
    this.#running = null;
  }

  async #snapshot(shard: ShardWriter): Promise<void> {
    // Whoever serves it by now takes its snapshots.
    if (!shard.isServing) return;
    const builder = new SnapshotBuilder(shard.store, this.#shardCount);
    const { snapshotStepRows } = this.#tuning;
    let snapshot = builder.step(snapshotStepRows);
    while (snapshot === null) {
      await this.#sleep(0);
      if (this.#isClosed || !shard.isServing) {
        builder.abandon();
        return;
      }
      snapshot = builder.step(snapshotStepRows);
    }
    if (snapshot === 'void') {
      shard.snapshotFailed();
      return;
    }
    // What the log holds at this very moment is what the snapshot makes superfluous.
    const { log } = shard;
    let bytes = 0;
    for (const chunk of snapshot.chunks) bytes += chunk.length;
    await this.#backbone.log.saveSnapshot(shard.id, snapshot);
    await this.#backbone.log.trim(shard.id, snapshot.seq);
    shard.snapshotSaved(snapshot.seq, bytes, log);
    this.#logger.debug({ shard: shard.id, seq: snapshot.seq, bytes }, 'snapshot saved');
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#pause = null;
        resolve();
      };
      this.#pause = { timer: this.#runtime.setTimer(ms, end), end };
    });
  }
}
