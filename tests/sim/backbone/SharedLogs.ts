import type { AppendResult, LogRecord, Snapshot } from '../../../packages/server/src/backbone/Backbone.js';

interface ShardLog {
  head: number;
  records: LogRecord[];
  snapshot: Snapshot | null;
  readonly watchers: Set<() => void>;
}

/** Hears of every record as it lands, with the process that appended it. */
export type LogObserver = (shard: number, record: LogRecord, author: string) => void;

/** The logs that all nodes share. Several shards are in one stream, so that sequences ascend by more than one. */
export class SharedLogs {
  readonly #streams: number[];
  readonly #shards = new Map<number, ShardLog>();
  readonly #observe: LogObserver;

  constructor(streams: number, observe: LogObserver) {
    this.#streams = Array<number>(streams).fill(0);
    this.#observe = observe;
  }

  append(shard: number, bytes: Uint8Array, expectedSeq: number, author: string): AppendResult {
    const log = this.shard(shard);
    if (log.head !== expectedSeq) return { status: 'fenced' };
    return { status: 'appended', seq: this.put(shard, bytes, author) };
  }

  /** Appends whatever is there before. */
  put(shard: number, bytes: Uint8Array, author: string): number {
    const log = this.shard(shard);
    const stream = shard % this.#streams.length;
    const seq = (this.#streams[stream] as number) + 1;
    this.#streams[stream] = seq;
    // Copied only now: whoever changes the bytes before the record is durable spoils the record.
    const record = { seq, prev: log.head, bytes: bytes.slice() };
    log.records.push(record);
    log.head = seq;
    this.#observe(shard, record, author);
    for (const watcher of [...log.watchers]) watcher();
    return seq;
  }

  /** The records after `fromSeq`, oldest first. */
  after(shard: number, fromSeq: number): LogRecord[] {
    return this.shard(shard).records.filter(({ seq }) => seq > fromSeq);
  }

  trim(shard: number, upToSeq: number): void {
    const log = this.shard(shard);
    log.records = log.records.filter(({ seq }) => seq > upToSeq || seq === log.head);
  }

  saveSnapshot(shard: number, snapshot: Snapshot): void {
    const log = this.shard(shard);
    if (log.snapshot === null || log.snapshot.seq <= snapshot.seq) log.snapshot = snapshot;
  }

  shard(shard: number): ShardLog {
    let log = this.#shards.get(shard);
    if (log === undefined) {
      log = { head: 0, records: [], snapshot: null, watchers: new Set() };
      this.#shards.set(shard, log);
    }
    return log;
  }
}
