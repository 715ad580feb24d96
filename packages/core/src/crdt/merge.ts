import type { RecordTable } from '../table/RecordTable.js';
import { Kind, kindOfTag, Tag } from './Entry.js';
import type { EntryBatch } from './EntryBatch.js';
import { mergeCounter } from './mergeCounter.js';
import { mergeLww } from './mergeLww.js';
import { mergeOr } from './mergeOr.js';
import { Outcome } from './Outcome.js';

/**
 * Merges row `index` of `batch`, an operation or a record state, into `table`, as the change of log sequence `seq`.
 * Commutative, associative and idempotent in what the table ends up holding; `maxElements` bounds OR elements (removed
 * ones included) and counter slots of one key.
 * @throws TopGunError BAD_FRAME when the row's payload is malformed; the table is as it was.
 */
export function mergeEntry(
  table: RecordTable,
  batch: EntryBatch,
  index: number,
  seq: number,
  maxElements: number,
): Outcome {
  return merge(table, batch, index, seq, maxElements, true);
}

/** What merging would do, without doing it. @throws as `mergeEntry` would */
export function judgeEntry(table: RecordTable, batch: EntryBatch, index: number, maxElements: number): Outcome {
  return merge(table, batch, index, 0, maxElements, false);
}

function merge(
  table: RecordTable,
  batch: EntryBatch,
  index: number,
  seq: number,
  maxElements: number,
  write: boolean,
): Outcome {
  const tag = batch.tags[index] as Tag;
  if (tag === Tag.LEFT) return Outcome.LOST;
  const kind = kindOfTag(tag);
  const slot = table.find(batch.keys[index] as string);
  if (slot >= 0 && table.kind(slot) !== kind) return Outcome.KIND_MISMATCH;
  switch (kind) {
    case Kind.LWW:
      return mergeLww(table, slot, batch, index, seq, write);
    case Kind.OR:
      return mergeOr(table, slot, batch, index, seq, maxElements, write);
    case Kind.COUNTER:
      return mergeCounter(table, slot, batch, index, seq, maxElements, write);
  }
}
