import { compareStamps } from '../clock/Timestamp.js';
import type { RecordTable } from '../table/RecordTable.js';
import type { Tag } from './Entry.js';
import type { EntryBatch } from './EntryBatch.js';
import { Outcome } from './Outcome.js';

/** The later timestamp wins. `slot`: the record's, or -1. `write` false: only says what would happen. */
export function mergeLww(
  table: RecordTable,
  slot: number,
  batch: EntryBatch,
  index: number,
  seq: number,
  write: boolean,
): Outcome {
  const outcome = slot < 0 ? Outcome.APPLIED : judge(table, slot, batch, index);
  if (write && outcome === Outcome.APPLIED) {
    table.put(
      batch.keys[index] as string,
      batch.tags[index] as Tag,
      batch.ms[index] as number,
      batch.counters[index] as number,
      batch.replicas[index] as string,
      batch.expires[index] as number,
      batch.sources[index] as Uint8Array,
      batch.starts[index] as number,
      batch.ends[index] as number,
      seq,
    );
  }
  return outcome;
}

function judge(table: RecordTable, slot: number, batch: EntryBatch, index: number): Outcome {
  const order = compareStamps(
    batch.ms[index] as number,
    batch.counters[index] as number,
    batch.replicas[index] as string,
    table.ms(slot),
    table.counter(slot),
    table.replica(slot),
  );
  if (order !== 0) return order > 0 ? Outcome.APPLIED : Outcome.LOST;
  const isSame =
    table.tag(slot) === batch.tags[index] &&
    table.expires(slot) === batch.expires[index] &&
    table.hasValue(
      slot,
      batch.sources[index] as Uint8Array,
      batch.starts[index] as number,
      batch.ends[index] as number,
    );
  return isSame ? Outcome.DUPLICATE : Outcome.CONFLICT;
}
