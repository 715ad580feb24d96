import type { RecordTable } from '../table/RecordTable.js';
import { Tag } from './Entry.js';
import type { EntryBatch } from './EntryBatch.js';
import { OrMerge } from './OrMerge.js';
import { decodeOrState, encodeOrState, type OrState } from './OrState.js';
import { OrView } from './OrView.js';
import { Outcome } from './Outcome.js';
import { mergeStampOnly, putState } from './recordStamp.js';
import { decodeStamps } from './stamps.js';

/**
 * What the elements of a key may take, beside one of any size, for each that the key may have. Records travel whole: one
 * of a thousand large elements would be more than the connections of its readers can hold.
 */
const BYTES_PER_ELEMENT = 1024;
const ONE_LARGE_ELEMENT = 1024 * 1024;

/** Joins an OR row with the record in `slot` (-1: none). `write` false: only says what would happen. */
export function mergeOr(
  table: RecordTable,
  slot: number,
  batch: EntryBatch,
  index: number,
  seq: number,
  maxElements: number,
  write: boolean,
): Outcome {
  const change = changeOf(batch, index);
  // An empty change is nothing at all, lest an order of merging make a difference: it does not create a record either.
  if (change.elements.length + change.removed.length === 0) return Outcome.DUPLICATE;
  if (slot < 0) {
    if (change.elements.length + change.removed.length > maxElements) return Outcome.LIMIT;
    if (write) {
      const bytes = batch.tags[index] === Tag.OR_STATE ? batch.bytes(index) : encodeOrState(change);
      putState(table, slot, batch, index, Tag.OR_STATE, bytes, 0, bytes.length, seq);
    }
    return Outcome.APPLIED;
  }
  const merge = new OrMerge(new OrView(table.source(slot), table.start(slot), table.end(slot)), change);
  if (merge.conflicts && batch.tags[index] === Tag.OR_ADD) return Outcome.CONFLICT;
  if (!merge.changesAnything) return mergeStampOnly(table, slot, batch, index, seq, write);
  if (merge.size > maxElements) return Outcome.LIMIT;
  if (batch.tags[index] === Tag.OR_ADD) {
    const bytes = table.end(slot) - table.start(slot) + (batch.ends[index] as number) - (batch.starts[index] as number);
    if (bytes > ONE_LARGE_ELEMENT + maxElements * BYTES_PER_ELEMENT) return Outcome.LIMIT;
  }
  if (write) {
    const bytes = merge.encode();
    putState(table, slot, batch, index, Tag.OR_STATE, bytes, 0, bytes.length, seq);
  }
  return Outcome.APPLIED;
}

function changeOf(batch: EntryBatch, index: number): OrState {
  switch (batch.tags[index]) {
    case Tag.OR_ADD: {
      const stamp = {
        ms: batch.ms[index] as number,
        counter: batch.counters[index] as number,
        replica: batch.replicas[index] as string,
      };
      return { elements: [{ stamp, value: batch.bytes(index) }], removed: [] };
    }
    case Tag.OR_REMOVE:
      return { elements: [], removed: decodeStamps(batch.bytes(index)) };
    default:
      return decodeOrState(batch.bytes(index));
  }
}
