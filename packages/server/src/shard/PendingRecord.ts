import { EntryBatch } from '@topgunbuild/core';
import type { WriteTicket } from './WriteTicket.js';

/** What an op costs in the queue beside its key and value. */
const ROW_OVERHEAD = 64;

export function queuedBytes(batch: EntryBatch, index: number): number {
  const key = batch.keys[index] as string;
  return key.length + (batch.ends[index] as number) - (batch.starts[index] as number) + ROW_OVERHEAD;
}

/** A log record in the making: the ops that will be appended together, and whom to answer. */
export class PendingRecord {
  readonly entries = new EntryBatch();
  /** Per entry: its write, and its index there. Emptied when the writes were answered before the record was durable. */
  tickets: WriteTicket[] = [];
  indexes: number[] = [];
  bytes = 0;
  /** Not 0: no entries, but a move of the tombstone horizon. */
  readonly horizonMs: number;

  constructor(horizonMs = 0) {
    this.horizonMs = horizonMs;
  }

  add(batch: EntryBatch, index: number, ticket: WriteTicket, bytes: number): void {
    this.entries.addFrom(batch, index);
    this.tickets.push(ticket);
    this.indexes.push(index);
    this.bytes += bytes;
  }
}
