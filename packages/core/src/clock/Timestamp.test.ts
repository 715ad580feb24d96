import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareStamps, compareTimestamps, type Timestamp } from './Timestamp.js';

const timestamp: fc.Arbitrary<Timestamp> = fc.record({
  ms: fc.integer({ min: 0, max: 3 }),
  counter: fc.integer({ min: 0, max: 3 }),
  replica: fc.constantFrom('', 'a', 'b', 'B', 'aa', 'é', '￿', '😀'),
});

describe('the order of timestamps', () => {
  it('compares ms first, then the counter, then the replica by UTF-16 code units', () => {
    const ordered: Timestamp[] = [
      { ms: 1, counter: 9, replica: 'z' },
      { ms: 2, counter: 0, replica: 'z' },
      { ms: 2, counter: 1, replica: 'B' },
      { ms: 2, counter: 1, replica: 'a' },
      { ms: 2, counter: 1, replica: 'aa' },
      { ms: 2, counter: 1, replica: '😀' },
      { ms: 2, counter: 1, replica: '￿' },
    ];
    expect([...ordered].reverse().sort(compareTimestamps)).toEqual(ordered);
  });

  it('is total: antisymmetric, transitive, and equal only for the same timestamp', () => {
    fc.assert(
      fc.property(timestamp, timestamp, timestamp, (a, b, c) => {
        expect(Math.sign(compareTimestamps(a, b))).toBe(0 - Math.sign(compareTimestamps(b, a)));
        if (compareTimestamps(a, b) <= 0 && compareTimestamps(b, c) <= 0) {
          expect(compareTimestamps(a, c)).toBeLessThanOrEqual(0);
        }
        const same = a.ms === b.ms && a.counter === b.counter && a.replica === b.replica;
        expect(compareTimestamps(a, b) === 0).toBe(same);
      }),
    );
  });

  it('is the same on columns', () => {
    fc.assert(
      fc.property(timestamp, timestamp, (a, b) => {
        const order = compareStamps(a.ms, a.counter, a.replica, b.ms, b.counter, b.replica);
        return order === compareTimestamps(a, b);
      }),
    );
  });
});
