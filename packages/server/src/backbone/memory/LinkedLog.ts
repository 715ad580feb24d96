import type { AppendResult, Log, LogRecord, LogTails, Snapshot, Tail } from '../Backbone.js';
import type { MemoryLink } from './MemoryLink.js';
import type { SharedLog } from './SharedLog.js';

/** The shared logs as one node sees them. */
export class LinkedLog implements Log, LogTails {
  readonly logId: string;
  readonly #log: SharedLog;
  readonly #link: MemoryLink;

  constructor(logId: string, log: SharedLog, link: MemoryLink) {
    this.logId = logId;
    this.#log = log;
    this.#link = link;
  }

  append(shard: number, bytes: Uint8Array, expectedSeq: number): Promise<AppendResult> {
    const copy = bytes.slice();
    return this.#link.call(() => this.#log.append(shard, copy, expectedSeq));
  }

  head(shard: number): Promise<number> {
    return this.#link.call(() => this.#log.shard(shard).head);
  }

  read(shard: number, fromSeq: number): AsyncIterable<LogRecord> {
    const records = this.#link.call(() => this.#log.after(shard, fromSeq));
    // Told to whoever iterates, if anybody does.
    records.catch(() => undefined);
    return iterate(records);
  }

  async saveSnapshot(shard: number, { seq, chunks }: Snapshot): Promise<void> {
    const copy = { seq, chunks: chunks.map((chunk) => chunk.slice()) };
    await this.#link.call(() => {
      const log = this.#log.shard(shard);
      if (log.snapshot === null || log.snapshot.seq <= seq) log.snapshot = copy;
    });
  }

  loadSnapshot(shard: number): Promise<Snapshot | null> {
    return this.#link.call(() => this.#log.shard(shard).snapshot);
  }

  trim(shard: number, upToSeq: number): Promise<void> {
    return this.#link.call(() => this.#log.trim(shard, upToSeq));
  }

  tail(shard: number, fromSeq: number, onRecord: (record: LogRecord) => void): Tail {
    const link = this.#link;
    const log = this.#log;
    const { watchers } = log.shard(shard);
    /** What is on the way is lost when the link is cut: then the tail goes on behind what arrived. */
    let sentSeq = fromSeq;
    let arrivedSeq = fromSeq;
    let isClosed = false;
    const follow = (): void => {
      for (const record of log.after(shard, sentSeq)) {
        sentSeq = record.seq;
        link.deliver(() => {
          if (isClosed) return;
          arrivedSeq = record.seq;
          onRecord(record);
        });
      }
    };
    const resume = (): void => {
      watchers.delete(follow);
      if (isClosed || !link.isReachable) return;
      sentSeq = arrivedSeq;
      watchers.add(follow);
      follow();
    };
    const unsubscribe = link.onChange(() => {
      // Else it would tell what comes next before what was lost.
      watchers.delete(follow);
      link.send(resume);
    });
    link.send(resume);
    return {
      close: () => {
        isClosed = true;
        watchers.delete(follow);
        unsubscribe();
      },
    };
  }
}

async function* iterate(records: Promise<readonly LogRecord[]>): AsyncIterable<LogRecord> {
  yield* await records;
}
