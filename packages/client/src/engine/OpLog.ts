import { Tag } from '@topgunbuild/core';
import type { PendingOp } from './PendingOp.js';

/** Fewer are not worth the trouble of sorting them out. */
const MIN_GONE = 1_024;

/** Operations under way to a node as one batch. */
export interface InFlightBatch {
  readonly batchId: number;
  readonly nodeId: string;
  readonly ops: readonly PendingOp[];
  readonly bytes: number;
  /** Monotonic ms. */
  readonly sentAt: number;
}

/**
 * Every operation that the server has not answered, and where it is: waiting in line, under way in a batch, or held back
 * for a reason of its own. It does no I/O and keeps no time.
 */
export class OpLog {
  readonly #ops = new Map<number, PendingOp>();
  readonly #batches = new Map<number, InFlightBatch>();
  #queue: PendingOp[] = [];
  #head = 0;
  /** How many operations left the log before they were sent, since the queue was last tidy. */
  #gone = 0;
  /** Operations that wait for another one on their key, or for storage, see `takeBatch`. */
  #held: PendingOp[] = [];
  #lastNumber = 0;
  #inFlightBytes = 0;

  /** Operations without an answer. */
  get size(): number {
    return this.#ops.size;
  }

  get lastNumber(): number {
    return this.#lastNumber;
  }

  get(number: number): PendingOp | null {
    return this.#ops.get(number) ?? null;
  }

  /** The number of the oldest operation, null when the log is empty. */
  get oldestNumber(): number | null {
    for (const number of this.#ops.keys()) return number;
    return null;
  }

  nextNumber(): number {
    return ++this.#lastNumber;
  }

  /** Numbers given out from now on are above `number`. */
  startAfter(number: number): void {
    this.#lastNumber = Math.max(this.#lastNumber, number);
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  get hasQueued(): boolean {
    return this.#head < this.#queue.length;
  }

  ops(): IterableIterator<PendingOp> {
    return this.#ops.values();
  }

  add(op: PendingOp): void {
    this.#ops.set(op.number, op);
    this.#queue.push(op);
  }

  /** Forgets an operation that was answered, superseded or withdrawn. */
  remove(op: PendingOp): void {
    this.#ops.delete(op.number);
    if (!op.everSent) this.#gone++;
    // A client that is offline for long may write the same keys again and again.
    if (this.#gone >= MIN_GONE && this.#gone * 2 > this.#queue.length - this.#head) this.#tidy();
  }

  #tidy(): void {
    this.#queue = this.#queue.slice(this.#head).filter((op) => this.#ops.has(op.number));
    this.#head = 0;
    this.#gone = 0;
  }

  /**
   * Takes operations from the head of the line, as many as fit. Of one counter only one operation is under way at a
   * time: each carries the total that includes those before it, so a refused one must be known before the next is sent.
   * Operations that have to be stored first wait for that.
   */
  takeBatch(maxOps: number, maxBytes: number): PendingOp[] {
    const batch: PendingOp[] = [];
    let bytes = 0;
    while (this.#head < this.#queue.length && batch.length < maxOps) {
      const op = this.#queue[this.#head] as PendingOp;
      if (op.state === 'queued') {
        if (batch.length > 0 && bytes + op.size > maxBytes) break;
        if ((op.isStoredFirst && !op.stored) || (op.tag === Tag.COUNTER_ADD && isBehindAnother(op))) {
          this.#held.push(op);
        } else {
          op.state = 'sent';
          batch.push(op);
          bytes += op.size;
        }
      }
      this.#head++;
    }
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
      this.#gone = 0;
    } else if (this.#head > 4096) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return batch;
  }

  /** Notes that `ops` are under way. */
  sent(batchId: number, nodeId: string, ops: readonly PendingOp[], sentAt: number): void {
    let bytes = 0;
    for (const op of ops) bytes += op.size;
    this.#batches.set(batchId, { batchId, nodeId, ops, bytes, sentAt });
    this.#inFlightBytes += bytes;
  }

  /** The batch that an answer speaks of, which is then no longer under way; null when it is unknown. */
  answered(batchId: number): InFlightBatch | null {
    const batch = this.#batches.get(batchId);
    if (batch === undefined) return null;
    this.#batches.delete(batchId);
    this.#inFlightBytes -= batch.bytes;
    return batch;
  }

  /** Puts operations back in line, in the order of their numbers. Those that were settled meanwhile are left out. */
  requeue(ops: readonly PendingOp[]): void {
    const again = ops.filter((op) => op.state === 'sent' || op.state === 'queued');
    if (again.length === 0) return;
    for (const op of again) op.state = 'queued';
    this.#queue = [...again, ...this.#queue.slice(this.#head)].sort((a, b) => a.number - b.number);
    this.#head = 0;
  }

  /** Puts back in line what was held behind operations that are answered now. */
  releaseHeld(): void {
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    this.requeue(held);
  }

  /** What was under way to `nodeId` has an unknown outcome: it goes back in line. */
  nodeLost(nodeId: string): void {
    this.#abandon((batch) => batch.nodeId === nodeId);
  }

  /** Batches sent before `sentBefore` go back in line; returns how many. */
  giveUpOn(sentBefore: number): number {
    return this.#abandon((batch) => batch.sentAt < sentBefore);
  }

  #abandon(which: (batch: InFlightBatch) => boolean): number {
    const ops: PendingOp[] = [];
    let count = 0;
    for (const batch of [...this.#batches.values()]) {
      if (!which(batch)) continue;
      this.answered(batch.batchId);
      ops.push(...batch.ops);
      count++;
    }
    this.requeue(ops);
    this.releaseHeld();
    return count;
  }

  /** Empties the log and returns what was in it, in order. */
  clear(): PendingOp[] {
    const ops = [...this.#ops.values()];
    this.#ops.clear();
    this.#batches.clear();
    this.#queue = [];
    this.#held = [];
    this.#head = 0;
    this.#inFlightBytes = 0;
    return ops;
  }
}

function isBehindAnother(op: PendingOp): boolean {
  for (let older = op.older; older !== null; older = older.older) if (!older.isSettled) return true;
  return false;
}
