import type { ErrorCode, RejectedOp } from '@topgunbuild/core';
import type { WriteDone } from './DataPlane.js';

const NONE: readonly never[] = [];

/**
 * Counts down the ops of one write, which may be spread over shards, and answers once: in a microtask of its own, behind
 * the one that tells streams of the same commit. So a session hears of a change before its ack, and a client never has to
 * guess what became of a record between the two.
 */
export class WriteTicket {
  #open: number;
  #rejected: RejectedOp[] | null = null;
  #notOwner: number[] | null = null;
  readonly #done: WriteDone;

  constructor(ops: number, done: WriteDone) {
    this.#open = ops;
    this.#done = done;
  }

  /** One op is durable, or superseded by what is durable. */
  settle(): void {
    this.#open--;
    if (this.#open === 0) queueMicrotask(() => this.#done(this.#rejected ?? NONE, this.#notOwner ?? NONE));
  }

  /** One op was refused. */
  refuse(index: number, code: ErrorCode, message: string): void {
    this.#rejected ??= [];
    this.#rejected.push({ index, code, message });
    this.settle();
  }

  /** One op is another node's to take. */
  move(index: number): void {
    this.#notOwner ??= [];
    this.#notOwner.push(index);
    this.settle();
  }
}
