import { EntryBatch, type RejectedOp } from '@topgunbuild/core';
import type { Refusal } from '../session/Refusal.js';
import type { WriteDone } from '../shard/DataPlane.js';

const ROW_OVERHEAD = 64;

/** A write that may be spread over nodes: counts its ops down and answers once. */
export class ForwardedWrite {
  readonly batch: EntryBatch;
  /** When ops that nobody has taken by then are refused, ms of the monotonic clock. */
  readonly deadline: number;
  /** What its ops that wait for other nodes have taken of the budget. */
  heldBytes = 0;
  #open: number;
  #rejected: RejectedOp[] = [];
  readonly #done: WriteDone;

  constructor(batch: EntryBatch, ops: number, deadline: number, done: WriteDone) {
    this.batch = batch;
    this.deadline = deadline;
    this.#open = ops;
    this.#done = done;
  }

  /** So many ops are durable. */
  settle(ops: number): void {
    this.#open -= ops;
    if (this.#open === 0) this.#done(this.#rejected, []);
  }

  refuse(rejected: readonly RejectedOp[]): void {
    if (rejected.length === 0) return;
    this.#rejected = this.#rejected.length === 0 ? [...rejected] : this.#rejected.concat(rejected);
    this.settle(rejected.length);
  }

  refuseAll(indexes: readonly number[], { code, message }: Refusal): void {
    this.refuse(indexes.map((index) => ({ index, code, message })));
  }

  /** About what these ops take of memory. */
  bytesOf(indexes: readonly number[]): number {
    const { starts, ends, keys } = this.batch;
    let bytes = 0;
    for (const row of indexes) {
      bytes += (ends[row] as number) - (starts[row] as number) + (keys[row] as string).length + ROW_OVERHEAD;
    }
    return bytes;
  }

  /** These ops as a batch of their own. */
  part(indexes: readonly number[]): EntryBatch {
    if (indexes.length === this.batch.count) return this.batch;
    const part = new EntryBatch();
    for (const index of indexes) part.addFrom(this.batch, index);
    return part;
  }
}
