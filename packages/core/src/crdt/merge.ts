import { compareStamps, compareTimestamps, type Timestamp } from '../clock/Timestamp.js';
import type { RecordTable } from '../table/RecordTable.js';
import {
  type CounterState,
  decodeCounterState,
  decodeTotals,
  encodeCounterState,
  joinCounterStates,
} from './CounterState.js';
import { Kind, kindOfTag, Tag } from './Entry.js';
import type { EntryBatch } from './EntryBatch.js';
import { decodeOrState, decodeStamps, EMPTY_OR_STATE, encodeOrState, joinOrStates, type OrState } from './OrState.js';

/** What merging a row did. */
export const Outcome = {
  /** The record changed. */
  APPLIED: 0,
  /** The record holds something newer; nothing changed. */
  LOST: 1,
  /** The record holds this very row already; nothing changed. */
  DUPLICATE: 2,
  /** The record is of another kind; nothing changed. */
  KIND_MISMATCH: 3,
  /** The same operation was seen with another payload; the first stays. */
  CONFLICT: 4,
  /** The record has no room for another element or slot; nothing changed. */
  LIMIT: 5,
} as const;

export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/**
 * Merges row `index` of `batch`, an operation or a record state, into `table`, as the change of log sequence `seq`.
 * Commutative, associative and idempotent in what the table ends up holding; `maxElements` bounds OR elements (removed
 * ones included) and counter slots of one key.
 */
export function mergeEntry(
  table: RecordTable,
  batch: EntryBatch,
  index: number,
  seq: number,
  maxElements: number,
): Outcome {
  const tag = batch.tags[index] as Tag;
  const slot = table.find(batch.keys[index] as string);
  if (slot >= 0 && table.kind(slot) !== kindOfTag(tag)) return Outcome.KIND_MISMATCH;
  switch (tag) {
    case Tag.LWW_SET:
    case Tag.LWW_REMOVE: {
      const outcome = judgeLww(table, slot, batch, index);
      if (outcome === Outcome.APPLIED) putRow(table, batch, index, seq);
      return outcome;
    }
    case Tag.OR_ADD:
    case Tag.OR_REMOVE:
    case Tag.OR_STATE:
      return mergeOr(table, slot, batch, index, seq, maxElements);
    case Tag.COUNTER_ADD:
    case Tag.COUNTER_STATE:
      return mergeCounter(table, slot, batch, index, seq, maxElements);
    case Tag.LEFT:
      return Outcome.LOST;
  }
}

/** What merging would do, without doing it. */
export function judgeEntry(table: RecordTable, batch: EntryBatch, index: number, maxElements: number): Outcome {
  const tag = batch.tags[index] as Tag;
  const slot = table.find(batch.keys[index] as string);
  if (slot < 0) return Outcome.APPLIED;
  switch (kindOfTag(tag)) {
    case table.kind(slot):
      break;
    default:
      return Outcome.KIND_MISMATCH;
  }
  if (tag === Tag.LWW_SET || tag === Tag.LWW_REMOVE) return judgeLww(table, slot, batch, index);
  if (kindOfTag(tag) === Kind.OR) {
    const state = decodeOrState(table.bytes(slot));
    const change = orChange(batch, index);
    return judgeOr(state, change, joinOrStates(state, change), maxElements);
  }
  const state = decodeCounterState(table.bytes(slot));
  return judgeCounter(state, joinCounterStates(state, counterChange(batch, index)), maxElements);
}

function judgeLww(table: RecordTable, slot: number, batch: EntryBatch, index: number): Outcome {
  if (slot < 0) return Outcome.APPLIED;
  const order = compareStamps(
    batch.ms[index] as number,
    batch.counters[index] as number,
    batch.replicas[index] as string,
    table.ms(slot),
    table.counter(slot),
    table.replica(slot),
  );
  if (order > 0) return Outcome.APPLIED;
  if (order < 0) return Outcome.LOST;
  const same =
    table.tag(slot) === batch.tags[index] &&
    table.expires(slot) === batch.expires[index] &&
    table.hasValue(slot, batch.sources[index] as Uint8Array, batch.starts[index] as number, batch.ends[index] as number);
  return same ? Outcome.DUPLICATE : Outcome.CONFLICT;
}

function putRow(table: RecordTable, batch: EntryBatch, index: number, seq: number): void {
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

function mergeOr(
  table: RecordTable,
  slot: number,
  batch: EntryBatch,
  index: number,
  seq: number,
  maxElements: number,
): Outcome {
  const state = slot < 0 ? EMPTY_OR_STATE : decodeOrState(table.bytes(slot));
  const change = orChange(batch, index);
  const joined = joinOrStates(state, change);
  const outcome = judgeOr(state, change, joined, maxElements);
  if (outcome === Outcome.APPLIED) putState(table, slot, batch, index, Tag.OR_STATE, encodeOrState(joined), seq);
  return outcome;
}

function orChange(batch: EntryBatch, index: number): OrState {
  switch (batch.tags[index]) {
    case Tag.OR_ADD:
      return { elements: [{ stamp: stampOf(batch, index), value: batch.bytes(index) }], removed: [] };
    case Tag.OR_REMOVE:
      return { elements: [], removed: decodeStamps(batch.bytes(index)) };
    default:
      return decodeOrState(batch.bytes(index));
  }
}

function judgeOr(state: OrState, change: OrState, joined: OrState, maxElements: number): Outcome {
  const added = change.elements[0];
  if (change.elements.length === 1 && added !== undefined) {
    const known = state.elements.find((element) => compareTimestamps(element.stamp, added.stamp) === 0);
    if (known !== undefined && !sameBytes(known.value, added.value)) return Outcome.CONFLICT;
  }
  // States only grow: neither more nor fewer elements, and no more removals, means that nothing is new.
  if (joined.elements.length === state.elements.length && joined.removed.length === state.removed.length) {
    return Outcome.DUPLICATE;
  }
  return joined.elements.length + joined.removed.length > maxElements ? Outcome.LIMIT : Outcome.APPLIED;
}

function mergeCounter(
  table: RecordTable,
  slot: number,
  batch: EntryBatch,
  index: number,
  seq: number,
  maxElements: number,
): Outcome {
  const state = slot < 0 ? [] : decodeCounterState(table.bytes(slot));
  const joined = joinCounterStates(state, counterChange(batch, index));
  const outcome = judgeCounter(state, joined, maxElements);
  if (outcome === Outcome.APPLIED) putState(table, slot, batch, index, Tag.COUNTER_STATE, encodeCounterState(joined), seq);
  return outcome;
}

function counterChange(batch: EntryBatch, index: number): CounterState {
  if (batch.tags[index] === Tag.COUNTER_STATE) return decodeCounterState(batch.bytes(index));
  return [{ replica: batch.replicas[index] as string, ...decodeTotals(batch.bytes(index)) }];
}

function judgeCounter(state: CounterState, joined: CounterState, maxElements: number): Outcome {
  if (joined.length > state.length) return joined.length > maxElements ? Outcome.LIMIT : Outcome.APPLIED;
  for (let i = 0; i < joined.length; i++) {
    if (joined[i]?.added !== state[i]?.added || joined[i]?.removed !== state[i]?.removed) return Outcome.APPLIED;
  }
  return Outcome.DUPLICATE;
}

/** Stores a state under the later of the record's and the row's timestamps, so that the order of merging leaves no trace. */
function putState(
  table: RecordTable,
  slot: number,
  batch: EntryBatch,
  index: number,
  tag: Tag,
  bytes: Uint8Array,
  seq: number,
): void {
  let stamp = stampOf(batch, index);
  if (slot >= 0) {
    const own = { ms: table.ms(slot), counter: table.counter(slot), replica: table.replica(slot) };
    if (compareTimestamps(own, stamp) > 0) stamp = own;
  }
  const key = batch.keys[index] as string;
  table.put(key, tag, stamp.ms, stamp.counter, stamp.replica, 0, bytes, 0, bytes.length, seq);
}

function stampOf(batch: EntryBatch, index: number): Timestamp {
  return {
    ms: batch.ms[index] as number,
    counter: batch.counters[index] as number,
    replica: batch.replicas[index] as string,
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
