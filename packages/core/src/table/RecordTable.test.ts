import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Kind, Tag } from '../crdt/Entry.js';
import { EntryBatch } from '../crdt/EntryBatch.js';
import { cpuMs } from '../testing/cpuMs.js';
import { Interner } from './Interner.js';
import { type ChangeIterator, RecordTable } from './RecordTable.js';

const NO_BYTES = new Uint8Array(0);

function put(table: RecordTable, key: string, seq: number, value = new Uint8Array([seq]), replica = 'r'): number {
  return table.put(key, Tag.LWW_SET, seq * 10, seq, replica, 0, value, 0, value.length, seq);
}

function changedSince(table: RecordTable, seq: number): string[] {
  const iterator = table.changesSince(seq);
  const keys: string[] = [];
  for (let slot = table.next(iterator); slot >= 0; slot = table.next(iterator)) keys.push(table.key(slot));
  table.closeIterator(iterator);
  return keys;
}

describe('RecordTable', () => {
  it('finds nothing while it is empty', () => {
    const table = new RecordTable('m');
    expect(table.find('a')).toBe(-1);
    expect(table.size).toBe(0);
    expect(table.newestSeq).toBe(0);
    expect(changedSince(table, 0)).toEqual([]);
  });

  it('stores every column of a row and copies the bytes', () => {
    const table = new RecordTable('m');
    const value = new Uint8Array([9, 1, 2, 3, 9]);
    const slot = table.put('k', Tag.LWW_SET, 2 ** 48 - 1, 65_535, 'replica', 1_000, value, 1, 4, 7);
    value.fill(0);
    expect(table.find('k')).toBe(slot);
    expect(table.key(slot)).toBe('k');
    expect([table.tag(slot), table.kind(slot)]).toEqual([Tag.LWW_SET, Kind.LWW]);
    expect([table.ms(slot), table.counter(slot), table.replica(slot)]).toEqual([2 ** 48 - 1, 65_535, 'replica']);
    expect([table.expires(slot), table.seq(slot)]).toEqual([1_000, 7]);
    expect(table.bytes(slot)).toEqual(new Uint8Array([1, 2, 3]));
  });

  it('copies the bytes of a Buffer too, whose slice would be a view', () => {
    const table = new RecordTable('m');
    for (const size of [10, 100, 100_000]) {
      const buffer = Buffer.alloc(size, 1);
      const slot = table.put('k', Tag.LWW_SET, 1, 1, 'r', 0, buffer, 0, size, 1);
      buffer.fill(2);
      expect(table.bytes(slot).every((byte) => byte === 1)).toBe(true);
    }
  });

  it('tells deleted and expired records from living ones', () => {
    const table = new RecordTable('m');
    const removed = table.put('a', Tag.LWW_REMOVE, 1, 0, 'r', 0, NO_BYTES, 0, 0, 1);
    expect(table.hasDeadlines).toBe(false);
    const living = put(table, 'b', 2);
    const mortal = table.put('c', Tag.LWW_SET, 1, 0, 'r', 500, NO_BYTES, 0, 0, 3);
    expect(table.hasDeadlines).toBe(true);
    expect(table.isTombstone(removed, 0)).toBe(true);
    expect(table.isTombstone(living, 1e15)).toBe(false);
    expect([table.isTombstone(mortal, 499), table.isTombstone(mortal, 500)]).toEqual([false, true]);
  });

  it('gives a record of a re-used slot nothing of the record before it', () => {
    const table = new RecordTable('m');
    const first = table.put('a', Tag.LWW_SET, 1, 1, 'r', 500, new Uint8Array([1, 2, 3]), 0, 3, 1);
    table.delete(first);
    const second = table.put('b', Tag.LWW_SET, 2, 2, 'q', 0, NO_BYTES, 0, 0, 2);
    expect(second).toBe(first);
    expect(table.find('a')).toBe(-1);
    expect([table.expires(second), table.replica(second), table.bytes(second).length]).toEqual([0, 'q', 0]);
    expect(changedSince(table, 0)).toEqual(['b']);
  });

  it('restamps a record whose value is edited in place', () => {
    const replicas = new Interner();
    const table = new RecordTable('m', replicas);
    const slot = put(table, 'a', 1, new Uint8Array([1, 2]));
    put(table, 'b', 2);
    const bytes = table.edit(slot, 70, 7, 'q', 3);
    bytes[table.start(slot)] = 9;
    expect([table.ms(slot), table.counter(slot), table.replica(slot), table.seq(slot)]).toEqual([70, 7, 'q', 3]);
    expect(table.bytes(slot)).toEqual(new Uint8Array([9, 2]));
    expect(changedSince(table, 1)).toEqual(['b', 'a']);
  });

  it('keeps large values that grow and shrink step by step', () => {
    const table = new RecordTable('m');
    for (let size = 20_000; size < 80_000; size += 1_000) {
      for (const length of [size, size + 300, size - 5_000]) {
        const slot = put(table, 'a', 1, new Uint8Array(length).fill(length & 255));
        put(table, 'other', 1, new Uint8Array(100).fill(1));
        expect(Buffer.compare(table.bytes(slot), new Uint8Array(length).fill(length & 255))).toBe(0);
        expect(Buffer.compare(table.bytes(table.find('other')), new Uint8Array(100).fill(1))).toBe(0);
      }
    }
    expect(table.valueCapacity).toBeLessThan(400_000);
  });

  it('adds a record to a batch as the row that made it', () => {
    const table = new RecordTable('m');
    const slot = table.put('k', Tag.LWW_SET, 5, 6, 'r', 99, new Uint8Array([1, 2]), 0, 2, 7);
    const batch = new EntryBatch();
    table.addTo(batch, slot);
    expect([batch.maps[0], batch.keys[0], batch.tags[0]]).toEqual(['m', 'k', Tag.LWW_SET]);
    expect([batch.ms[0], batch.counters[0], batch.replicas[0], batch.expires[0]]).toEqual([5, 6, 'r', 99]);
    expect(batch.bytes(0)).toEqual(new Uint8Array([1, 2]));
  });

  it('lets go of the replica when the last record that names it goes', () => {
    const replicas = new Interner();
    const table = new RecordTable('m', replicas);
    put(table, 'a', 1, NO_BYTES, 'r1');
    put(table, 'b', 2, NO_BYTES, 'r1');
    put(table, 'a', 3, NO_BYTES, 'r2');
    expect(replicas.size).toBe(2);
    put(table, 'b', 4, NO_BYTES, 'r2');
    expect(replicas.size).toBe(1);
    table.delete(table.find('a'));
    table.delete(table.find('b'));
    expect(replicas.size).toBe(0);
  });

  it('gives the memory of replaced and deleted values back, in small tables too', () => {
    for (const keys of [1, 20, 2_000]) {
      const table = new RecordTable('m');
      const live = keys * 100;
      for (let round = 0; round < 200; round++) {
        for (let i = 0; i < keys; i++) put(table, `k${i}`, round, new Uint8Array(60 + ((round * 7 + i * 13) % 80)));
      }
      expect(table.valueCapacity).toBeLessThan(live * 4 + 8 * 1024);
    }
  });
});

describe('changes since a sequence', () => {
  it('come in the order of the last change', () => {
    const table = new RecordTable('m');
    for (const [key, seq] of [
      ['a', 1],
      ['b', 2],
      ['c', 2],
      ['a', 3],
    ] as const)
      put(table, key, seq);
    expect(changedSince(table, 0)).toEqual(['b', 'c', 'a']);
    expect(changedSince(table, 1)).toEqual(['b', 'c', 'a']);
    expect(changedSince(table, 2)).toEqual(['a']);
    expect(changedSince(table, 3)).toEqual([]);
    expect(table.newestSeq).toBe(3);
  });

  it('reach the newest record when that very record changes under the iterator', () => {
    const table = new RecordTable('m');
    put(table, 'a', 1);
    const iterator = table.changesSince(0);
    put(table, 'a', 2);
    expect(table.next(iterator)).toBe(table.find('a'));
    put(table, 'a', 3);
    expect(table.next(iterator)).toBe(table.find('a'));
    expect(table.next(iterator)).toBe(-1);
  });

  it('end with the first -1, and not before', () => {
    const table = new RecordTable('m');
    const iterator = table.changesSince(0);
    const slot = put(table, 'a', 1);
    expect(table.next(iterator)).toBe(slot);
    expect(table.next(iterator)).toBe(-1);
    put(table, 'b', 2);
    expect(table.next(iterator)).toBe(-1);
  });

  it('step over records that are deleted under the iterator', () => {
    const table = new RecordTable('m');
    for (let i = 0; i < 4; i++) put(table, `k${i}`, i + 1);
    const iterator = table.changesSince(0);
    expect(table.key(table.next(iterator))).toBe('k0');
    table.delete(table.find('k1'));
    table.delete(table.find('k2'));
    expect(table.key(table.next(iterator))).toBe('k3');
    expect(table.next(iterator)).toBe(-1);
  });

  it('cost what changed, not what exists', () => {
    const table = new RecordTable('m');
    for (let i = 0; i < 100_000; i++) put(table, `k${i}`, i + 1, NO_BYTES);
    const started = cpuMs();
    for (let i = 0; i < 1_000; i++) expect(changedSince(table, 99_990)).toHaveLength(10);
    expect(cpuMs() - started).toBeLessThan(1_000);
  });
});

/** The same, written for clarity alone: a record is an object, and its place in the order a number. */
class ModelTable {
  readonly records = new Map<string, ModelRecord>();
  #changes = 0;

  put(key: string, row: Omit<ModelRecord, 'change'>): void {
    this.records.set(key, { ...row, change: ++this.#changes });
  }

  changesSince(seq: number): ModelIterator {
    const first = this.#ordered().find(([, record]) => record.seq > seq);
    return { after: first === undefined ? this.#changes : first[1].change - 1, ended: false };
  }

  next(iterator: ModelIterator): string | null {
    const found = iterator.ended ? undefined : this.#ordered().find(([, record]) => record.change > iterator.after);
    iterator.ended = found === undefined;
    if (found === undefined) return null;
    iterator.after = found[1].change;
    return found[0];
  }

  #ordered(): [string, ModelRecord][] {
    return [...this.records].sort(([, a], [, b]) => a.change - b.change);
  }
}

interface ModelRecord {
  readonly tag: Tag;
  readonly ms: number;
  readonly counter: number;
  readonly replica: string;
  readonly expires: number;
  readonly value: Uint8Array;
  readonly seq: number;
  readonly change: number;
}

interface ModelIterator {
  after: number;
  ended: boolean;
}

type Action =
  | {
      readonly do: 'put';
      readonly key: string;
      readonly row: Omit<ModelRecord, 'seq' | 'change'>;
      readonly step: number;
    }
  | { readonly do: 'delete'; readonly key: string }
  | { readonly do: 'open'; readonly back: number }
  | { readonly do: 'next'; readonly which: number }
  | { readonly do: 'close'; readonly which: number };

const key = fc.constantFrom(
  '',
  'a',
  'b',
  'c',
  'constructor',
  '__proto__',
  'a key of more than thirteen characters',
  'é😀',
);
const value = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 3_000 }).map((n) => new Uint8Array(n).fill(n)) },
  { weight: 1, arbitrary: fc.integer({ min: 30_000, max: 300_000 }).map((n) => new Uint8Array(n).fill(n)) },
);
const row = fc.record({
  tag: fc.constantFrom(Tag.LWW_SET, Tag.LWW_REMOVE, Tag.OR_STATE, Tag.COUNTER_STATE),
  ms: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  counter: fc.integer({ min: 0, max: 0xffff }),
  replica: fc.constantFrom('r1', 'r2', 'r3'),
  expires: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 48 })),
  value,
});
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('put'), key, row, step: fc.integer({ min: 0, max: 1 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete'), key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('open'), back: fc.integer({ min: 0, max: 10 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('next'), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close'), which: fc.nat() }) },
);

describe('RecordTable against a naive model', () => {
  it('holds the same rows and walks them in the same order after any actions', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
        const replicas = new Interner();
        const table = new RecordTable('m', replicas);
        const model = new ModelTable();
        const iterators: { real: ChangeIterator; model: ModelIterator }[] = [];
        let seq = 1;
        for (const act of actions) {
          if (act.do === 'put') {
            seq += act.step;
            const { tag, ms, counter, replica, expires, value } = act.row;
            table.put(act.key, tag, ms, counter, replica, expires, value, 0, value.length, seq);
            model.put(act.key, { ...act.row, seq });
          } else if (act.do === 'delete') {
            if (model.records.delete(act.key)) table.delete(table.find(act.key));
          } else if (act.do === 'open') {
            const since = Math.max(0, seq - act.back);
            iterators.push({ real: table.changesSince(since), model: model.changesSince(since) });
          } else {
            const pair = iterators[act.which % Math.max(1, iterators.length)];
            if (pair === undefined) continue;
            if (act.do === 'next') {
              const slot = table.next(pair.real);
              expect(slot < 0 ? null : table.key(slot)).toBe(model.next(pair.model));
            } else {
              table.closeIterator(pair.real);
              iterators.splice(iterators.indexOf(pair), 1);
            }
          }
          expect(table.size).toBe(model.records.size);
        }
        expectSame(table, model);
        expect(replicas.size).toBe(new Set([...model.records.values()].map((record) => record.replica)).size);
      }),
      { numRuns: 300 },
    );
  });
});

function expectSame(table: RecordTable, model: ModelTable): void {
  expect(new Set(table.keys())).toEqual(new Set(model.records.keys()));
  expect(new Set(table.slots()).size).toBe(model.records.size);
  for (const [key, record] of model.records) {
    const slot = table.find(key);
    expect(table.key(slot)).toBe(key);
    expect({
      tag: table.tag(slot),
      ms: table.ms(slot),
      counter: table.counter(slot),
      replica: table.replica(slot),
      expires: table.expires(slot),
      seq: table.seq(slot),
    }).toEqual({
      tag: record.tag,
      ms: record.ms,
      counter: record.counter,
      replica: record.replica,
      expires: record.expires,
      seq: record.seq,
    });
    expect(Buffer.compare(table.bytes(slot), record.value)).toBe(0);
    expect(table.hasValue(slot, record.value, 0, record.value.length)).toBe(true);
  }
}
