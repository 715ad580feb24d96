import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareTimestamps, type Timestamp } from '../clock/Timestamp.js';
import { TopGunError } from '../errors.js';
import { RecordTable } from '../table/RecordTable.js';
import { damaged, damages } from '../testing/mutations.js';
import { batchOf, contentOf, counterRow, lwwRow, orRow, type Row } from '../testing/rows.js';
import { type CounterState, decodeCounterState, decodeTotals } from './CounterState.js';
import { Tag } from './Entry.js';
import { EntryBatch } from './EntryBatch.js';
import { judgeEntry, mergeEntry } from './merge.js';
import { decodeOrState, type OrElement } from './OrState.js';
import { Outcome } from './Outcome.js';
import { decodeStamps } from './stamps.js';

const UNLIMITED = Number.MAX_SAFE_INTEGER;

function merged(rows: readonly Row[]): RecordTable {
  const table = new RecordTable('m');
  mergeAll(table, batchOf('k', rows));
  return table;
}

function mergeAll(table: RecordTable, batch: EntryBatch): void {
  for (let i = 0; i < batch.count; i++) mergeEntry(table, batch, i, i + 1, UNLIMITED);
}

function rowsOf(table: RecordTable): EntryBatch {
  const batch = new EntryBatch();
  for (const slot of table.slots()) table.addTo(batch, slot);
  return batch;
}

const kinds: readonly [string, fc.Arbitrary<Row>][] = [
  ['LWW', lwwRow],
  ['OR', orRow],
  ['counter', counterRow],
];

describe.each(kinds)('merging %s rows, operations and states', (_, row) => {
  const rows = fc.array(row, { maxLength: 14 });

  it('ends the same in any order and with any repetitions', () => {
    const shuffled = rows.chain((list) =>
      fc.tuple(
        fc.constant(list),
        fc.shuffledSubarray([...list, ...list, ...list], { minLength: list.length * 3, maxLength: list.length * 3 }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([list, other]) => {
        expect(contentOf(merged(other))).toEqual(contentOf(merged(list)));
      }),
      { numRuns: 1_500 },
    );
  });

  it('ends the same when parts are merged first and their records are merged then', () => {
    const parted = fc.tuple(rows, fc.array(fc.nat({ max: 2 }), { minLength: 14, maxLength: 14 }), fc.boolean());
    fc.assert(
      fc.property(parted, ([list, parts, backwards]) => {
        const tables = [0, 1, 2].map((part) => merged(list.filter((_, i) => parts[i] === part)));
        if (backwards) tables.reverse();
        const whole = new RecordTable('m');
        for (const table of tables) mergeAll(whole, rowsOf(table));
        expect(contentOf(whole)).toEqual(contentOf(merged(list)));
      }),
      { numRuns: 1_500 },
    );
  });

  it('changes nothing when the row was merged before, or its record', () => {
    fc.assert(
      fc.property(rows, (list) => {
        const table = merged(list);
        const before = contentOf(table);
        const again = batchOf('k', list);
        for (let i = 0; i < again.count; i++) {
          expect([Outcome.DUPLICATE, Outcome.LOST]).toContain(mergeEntry(table, again, i, 99, UNLIMITED));
        }
        const own = rowsOf(table);
        for (let i = 0; i < own.count; i++) expect(mergeEntry(table, own, i, 99, UNLIMITED)).toBe(Outcome.DUPLICATE);
        expect(contentOf(table)).toEqual(before);
      }),
    );
  });

  it('is foretold by judgeEntry, which changes nothing', () => {
    fc.assert(
      fc.property(rows, row, fc.nat({ max: 6 }), (list, next, limit) => {
        const table = merged(list);
        const before = contentOf(table);
        const batch = batchOf('k', [next]);
        const foretold = judgeEntry(table, batch, 0, limit);
        expect(contentOf(table)).toEqual(before);
        expect(mergeEntry(table, batch, 0, 99, limit)).toBe(foretold);
        if (foretold !== Outcome.APPLIED) expect(contentOf(table)).toEqual(before);
      }),
      { numRuns: 1_500 },
    );
  });

  it('leaves the record as it was when the payload is damaged beyond reading', () => {
    fc.assert(
      fc.property(rows, row, damages, (list, next, dealt) => {
        const table = merged(list);
        const before = contentOf(table);
        const batch = batchOf('k', [{ ...next, value: damaged(next.value, dealt) }]);
        try {
          mergeEntry(table, batch, 0, 99, UNLIMITED);
        } catch (error) {
          if (!(error instanceof TopGunError)) throw error;
          expect(error.code).toBe('BAD_FRAME');
          expect(contentOf(table)).toEqual(before);
        }
        // Whatever was taken, what is stored can be read.
        for (const slot of table.slots()) {
          if (table.tag(slot) === Tag.OR_STATE) decodeOrState(table.bytes(slot));
          if (table.tag(slot) === Tag.COUNTER_STATE) decodeCounterState(table.bytes(slot));
        }
      }),
      { numRuns: 1_500 },
    );
  });
});

describe('the merged record', () => {
  const latest = (rows: readonly Row[]): Timestamp | undefined =>
    rows
      .map((row) => row.stamp)
      .sort(compareTimestamps)
      .at(-1);

  it('of LWW rows is the latest of them', () => {
    fc.assert(
      fc.property(fc.array(lwwRow, { minLength: 1, maxLength: 14 }), (rows) => {
        const table = merged(rows);
        const winner = [...rows].sort((a, b) => compareTimestamps(a.stamp, b.stamp)).at(-1);
        expect(contentOf(table)).toEqual(winner && contentOf(merged([winner])));
      }),
    );
  });

  it('of OR rows has what was added and never removed, and the latest timestamp', () => {
    fc.assert(
      fc.property(fc.array(orRow, { minLength: 1, maxLength: 14 }), (rows) => {
        const table = merged(rows);
        const { elements, removed } = naiveOr(rows);
        if (elements.length + removed.length === 0) {
          expect(table.size).toBe(0);
          return;
        }
        const slot = table.find('k');
        expect(decodeOrState(table.bytes(slot))).toEqual({ elements, removed });
        const speaking = rows.filter((row) => !isEmpty(row));
        expect({ ms: table.ms(slot), counter: table.counter(slot), replica: table.replica(slot) }).toEqual(
          latest(speaking),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('of counter rows has the largest totals of each replica', () => {
    fc.assert(
      fc.property(fc.array(counterRow, { minLength: 1, maxLength: 14 }), (rows) => {
        const table = merged(rows);
        const totals = new Map<string, { added: number; removed: number }>();
        for (const { replica, added, removed } of rows.flatMap(slotsOf)) {
          const known = totals.get(replica) ?? { added: 0, removed: 0 };
          totals.set(replica, { added: Math.max(known.added, added), removed: Math.max(known.removed, removed) });
        }
        const expected = [...totals].map(([replica, slot]) => ({ replica, ...slot }));
        expected.sort((a, b) => (a.replica < b.replica ? -1 : 1));
        const slot = table.find('k');
        expect(slot < 0 ? [] : decodeCounterState(table.bytes(slot))).toEqual(expected);
      }),
      { numRuns: 1_000 },
    );
  });
});

function naiveOr(rows: readonly Row[]): { elements: OrElement[]; removed: Timestamp[] } {
  const name = (stamp: Timestamp) => `${stamp.ms}/${stamp.counter}/${stamp.replica}`;
  const elements = new Map<string, OrElement>();
  const removed = new Map<string, Timestamp>();
  for (const { tag, stamp, value } of rows) {
    const state = tag === Tag.OR_STATE ? decodeOrState(value) : null;
    const added = tag === Tag.OR_ADD ? [{ stamp, value }] : (state?.elements ?? []);
    const gone = tag === Tag.OR_REMOVE ? decodeStamps(value) : (state?.removed ?? []);
    for (const element of added) elements.set(name(element.stamp), element);
    for (const other of gone) removed.set(name(other), other);
  }
  for (const gone of removed.keys()) elements.delete(gone);
  return {
    elements: [...elements.values()].sort((a, b) => compareTimestamps(a.stamp, b.stamp)),
    removed: [...removed.values()].sort(compareTimestamps),
  };
}

function isEmpty({ tag, value }: Row): boolean {
  if (tag === Tag.OR_REMOVE) return decodeStamps(value).length === 0;
  if (tag !== Tag.OR_STATE) return false;
  const state = decodeOrState(value);
  return state.elements.length + state.removed.length === 0;
}

function slotsOf({ tag, stamp, value }: Row): CounterState {
  if (tag === Tag.COUNTER_STATE) return decodeCounterState(value);
  return [{ replica: stamp.replica, ...decodeTotals(value) }];
}
