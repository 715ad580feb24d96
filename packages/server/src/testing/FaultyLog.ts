import { TopGunError } from '@topgunbuild/core';
import type { AppendResult, Log, LogRecord, Snapshot } from '../backbone/Backbone.js';
import type { AppendFault } from './FaultyBackbone.js';

/** A log that fails as it is told to, over one that does not. */
export class FaultyLog implements Log {
  /** What happens to an append; asked each time. */
  fault: (shard: number) => AppendFault = () => 'none';
  readsFail = false;
  appends = 0;
  restores = 0;
  readonly #log: Log;
  #held: (() => void)[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  get logId(): string {
    return this.#log.logId;
  }

  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const go of held) go();
  }

  async append(shard: number, bytes: Uint8Array, expectedSeq: number): Promise<AppendResult> {
    this.appends++;
    const fault = this.fault(shard);
    if (fault === 'hold') await new Promise<void>((resolve) => this.#held.push(resolve));
    if (fault === 'refuse') throw new TopGunError('STORAGE_FULL', 'No space left.');
    const result = await this.#log.append(shard, bytes, expectedSeq);
    if (fault === 'lose') throw new TopGunError('STORAGE_FAILED', 'The answer was lost.');
    return result;
  }

  async head(shard: number): Promise<number> {
    this.#checkReads();
    return this.#log.head(shard);
  }

  async *read(shard: number, fromSeq: number): AsyncIterable<LogRecord> {
    this.#checkReads();
    yield* this.#log.read(shard, fromSeq);
  }

  saveSnapshot(shard: number, snapshot: Snapshot): Promise<void> {
    return this.#log.saveSnapshot(shard, snapshot);
  }

  async loadSnapshot(shard: number): Promise<Snapshot | null> {
    this.restores++;
    this.#checkReads();
    return this.#log.loadSnapshot(shard);
  }

  trim(shard: number, upToSeq: number): Promise<void> {
    return this.#log.trim(shard, upToSeq);
  }

  #checkReads(): void {
    if (this.readsFail) throw new TopGunError('UNAVAILABLE', 'The log does not answer.');
  }
}
