import type { QuerySubMessage } from '@topgunbuild/core';

/** Where streams that are opened go on. */
export type Resumption = Pick<QuerySubMessage, 'logId' | 'cursors'>;

/**
 * How far each shard of a query has come, for streams that are opened again elsewhere. Until anything has come of a shard,
 * what the subscription said of it counts: cursors of another log, or that nothing is held at all.
 */
export class ShardCursors {
  #heldLogId: string | null;
  #held: readonly number[];
  /** The log that the servers have; null while none is known. */
  #logId: string | null = null;
  readonly #seqs = new Map<number, number>();
  /** Shards of which rows may have come. */
  readonly #begun = new Set<number>();

  constructor({ logId, cursors }: Resumption) {
    this.#heldLogId = logId;
    this.#held = cursors;
  }

  /** The servers have the log `logId`. Returns whether it is another one than before, so that all has to come anew. */
  bind(logId: string): boolean {
    if (logId === this.#logId) return false;
    const isOther = this.#logId !== null;
    if (isOther) {
      if (this.#begun.size > 0) this.#heldLogId = this.#logId;
      this.#held = [];
      this.#seqs.clear();
      this.#begun.clear();
    }
    this.#logId = logId;
    if (this.#heldLogId === logId) this.take(this.#held);
    return isOther;
  }

  /** Flat pairs: shard, sequence, ... */
  take(cursors: readonly number[]): void {
    for (let i = 0; i + 1 < cursors.length; i += 2) this.#seqs.set(cursors[i] as number, cursors[i + 1] as number);
  }

  /** Rows of these shards may have come. */
  begun(shards: Iterable<number>): void {
    for (const shard of shards) this.#begun.add(shard);
  }

  /** These shards come from the beginning. */
  reset(shards: readonly number[]): void {
    for (const shard of shards) this.#seqs.delete(shard);
    this.begun(shards);
  }

  of(shards: readonly number[]): Resumption {
    const begun = shards.reduce((count, shard) => (this.#begun.has(shard) ? count + 1 : count), 0);
    // Who came with nothing holds nothing of a stream that has brought nothing.
    if (this.#heldLogId === null && begun === 0) return { logId: null, cursors: [] };
    const isForeign = this.#heldLogId !== null && this.#heldLogId !== this.#logId;
    // Rows of another log: everything is told anew, even of shards that would not have to be.
    if (isForeign && begun < shards.length) return { logId: this.#heldLogId, cursors: [] };
    const cursors: number[] = [];
    for (const shard of shards) {
      const seq = this.#seqs.get(shard) ?? 0;
      if (seq > 0) cursors.push(shard, seq);
    }
    return { logId: this.#logId, cursors };
  }
}
