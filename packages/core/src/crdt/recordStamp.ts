import { compareStamps } from '../clock/Timestamp.js';
import type { RecordTable } from '../table/RecordTable.js';
import type { Tag } from './Entry.js';
import type { EntryBatch } from './EntryBatch.js';
import { Outcome } from './Outcome.js';

/*
 * A record that is a state (an OR-set, a counter) carries the latest timestamp of all rows that were merged into it, also
 * of those that brought nothing else, so that the order of merging leaves no trace.
 */

/** Stores a state, new or in place of the record's. */
export function putState(
  table: RecordTable,
  slot: number,
  batch: EntryBatch,
  index: number,
  tag: Tag,
  source: Uint8Array,
  start: number,
  end: number,
  seq: number,
): void {
  const isLater = slot < 0 || isLaterThanRecord(table, slot, batch, index);
  table.put(
    batch.keys[index] as string,
    tag,
    isLater ? (batch.ms[index] as number) : table.ms(slot),
    isLater ? (batch.counters[index] as number) : table.counter(slot),
    isLater ? (batch.replicas[index] as string) : table.replica(slot),
    0,
    source,
    start,
    end,
    seq,
  );
}

/** As `putState`, for a state that is edited in place, in the array that this returns. */
export function editState(table: RecordTable, slot: number, batch: EntryBatch, index: number, seq: number): Uint8Array {
  if (isLaterThanRecord(table, slot, batch, index)) {
    const ms = batch.ms[index] as number;
    return table.edit(slot, ms, batch.counters[index] as number, batch.replicas[index] as string, seq);
  }
  return table.edit(slot, table.ms(slot), table.counter(slot), table.replica(slot), seq);
}

/** For a row that brings nothing to the state of the record: it may still be later than all others. */
export function mergeStampOnly(
  table: RecordTable,
  slot: number,
  batch: EntryBatch,
  index: number,
  seq: number,
  write: boolean,
): Outcome {
  if (!isLaterThanRecord(table, slot, batch, index)) return Outcome.DUPLICATE;
  if (write) editState(table, slot, batch, index, seq);
  return Outcome.APPLIED;
}

function isLaterThanRecord(table: RecordTable, slot: number, batch: EntryBatch, index: number): boolean {
  const order = compareStamps(
    batch.ms[index] as number,
    batch.counters[index] as number,
    batch.replicas[index] as string,
    table.ms(slot),
    table.counter(slot),
    table.replica(slot),
  );
  return order > 0;
}
