import { TopGunError } from '@topgunbuild/core';
import type { Change, Store } from '@topgunbuild/store';
import type { AppendResult, Log, LogRecord, Snapshot } from './Backbone.js';
import { EmbeddedSnapshots } from './EmbeddedSnapshots.js';
import { logKey, MAX_SHARD, seqOfLogKey } from './logKeys.js';

export const LOG_TABLE = 'log';

const READ_RECORDS = 256;
const READ_BYTES = 1024 * 1024;
/** Deletions a commit: few enough to pass on a full disk, where trimming is what makes space. */
const TRIM_RECORDS = 64;

/** The log of every shard in one store, a row a record. A shard's last record is never deleted, so it tells the head. */
export class EmbeddedLog implements Log {
  readonly logId: string;
  readonly #store: Store;
  readonly #snapshots: EmbeddedSnapshots;
  /** The head that each shard will have once what is under way is on the disk. */
  readonly #heads = new Map<number, number>();

  constructor(logId: string, store: Store) {
    this.logId = logId;
    this.#store = store;
    this.#snapshots = new EmbeddedSnapshots(store);
  }

  async append(shard: number, bytes: Uint8Array, expectedSeq: number): Promise<AppendResult> {
    if (this.#nextHead(shard) !== expectedSeq) return { status: 'fenced' };
    const seq = expectedSeq + 1;
    this.#heads.set(shard, seq);
    const change: Change = { table: LOG_TABLE, key: logKey(shard, seq), value: bytes };
    await this.#store.commit([change], { lane: shard, onFailure: () => this.#heads.delete(shard) });
    return { status: 'appended', seq };
  }

  async head(shard: number): Promise<number> {
    return this.#storedHead(shard);
  }

  read(shard: number, fromSeq: number): AsyncIterable<LogRecord> {
    return this.#records(shard, fromSeq, this.#storedHead(shard));
  }

  async saveSnapshot(shard: number, snapshot: Snapshot): Promise<void> {
    await this.#snapshots.save(checkedShard(shard), snapshot);
  }

  async loadSnapshot(shard: number): Promise<Snapshot | null> {
    return this.#snapshots.load(checkedShard(shard));
  }

  async trim(shard: number, upToSeq: number): Promise<void> {
    const end = Math.min(upToSeq + 1, this.#storedHead(shard));
    for (;;) {
      // In order, so that an interruption leaves the log without gaps.
      const range = { start: logKey(shard, 0), end: logKey(shard, end) };
      const keys = this.#store.keys(LOG_TABLE, range, TRIM_RECORDS);
      if (keys.length === 0) return;
      await this.#store.commit(keys.map((key) => ({ table: LOG_TABLE, key, value: null })));
    }
  }

  async *#records(shard: number, fromSeq: number, head: number): AsyncIterable<LogRecord> {
    const end = logKey(shard, head + 1);
    // By chunks, each of its own transaction: a long one would keep LMDB from using freed pages again.
    for (let last = fromSeq; last < head; ) {
      const range = { start: logKey(shard, last + 1), end };
      const rows = this.#store.rows(LOG_TABLE, range, READ_RECORDS, READ_BYTES);
      if (rows.length === 0) throw trimmed(shard, last + 1);
      for (const { key, value } of rows) {
        const seq = seqOfLogKey(key);
        if (last !== fromSeq && seq !== last + 1) throw trimmed(shard, last + 1);
        last = seq;
        yield { seq, prev: seq - 1, bytes: value };
      }
    }
  }

  #nextHead(shard: number): number {
    let head = this.#heads.get(shard);
    if (head === undefined) {
      head = this.#storedHead(shard);
      this.#heads.set(shard, head);
    }
    return head;
  }

  #storedHead(shard: number): number {
    checkedShard(shard);
    const key = this.#store.lastKey(LOG_TABLE, logKey(shard, 0), logKey(shard, Number.MAX_SAFE_INTEGER));
    return key === undefined ? 0 : seqOfLogKey(key);
  }
}

function checkedShard(shard: number): number {
  if (!Number.isInteger(shard) || shard < 0 || shard > MAX_SHARD) {
    throw new TopGunError('INTERNAL', `A shard is a number from 0 to ${MAX_SHARD}, not ${shard}`);
  }
  return shard;
}

/** Never a gap in silence: what is missing may be acknowledged operations. */
function trimmed(shard: number, seq: number): TopGunError {
  return new TopGunError('STORAGE_FAILED', `Record ${seq} of shard ${shard} was trimmed while the log was being read`);
}
