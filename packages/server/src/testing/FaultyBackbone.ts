import { TopGunError } from '@topgunbuild/core';
import type { AppendResult, Backbone, Log, LogRecord, Snapshot } from '../backbone/Backbone.js';

/**
 * What an append does: `refuse` and `lose` fail, the second after the record was stored all the same; `hold` waits for
 * `release`.
 */
export type AppendFault = 'none' | 'refuse' | 'lose' | 'hold';

interface ShardLog {
  records: LogRecord[];
  head: number;
  snapshot: Snapshot | null;
}

/** Logs in memory that fail as they are told to, and survive the data planes that write them. */
export class FaultyBackbone implements Backbone, Log {
  readonly type = 'faulty';
  readonly cluster = null;
  readonly problem = null;
  logId = 'log-1';
  /** What happens to an append; asked each time. */
  fault: (shard: number) => AppendFault = () => 'none';
  /** Reading fails, the head included. */
  readsFail = false;
  snapshotFails = false;
  appended = 0;
  readonly #shards = new Map<number, ShardLog>();
  #held: (() => void)[] = [];

  get log(): Log {
    return this;
  }

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const go of held) go();
  }

  async append(shard: number, bytes: Uint8Array, expectedSeq: number): Promise<AppendResult> {
    const fault = this.fault(shard);
    if (fault === 'hold') await new Promise<void>((resolve) => this.#held.push(resolve));
    if (fault === 'refuse') throw new TopGunError('STORAGE_FULL', 'No space left.');
    const log = this.shardLog(shard);
    if (log.head !== expectedSeq) return { status: 'fenced' };
    log.head++;
    log.records.push({ seq: log.head, prev: expectedSeq, bytes: bytes.slice() });
    this.appended++;
    if (fault === 'lose') throw new TopGunError('STORAGE_FAILED', 'The answer was lost.');
    return { status: 'appended', seq: log.head };
  }

  async head(shard: number): Promise<number> {
    this.#checkReads();
    return this.shardLog(shard).head;
  }

  async *read(shard: number, fromSeq: number): AsyncIterable<LogRecord> {
    this.#checkReads();
    for (const record of [...this.shardLog(shard).records]) if (record.seq > fromSeq) yield record;
  }

  async saveSnapshot(shard: number, snapshot: Snapshot): Promise<void> {
    if (this.snapshotFails) throw new TopGunError('STORAGE_FULL', 'No space left.');
    this.shardLog(shard).snapshot = { seq: snapshot.seq, chunks: snapshot.chunks.map((chunk) => chunk.slice()) };
  }

  async loadSnapshot(shard: number): Promise<Snapshot | null> {
    return this.shardLog(shard).snapshot;
  }

  async trim(shard: number, upToSeq: number): Promise<void> {
    const log = this.shardLog(shard);
    log.records = log.records.filter((record) => record.seq > upToSeq || record.seq === log.head);
  }

  #checkReads(): void {
    if (this.readsFail) throw new TopGunError('STORAGE_FAILED', 'The log does not answer.');
  }

  shardLog(shard: number): ShardLog {
    let log = this.#shards.get(shard);
    if (log === undefined) {
      log = { records: [], head: 0, snapshot: null };
      this.#shards.set(shard, log);
    }
    return log;
  }
}
