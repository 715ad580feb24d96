import type { DataPlane, SubscribeSpec } from '../shard/DataPlane.js';

/** Where streams that are opened again go on. */
export interface Resumption {
  readonly logId: string | null;
  readonly cursors: readonly number[];
}

/**
 * How far each shard of a query has been sent to its client. Until anything was sent of a shard, what the client itself said
 * about it counts: cursors of another log, or that it holds nothing at all.
 */
export class ShardCursors {
  readonly #clientLogId: string | null;
  readonly #logId: string;
  readonly #seqs: Float64Array;
  readonly #begun: Uint8Array;

  constructor(
    { logId, cursors }: Pick<SubscribeSpec, 'logId' | 'cursors'>,
    plane: Pick<DataPlane, 'logId' | 'shardCount'>,
  ) {
    this.#clientLogId = logId;
    this.#logId = plane.logId;
    this.#seqs = new Float64Array(plane.shardCount);
    this.#begun = new Uint8Array(plane.shardCount);
    if (logId === plane.logId) this.take(cursors);
  }

  /** Flat pairs: shard, sequence, ... */
  take(cursors: readonly number[]): void {
    for (let i = 0; i + 1 < cursors.length; i += 2) {
      const shard = cursors[i] as number;
      if (shard < this.#seqs.length) this.#seqs[shard] = cursors[i + 1] as number;
    }
  }

  /** Rows of these shards may have been sent. */
  begun(shards: readonly number[]): void {
    for (const shard of shards) this.#begun[shard] = 1;
  }

  /** These shards are sent from the beginning. */
  reset(shards: readonly number[]): void {
    for (const shard of shards) this.#seqs[shard] = 0;
    this.begun(shards);
  }

  of(shards: readonly number[]): Resumption {
    const begun = shards.filter((shard) => this.#begun[shard] === 1);
    // A client that came with nothing holds nothing of a stream that has sent nothing.
    if (this.#clientLogId === null && begun.length === 0) return { logId: null, cursors: [] };
    const isForeign = this.#clientLogId !== null && this.#clientLogId !== this.#logId;
    // Rows of another log: everything is told anew, even of shards that would not have to be.
    if (isForeign && begun.length < shards.length) return { logId: this.#clientLogId, cursors: [] };
    const cursors: number[] = [];
    for (const shard of shards) {
      const seq = this.#seqs[shard] as number;
      if (seq > 0) cursors.push(shard, seq);
    }
    return { logId: this.#logId, cursors };
  }
}
