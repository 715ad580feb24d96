import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HLC } from '../clock/HLC.js';
import { decodeEntries, encodeEntries } from '../protocol/entryCodec.js';
import { ValueTypeError } from '../value/ValueTypeError.js';
import type { EntryBatch } from './EntryBatch.js';
import { LWWMap } from './LWWMap.js';
import { ORMap } from './ORMap.js';
import { PNCounter } from './PNCounter.js';

let now = 1_000;
const clock = (replica: string): HLC => new HLC(replica, () => now);
/** As another replica gets it: over the wire. */
const sent = (rows: EntryBatch): EntryBatch => decodeEntries(encodeEntries(rows));

describe('LWWMap', () => {
  it('is a map', () => {
    const map = new LWWMap<unknown>(clock('a'));
    map.set('x', { deep: [1, null] });
    map.set('__proto__', new Date(5));
    map.set('y', 2);
    map.remove('y');
    expect(map.get('x')).toEqual({ deep: [1, null] });
    expect(map.get('__proto__')).toEqual(new Date(5));
    expect([map.has('x'), map.has('y'), map.has('constructor'), map.get('y')]).toEqual([true, false, false, undefined]);
    expect(map.size).toBe(2);
    expect([...map.keys()]).toEqual(['x', '__proto__']);
    expect([...map]).toEqual([...map.entries()]);
  });

  it('lets the later write win on every replica', () => {
    const a = new LWWMap<number>(clock('a'));
    const b = new LWWMap<number>(clock('b'));
    const first = a.set('x', 1);
    b.merge(sent(first));
    const second = b.set('x', 2);
    expect(a.merge(sent(second))).toEqual(['x']);
    expect(a.merge(sent(first))).toEqual([]);
    expect([a.get('x'), b.get('x')]).toEqual([2, 2]);
    const removal = a.remove('x');
    expect(b.merge(sent(removal))).toEqual(['x']);
    b.merge(sent(second));
    expect(b.has('x')).toBe(false);
  });

  it('writes after what it merged, though its own wall clock is behind', () => {
    now = 9_000;
    const ahead = new LWWMap<number>(clock('a'));
    const operation = ahead.set('x', 1);
    now = 1_000;
    const behind = new LWWMap<number>(clock('b'));
    behind.merge(sent(operation));
    ahead.merge(sent(behind.set('x', 2)));
    expect(ahead.get('x')).toBe(2);
  });

  it('lets values live no longer than asked', () => {
    now = 1_000;
    const map = new LWWMap<number>(clock('a'));
    map.set('x', 1, { ttlMs: 50 });
    map.set('y', 1);
    now = 1_049;
    expect(map.size).toBe(2);
    now = 1_050;
    expect([map.get('x'), map.size]).toEqual([undefined, 1]);
    for (const ttlMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => map.set('x', 1, { ttlMs })).toThrow(expect.objectContaining({ code: 'INVALID_VALUE' }));
    }
  });

  it('refuses values and keys that cannot travel, and keeps what it has', () => {
    const map = new LWWMap<unknown>(clock('a'));
    map.set('x', 1);
    expect(() => map.set('x', () => 1)).toThrow(ValueTypeError);
    expect(() => map.set('\ud800', 1)).toThrow(expect.objectContaining({ code: 'INVALID_VALUE' }));
    expect(map.get('x')).toBe(1);
  });

  it('passes over rows of other maps and kinds', () => {
    const map = new LWWMap(clock('a'), 'one');
    expect(map.merge(new LWWMap(clock('b'), 'two').set('x', 1))).toEqual([]);
    expect(map.merge(new ORMap(clock('c'), 'one').add('x', 1))).toEqual([]);
    expect(map.size).toBe(0);
  });

  it('gives entries that stay as they are', () => {
    const map = new LWWMap<string>(clock('a'));
    map.set('x', 'before');
    const entries = map.toEntries();
    map.set('x', 'behind');
    const other = new LWWMap<string>(clock('b'));
    other.merge(entries);
    expect(other.get('x')).toBe('before');
  });
});

describe('ORMap', () => {
  it('keeps several values of a key, in the order of their additions', () => {
    const map = new ORMap<unknown>(clock('a'));
    map.add('x', 'b');
    map.add('x', { a: 1 });
    map.add('x', 'b');
    expect(map.get('x')).toEqual(['b', { a: 1 }, 'b']);
    expect(map.remove('x', 'b')).not.toBeNull();
    expect(map.remove('x', 'b')).toBeNull();
    expect([...map]).toEqual([['x', [{ a: 1 }]]]);
    map.clear('x');
    expect([map.get('x'), [...map.keys()], map.clear('x')]).toEqual([[], [], null]);
  });

  it('keeps what another replica adds while this one removes', () => {
    const a = new ORMap<string>(clock('a'));
    const b = new ORMap<string>(clock('b'));
    b.merge(sent(a.add('tags', 'red')));
    const removal = a.remove('tags', 'red');
    const addition = b.add('tags', 'red');
    if (removal !== null) b.merge(sent(removal));
    a.merge(sent(addition));
    expect([a.get('tags'), b.get('tags')]).toEqual([['red'], ['red']]);
  });

  it('forgets no removal when whole states are merged', () => {
    const a = new ORMap<string>(clock('a'));
    const b = new ORMap<string>(clock('b'));
    const addition = a.add('tags', 'red');
    a.clear('tags');
    b.merge(sent(a.toEntries()));
    expect(b.merge(sent(addition))).toEqual([]);
    expect(b.get('tags')).toEqual([]);
  });
});

describe('PNCounter', () => {
  it('counts what all replicas count, each operation once', () => {
    const a = new PNCounter(clock('a'));
    const b = new PNCounter(clock('b'));
    const operations = [a.increment(), a.increment(5), b.decrement(2), a.decrement()];
    for (const operation of [...operations, ...operations].reverse()) {
      a.merge(sent(operation));
      b.merge(sent(operation));
    }
    expect([a.value, b.value]).toEqual([3, 3]);
    expect(b.merge(sent(a.toEntries()))).toBe(false);
  });

  it('refuses what is no whole number, and to count beyond 2^53 - 1', () => {
    const counter = new PNCounter(clock('a'));
    for (const n of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => counter.increment(n)).toThrow(expect.objectContaining({ code: 'INVALID_VALUE' }));
    }
    counter.increment(Number.MAX_SAFE_INTEGER);
    expect(() => counter.increment()).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
    counter.decrement(1);
    expect(counter.value).toBe(Number.MAX_SAFE_INTEGER - 1);
  });
});

describe('replicas', () => {
  const step = fc.record({
    by: fc.nat({ max: 2 }),
    key: fc.constantFrom('x', 'y'),
    value: fc.nat({ max: 2 }),
    removes: fc.boolean(),
    tells: fc.nat({ max: 2 }),
    wall: fc.integer({ min: 0, max: 20 }),
  });

  it('are equal once everybody has heard of everything, in whatever order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const names = ['a', 'b', 'c'];
        const replicas = names.map((name) => ({
          lww: new LWWMap<number>(clock(name)),
          or: new ORMap<number>(clock(name)),
          counter: new PNCounter(clock(name)),
        }));
        for (const { by, key, value, removes, tells, wall } of steps) {
          now = wall;
          const { lww, or, counter } = replicas[by] ?? never();
          const other = replicas[tells] ?? never();
          other.lww.merge(sent(removes ? lww.remove(key) : lww.set(key, value)));
          const change = removes ? or.remove(key, value) : or.add(key, value);
          if (change !== null) other.or.merge(sent(change));
          other.counter.merge(sent(removes ? counter.decrement(value) : counter.increment(value)));
        }
        const everything = replicas.map(({ lww, or, counter }) => [
          lww.toEntries(),
          or.toEntries(),
          counter.toEntries(),
        ]);
        const seen = replicas.map((replica, i) => {
          for (const [lww, or, counter] of i === 1 ? everything : [...everything].reverse()) {
            replica.lww.merge(sent(lww ?? never()));
            replica.or.merge(sent(or ?? never()));
            replica.counter.merge(sent(counter ?? never()));
          }
          return [[...replica.lww].sort(), [...replica.or].sort(), replica.counter.value];
        });
        expect(seen[1]).toEqual(seen[0]);
        expect(seen[2]).toEqual(seen[0]);
        const total = steps.reduce((sum, { value, removes }) => sum + (removes ? -value : value), 0);
        expect(seen[0]?.[2]).toBe(total);
      }),
      { numRuns: 300 },
    );
  });
});

function never(): never {
  throw new Error('unreachable');
}
