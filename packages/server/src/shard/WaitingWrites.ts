import type { EntryBatch } from '@topgunbuild/core';
import { queuedBytes } from './PendingRecord.js';
import type { QueueBudget } from './QueueBudget.js';
import type { Refusal } from './Verdict.js';
import type { WriteTicket } from './WriteTicket.js';

interface WaitingOp {
  readonly batch: EntryBatch;
  readonly index: number;
  readonly ticket: WriteTicket;
  readonly bytes: number;
}

/** Ops for a shard that is about to be served here. */
export class WaitingWrites {
  readonly #budget: QueueBudget;
  #ops: WaitingOp[] = [];

  constructor(budget: QueueBudget) {
    this.#budget = budget;
  }

  get isEmpty(): boolean {
    return this.#ops.length === 0;
  }

  get bytes(): number {
    let bytes = 0;
    for (const op of this.#ops) bytes += op.bytes;
    return bytes;
  }

  /** False: there is no room. */
  add(batch: EntryBatch, index: number, ticket: WriteTicket): boolean {
    const bytes = queuedBytes(batch, index);
    if (!this.#budget.take(bytes)) return false;
    this.#ops.push({ batch, index, ticket, bytes });
    return true;
  }

  /** In the order in which they came. */
  submitTo(writer: { submit(batch: EntryBatch, index: number, ticket: WriteTicket): void }): void {
    for (const { batch, index, ticket } of this.#take()) writer.submit(batch, index, ticket);
  }

  /** Another node is to take them. */
  move(): void {
    for (const { index, ticket } of this.#take()) ticket.move(index);
  }

  /** Returns how many there were. */
  refuse({ code, message }: Refusal): number {
    const ops = this.#take();
    for (const { index, ticket } of ops) ticket.refuse(index, code, message);
    return ops.length;
  }

  #take(): WaitingOp[] {
    const ops = this.#ops;
    this.#ops = [];
    for (const { bytes } of ops) this.#budget.give(bytes);
    return ops;
  }
}
