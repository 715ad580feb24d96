import type { AppendResult, LogRecord, Snapshot } from '../Backbone.js';

interface ShardLog {
  head: number;
  records: LogRecord[];
  snapshot: Snapshot | null;
  readonly watchers: Set<() => void>;
}

/** The logs that the nodes of a MemoryCluster share. Shards share streams, so that sequences ascend by more than one. */
export class SharedLog {
  readonly #shards = new Map<number, ShardLog>();
  readonly #streams: number[];

  constructor(streams: number) {
    this.#streams = Array<number>(streams).fill(0);
  }

  append(shard: number, bytes: Uint8Array, expectedSeq: number): AppendResult {
    const log = this.shard(shard);
    if (log.head !== expectedSeq) return { status: 'fenced' };
    const stream = shard % this.#streams.length;
    const seq = (this.#streams[stream] as number) + 1;
    this.#streams[stream] = seq;
    log.records.push({ seq, prev: log.head, bytes });
    log.head = seq;
    for (const watcher of [...log.watchers]) watcher();
    return { status: 'appended', seq };
  }

  /** The records after `fromSeq`, oldest first. */
  after(shard: number, fromSeq: number): LogRecord[] {
    const { records } = this.shard(shard);
    // From the end: those who follow the log ask for its last records.
    let start = records.length;
    while (start > 0 && (records[start - 1] as LogRecord).seq > fromSeq) start--;
    return records.slice(start);
  }

  trim(shard: number, upToSeq: number): void {
    const log = this.shard(shard);
    log.records = log.records.filter((record) => record.seq > upToSeq || record.seq === log.head);
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
