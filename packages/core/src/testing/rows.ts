import fc from 'fast-check';
import { compareTimestamps, MAX_COUNTER, MAX_MS, type Timestamp } from '../clock/Timestamp.js';
import type { CounterState } from '../crdt/CounterState.js';
import { encodeCounterState, encodeTotals } from '../crdt/CounterState.js';
import { Tag } from '../crdt/Entry.js';
import { EntryBatch } from '../crdt/EntryBatch.js';
import { encodeOrState, type OrState } from '../crdt/OrState.js';
import { encodeStamps } from '../crdt/stamps.js';
import type { RecordTable } from '../table/RecordTable.js';

/*
 * Generators of rows for property tests. Few different timestamps, so that rows meet; and a payload that belongs to an
 * identity is a function of it, since an operation has one payload for ever.
 */

export const REPLICAS = ['', 'a.00000001.0iuhae31w4n', 'b.00000001.0iuhae31w4n', 'c', 'é', '😀', '\uffff'];

export const timestamp: fc.Arbitrary<Timestamp> = fc.record({
  ms: fc.oneof(
    { weight: 9, arbitrary: fc.nat({ max: 3 }) },
    { weight: 1, arbitrary: fc.constantFrom(MAX_MS, 2 ** 32) },
  ),
  counter: fc.constantFrom(0, 1, 256, MAX_COUNTER),
  replica: fc.constantFrom(...REPLICAS),
});

const timestamps = fc
  .uniqueArray(timestamp, { maxLength: 12, comparator: (a, b) => compareTimestamps(a, b) === 0 })
  .map((stamps) => stamps.sort(compareTimestamps));

/** The one value of the element that was added with this timestamp. */
export function payloadOf(stamp: Timestamp): Uint8Array {
  return new Uint8Array((stamp.ms * 7 + stamp.counter + stamp.replica.length) % 70).fill(stamp.counter);
}

export const orState: fc.Arbitrary<OrState> = fc
  .tuple(timestamps, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }))
  .map(([stamps, isThere]) => ({
    elements: stamps.filter((_, i) => isThere[i]).map((stamp) => ({ stamp, value: payloadOf(stamp) })),
    removed: stamps.filter((_, i) => !isThere[i]),
  }));

const total = fc.oneof(fc.nat({ max: 5 }), fc.constantFrom(2 ** 32, Number.MAX_SAFE_INTEGER));

export const counterState: fc.Arbitrary<CounterState> = fc
  .uniqueArray(fc.record({ replica: fc.constantFrom(...REPLICAS), added: total, removed: total }), {
    selector: (slot) => slot.replica,
  })
  .map((slots) => slots.sort((a, b) => (a.replica < b.replica ? -1 : 1)));

/** A row without its map and key. */
export interface Row {
  readonly tag: Tag;
  readonly stamp: Timestamp;
  readonly expires: number;
  readonly value: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

export const lwwRow: fc.Arbitrary<Row> = timestamp.map((stamp) => {
  const removes = (stamp.ms + stamp.counter) % 3 === 0;
  const expires = !removes && stamp.counter === 1 ? stamp.ms + 1_000 : 0;
  return { tag: removes ? Tag.LWW_REMOVE : Tag.LWW_SET, stamp, expires, value: removes ? NO_BYTES : payloadOf(stamp) };
});

export const orRow: fc.Arbitrary<Row> = fc.oneof(
  timestamp.map((stamp) => ({ tag: Tag.OR_ADD, stamp, expires: 0, value: payloadOf(stamp) })),
  fc
    .tuple(timestamp, fc.array(timestamp, { maxLength: 4 }))
    .map(([stamp, stamps]) => ({ tag: Tag.OR_REMOVE, stamp, expires: 0, value: encodeStamps(stamps) })),
  fc
    .tuple(timestamp, orState)
    .map(([stamp, state]) => ({ tag: Tag.OR_STATE, stamp, expires: 0, value: encodeOrState(state) })),
);

export const counterRow: fc.Arbitrary<Row> = fc.oneof(
  fc.tuple(timestamp, total, total).map(([stamp, added, removed]) => ({
    tag: Tag.COUNTER_ADD,
    stamp,
    expires: 0,
    value: encodeTotals(added, removed),
  })),
  fc
    .tuple(timestamp, counterState)
    .map(([stamp, state]) => ({ tag: Tag.COUNTER_STATE, stamp, expires: 0, value: encodeCounterState(state) })),
);

/** `rows` as a batch, all of one map and key. */
export function batchOf(key: string, rows: readonly Row[]): EntryBatch {
  const batch = new EntryBatch();
  for (const { tag, stamp, expires, value } of rows) {
    batch.add('m', key, tag, stamp.ms, stamp.counter, stamp.replica, expires, value);
  }
  return batch;
}

/** Every column of every record but the sequence, by key, to be compared. */
export function contentOf(table: RecordTable): unknown[] {
  return [...table.keys()].sort().map((key) => {
    const slot = table.find(key);
    return {
      key,
      tag: table.tag(slot),
      stamp: { ms: table.ms(slot), counter: table.counter(slot), replica: table.replica(slot) },
      expires: table.expires(slot),
      value: [...table.bytes(slot)].join(','),
    };
  });
}
