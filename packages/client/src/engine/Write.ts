import type { PendingOp } from './PendingOp.js';

/**
 * The receipt of a write. Its promises are made when they are first asked for, so a write that nobody waits for
 * costs nothing and can never end in an unhandled rejection.
 */
export class Write {
  readonly #op: PendingOp;

  constructor(op: PendingOp) {
    this.#op = op;
  }

  /** Names the operation within this client. */
  get opId(): string {
    return `${this.#op.replica}/${this.#op.number}`;
  }

  /**
   * Resolves when the write is in the client's storage and survives the death of the process (at once with the
   * default memory storage). Rejects with STORAGE_FULL or STORAGE_FAILED; the write is then kept in memory, still sent,
   * and stored later when storage works again.
   */
  get persisted(): Promise<void> {
    return this.#op.persisted();
  }

  /** Resolves when the write is durable at the server; rejects with the server's reason, and the write is undone. */
  get acked(): Promise<void> {
    return this.#op.acked();
  }
}
