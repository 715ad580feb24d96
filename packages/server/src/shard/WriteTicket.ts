import type { ErrorCode, RejectedOp } from '@topgunbuild/core';
import type { WriteDone } from './DataPlane.js';

const NONE: readonly RejectedOp[] = [];

/** Counts down the ops of one write, which may be spread over shards, and answers once. */
export class WriteTicket {
  #open: number;
  #rejected: RejectedOp[] | null = null;
  readonly #done: WriteDone;

  constructor(ops: number, done: WriteDone) {
    this.#open = ops;
    this.#done = done;
  }

  /** One op is durable, or superseded by what is durable. */
  settle(): void {
    this.#open--;
    if (this.#open === 0) this.#done(this.#rejected ?? NONE);
  }

  /** One op was refused. */
  refuse(index: number, code: ErrorCode, message: string): void {
    this.#rejected ??= [];
    this.#rejected.push({ index, code, message });
    this.settle();
  }
}
