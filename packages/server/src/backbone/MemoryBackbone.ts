import { systemRuntime } from '@topgunbuild/core';
import type { AppendResult, Backbone, Log, LogRecord, Snapshot } from './Backbone.js';

interface ShardLog {
  head: number;
  records: LogRecord[];
  snapshot: Snapshot | null;
}

/** A log in the memory of the process: for nodes that keep nothing, and for tests. */
class MemoryLog implements Log {
  readonly logId: string;
  readonly #shards = new Map<number, ShardLog>();

  constructor(logId: string) {
    this.logId = logId;
  }

  async append(shard: number, bytes: Uint8Array, expectedSeq: number): Promise<AppendResult> {
    const log = this.#shard(shard);
    if (log.head !== expectedSeq) return { status: 'fenced' };
    log.head++;
    log.records.push({ seq: log.head, prev: expectedSeq, bytes: bytes.slice() });
    return { status: 'appended', seq: log.head };
  }

  async head(shard: number): Promise<number> {
    return this.#shard(shard).head;
  }

  read(shard: number, fromSeq: number): AsyncIterable<LogRecord> {
    // Now, not at the first step of the reader: up to the head at the time of the call.
    return iterate(this.#shard(shard).records.filter((record) => record.seq > fromSeq));
  }

  async saveSnapshot(shard: number, snapshot: Snapshot): Promise<void> {
    this.#shard(shard).snapshot = { seq: snapshot.seq, chunks: snapshot.chunks.map((chunk) => chunk.slice()) };
  }

  async loadSnapshot(shard: number): Promise<Snapshot | null> {
    return this.#shard(shard).snapshot;
  }

  async trim(shard: number, upToSeq: number): Promise<void> {
    const log = this.#shard(shard);
    log.records = log.records.filter((record) => record.seq > upToSeq || record.seq === log.head);
  }

  #shard(shard: number): ShardLog {
    let log = this.#shards.get(shard);
    if (log === undefined) {
      log = { head: 0, records: [], snapshot: null };
      this.#shards.set(shard, log);
    }
    return log;
  }
}

async function* iterate(records: readonly LogRecord[]): AsyncIterable<LogRecord> {
  yield* records;
}

/** A backbone that keeps nothing beyond the process. What it holds survives closing and opening again. */
export class MemoryBackbone implements Backbone {
  readonly type = 'memory';
  readonly log: Log;
  readonly cluster = null;
  readonly problem = null;

  constructor(logId: string = systemRuntime().id()) {
    this.log = new MemoryLog(logId);
  }

  async open(): Promise<void> {}

  async close(): Promise<void> {}
}
