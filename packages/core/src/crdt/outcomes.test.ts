import { describe, expect, it } from 'vitest';
import type { Timestamp } from '../clock/Timestamp.js';
import { RecordTable } from '../table/RecordTable.js';
import { cpuMs } from '../testing/cpuMs.js';
import { encodeCounterState, encodeTotals } from './CounterState.js';
import { Tag } from './Entry.js';
import { EntryBatch } from './EntryBatch.js';
import { mergeEntry } from './merge.js';
import { decodeOrState, encodeOrState } from './OrState.js';
import { Outcome } from './Outcome.js';
import { encodeStamps } from './stamps.js';

const at = (ms: number, replica = 'r'): Timestamp => ({ ms, counter: 0, replica });
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

/** Merges single rows into the record `k` of a table. */
function recorder(maxElements = 1_000) {
  const table = new RecordTable('m');
  let seq = 0;
  const merge = (tag: Tag, stamp: Timestamp, value = bytes(), expires = 0): Outcome => {
    const batch = new EntryBatch();
    batch.add('m', 'k', tag, stamp.ms, stamp.counter, stamp.replica, expires, value);
    return mergeEntry(table, batch, 0, ++seq, maxElements);
  };
  return { table, merge };
}

describe('merging an LWW row', () => {
  it('applies what is later, loses what is older, and knows what it has', () => {
    const { merge } = recorder();
    expect(merge(Tag.LWW_SET, at(5), bytes(1))).toBe(Outcome.APPLIED);
    expect(merge(Tag.LWW_SET, at(4), bytes(2))).toBe(Outcome.LOST);
    expect(merge(Tag.LWW_SET, at(5), bytes(1))).toBe(Outcome.DUPLICATE);
    expect(merge(Tag.LWW_SET, at(5, 'q'), bytes(2))).toBe(Outcome.LOST);
    expect(merge(Tag.LWW_SET, at(5, 's'), bytes(2))).toBe(Outcome.APPLIED);
    expect(merge(Tag.LWW_REMOVE, at(6))).toBe(Outcome.APPLIED);
    expect(merge(Tag.LWW_REMOVE, at(6))).toBe(Outcome.DUPLICATE);
  });

  it.each([
    ['value', Tag.LWW_SET, bytes(2), 100],
    ['length', Tag.LWW_SET, bytes(1, 1), 100],
    ['deadline', Tag.LWW_SET, bytes(1), 101],
    ['kind of operation', Tag.LWW_REMOVE, bytes(1), 100],
  ] as const)('finds the same timestamp with another %s in conflict, and keeps the first', (_, tag, value, expires) => {
    const { table, merge } = recorder();
    merge(Tag.LWW_SET, at(5), bytes(1), 100);
    expect(merge(tag, at(5), value, expires)).toBe(Outcome.CONFLICT);
    expect(table.bytes(table.find('k'))).toEqual(bytes(1));
    expect(table.expires(table.find('k'))).toBe(100);
  });
});

describe('merging an OR row', () => {
  it('adds each element once', () => {
    const { merge } = recorder();
    expect(merge(Tag.OR_ADD, at(5), bytes(1))).toBe(Outcome.APPLIED);
    expect(merge(Tag.OR_ADD, at(5), bytes(1))).toBe(Outcome.DUPLICATE);
    expect(merge(Tag.OR_ADD, at(5), bytes(2))).toBe(Outcome.CONFLICT);
    expect(merge(Tag.OR_ADD, at(5, 'q'), bytes(1))).toBe(Outcome.APPLIED);
  });

  it('never brings back what was removed, even when the removal comes first', () => {
    const { table, merge } = recorder();
    expect(merge(Tag.OR_REMOVE, at(9), encodeStamps([at(5)]))).toBe(Outcome.APPLIED);
    expect(merge(Tag.OR_ADD, at(5), bytes(1))).toBe(Outcome.DUPLICATE);
    expect(decodeOrState(table.bytes(table.find('k')))).toEqual({ elements: [], removed: [at(5)] });
  });

  it('survives a removal that names an element twice and out of order', () => {
    const { table, merge } = recorder();
    const payload = bytes(1, 1, 0x72, 3, 5, 0, 0, 4, 0, 0, 5, 0, 0);
    expect(merge(Tag.OR_REMOVE, at(9), payload)).toBe(Outcome.APPLIED);
    expect(merge(Tag.OR_ADD, at(6), bytes(1))).toBe(Outcome.APPLIED);
    expect(decodeOrState(table.bytes(table.find('k'))).removed).toEqual([at(4), at(5)]);
  });

  it('creates no record for a removal of nothing', () => {
    const { table, merge } = recorder();
    expect(merge(Tag.OR_REMOVE, at(9), encodeStamps([]))).toBe(Outcome.DUPLICATE);
    expect(table.size).toBe(0);
  });

  it('applies the rest of a state of which one element is in conflict', () => {
    const { table, merge } = recorder();
    merge(Tag.OR_ADD, at(5), bytes(1));
    const state = { elements: [{ stamp: at(5), value: bytes(2) }], removed: [at(4)] };
    expect(merge(Tag.OR_STATE, at(9), encodeOrState(state))).toBe(Outcome.APPLIED);
    expect(decodeOrState(table.bytes(table.find('k')))).toEqual({
      elements: [{ stamp: at(5), value: bytes(1) }],
      removed: [at(4)],
    });
  });

  it('refuses what would make the record larger than the limit, removed elements included', () => {
    const { merge } = recorder(3);
    expect(merge(Tag.OR_REMOVE, at(9), encodeStamps([at(1), at(2), at(3), at(4)]))).toBe(Outcome.LIMIT);
    for (const ms of [1, 2, 3]) expect(merge(Tag.OR_ADD, at(ms), bytes(ms))).toBe(Outcome.APPLIED);
    expect(merge(Tag.OR_ADD, at(4), bytes(4))).toBe(Outcome.LIMIT);
    expect(merge(Tag.OR_ADD, at(3), bytes(3))).toBe(Outcome.DUPLICATE);
    expect(merge(Tag.OR_REMOVE, at(8), encodeStamps([at(7)]))).toBe(Outcome.LIMIT);
    expect(merge(Tag.OR_REMOVE, at(8), encodeStamps([at(1)]))).toBe(Outcome.APPLIED);
    expect(merge(Tag.OR_ADD, at(9), bytes(4))).toBe(Outcome.LIMIT);
  });
});

describe('an OR record', () => {
  it('takes no elements beyond its bytes, however few they are, and removals all the same', () => {
    const { table, merge } = recorder(1_000);
    const large = new Uint8Array(500_000);
    for (let i = 1; i <= 4; i++) expect(merge(Tag.OR_ADD, at(i), large)).toBe(Outcome.APPLIED);
    expect(merge(Tag.OR_ADD, at(5), large)).toBe(Outcome.LIMIT);
    expect(table.end(0) - table.start(0)).toBeLessThan(2_100_000);
    expect(merge(Tag.OR_ADD, at(1), large)).toBe(Outcome.DUPLICATE);
    expect(merge(Tag.OR_REMOVE, at(6), encodeStamps([at(1)]))).toBe(Outcome.APPLIED);
    expect(merge(Tag.OR_ADD, at(5), large)).toBe(Outcome.APPLIED);
  });
});

describe('merging a counter row', () => {
  it('raises the totals of the row’s replica, and never lowers them', () => {
    const { merge } = recorder();
    expect(merge(Tag.COUNTER_ADD, at(5), encodeTotals(3, 1))).toBe(Outcome.APPLIED);
    expect(merge(Tag.COUNTER_ADD, at(5), encodeTotals(3, 1))).toBe(Outcome.DUPLICATE);
    expect(merge(Tag.COUNTER_ADD, at(4), encodeTotals(2, 1))).toBe(Outcome.DUPLICATE);
    expect(merge(Tag.COUNTER_ADD, at(6), encodeTotals(3, 2))).toBe(Outcome.APPLIED);
  });

  it('refuses more replicas than the limit, but not more from those that are there', () => {
    const { merge } = recorder(2);
    expect(merge(Tag.COUNTER_ADD, at(1, 'a'), encodeTotals(1, 0))).toBe(Outcome.APPLIED);
    expect(merge(Tag.COUNTER_ADD, at(1, 'b'), encodeTotals(1, 0))).toBe(Outcome.APPLIED);
    expect(merge(Tag.COUNTER_ADD, at(2, 'c'), encodeTotals(1, 0))).toBe(Outcome.LIMIT);
    expect(merge(Tag.COUNTER_ADD, at(2, 'b'), encodeTotals(2, 0))).toBe(Outcome.APPLIED);
  });
});

describe('a row of another kind', () => {
  const rows = {
    LWW: [Tag.LWW_SET, bytes(1)],
    OR: [Tag.OR_ADD, bytes(1)],
    'OR state': [Tag.OR_STATE, encodeOrState({ elements: [], removed: [at(1)] })],
    counter: [Tag.COUNTER_ADD, encodeTotals(1, 0)],
    'counter state': [Tag.COUNTER_STATE, encodeCounterState([{ replica: 'r', added: 1, removed: 0 }])],
  } as const;
  const kindOf = (name: string) => name.split(' ')[0];

  it('is a mismatch and changes nothing', () => {
    for (const [first, [tag, value]] of Object.entries(rows)) {
      for (const [second, [otherTag, otherValue]] of Object.entries(rows)) {
        const { table, merge } = recorder();
        merge(tag, at(5), value);
        const before = table.bytes(table.find('k')).slice();
        const outcome = merge(otherTag, at(9), otherValue);
        expect([first, second, outcome === Outcome.KIND_MISMATCH]).toEqual([
          first,
          second,
          kindOf(first) !== kindOf(second),
        ]);
        if (outcome === Outcome.KIND_MISMATCH) expect(table.bytes(table.find('k'))).toEqual(before);
      }
    }
  });

  it('of none at all, LEFT, changes nothing', () => {
    const { table, merge } = recorder();
    expect(merge(Tag.LEFT, at(0, ''))).toBe(Outcome.LOST);
    expect(table.size).toBe(0);
    merge(Tag.OR_ADD, at(5), bytes(1));
    expect(merge(Tag.LEFT, at(9))).toBe(Outcome.LOST);
  });
});

describe('a record with ten thousand elements', () => {
  it('takes and refuses operations without being decoded for each', () => {
    const limit = 10_000;
    const { table, merge } = recorder(limit);
    const replica = (i: number) => `client-${i % 100}.01234567.0iuhae31w4n`;
    const started = cpuMs();
    for (let i = 0; i < limit; i++) merge(Tag.OR_ADD, at(i, replica(i)), bytes(i, i >> 8));
    for (let i = 0; i < limit; i++) expect(merge(Tag.OR_ADD, at(limit + i, 'x'), bytes(1))).toBe(Outcome.LIMIT);
    for (let i = 0; i < 1_000; i++) merge(Tag.OR_REMOVE, at(limit + i), encodeStamps([at(i, replica(i))]));
    const { elements, removed } = decodeOrState(table.bytes(table.find('k')));
    expect([elements.length, removed.length]).toEqual([9_000, 1_000]);
    // Decoding it for each took minutes.
    expect(cpuMs() - started).toBeLessThan(8_000);
  });

  it('counts as fast as one with few replicas', () => {
    const { merge } = recorder(10_000);
    for (let i = 0; i < 2_000; i++) merge(Tag.COUNTER_ADD, at(1, `client-${i}`), encodeTotals(1, 0));
    const started = cpuMs();
    for (let i = 0; i < 50_000; i++) merge(Tag.COUNTER_ADD, at(2 + i, `client-${i % 2_000}`), encodeTotals(2 + i, 0));
    expect(cpuMs() - started).toBeLessThan(2_000);
  });
});
