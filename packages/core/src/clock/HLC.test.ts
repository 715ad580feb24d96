import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HLC } from './HLC.js';
import { compareTimestamps, MAX_COUNTER, MAX_MS, type Timestamp } from './Timestamp.js';

describe('HLC', () => {
  it('reads wall time, and counts the readings within one millisecond', () => {
    let wall = 1_000;
    const clock = new HLC('a', () => wall);
    expect(clock.tick()).toEqual({ ms: 1_000, counter: 0, replica: 'a' });
    expect(clock.tick()).toEqual({ ms: 1_000, counter: 1, replica: 'a' });
    wall = 1_001;
    expect(clock.tick()).toEqual({ ms: 1_001, counter: 0, replica: 'a' });
  });

  it('goes on counting while the wall clock is behind', () => {
    let wall = 5_000;
    const clock = new HLC('a', () => wall);
    clock.advance();
    wall = 10;
    expect(clock.tick()).toEqual({ ms: 5_000, counter: 1, replica: 'a' });
  });

  it('takes the next millisecond when the counter is used up', () => {
    const clock = new HLC('a', () => 7);
    clock.receive(7, MAX_COUNTER);
    expect(clock.tick()).toEqual({ ms: 8, counter: 0, replica: 'a' });
    expect(clock.tick()).toEqual({ ms: 8, counter: 1, replica: 'a' });
  });

  it('follows every timestamp it receives, and ignores older ones', () => {
    const clock = new HLC('a', () => 100);
    clock.receive(500, 3);
    expect(clock.tick()).toEqual({ ms: 500, counter: 4, replica: 'a' });
    clock.receive(500, 2);
    clock.receive(499, 60_000);
    expect(clock.tick()).toEqual({ ms: 500, counter: 5, replica: 'a' });
  });

  it('can be set back', () => {
    const clock = new HLC('a', () => 100);
    clock.receive(9_999_999, 1);
    clock.reset(50, 3);
    expect(clock.tick()).toEqual({ ms: 100, counter: 0, replica: 'a' });
  });

  it('keeps its readings whole and in range whatever the wall clock says', () => {
    for (const wall of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -5, 1.75, 1e300]) {
      const { ms, counter } = new HLC('a', () => wall).tick();
      expect(Number.isInteger(ms) && ms >= 0 && ms <= MAX_MS).toBe(true);
      expect(Number.isInteger(counter) && counter >= 0 && counter <= MAX_COUNTER).toBe(true);
    }
  });

  it('refuses to leave the range of timestamps rather than to repeat one', () => {
    const clock = new HLC('a', () => 100);
    clock.receive(MAX_MS, MAX_COUNTER);
    expect(() => clock.tick()).toThrow(expect.objectContaining({ code: 'CLOCK_DRIFT' }));
    expect(clock.ms).toBe(MAX_MS);
  });

  it('ignores what is no timestamp', () => {
    const clock = new HLC('a', () => 100);
    for (const [ms, counter] of [
      [Number.NaN, 0],
      [MAX_MS + 1, 0],
      [Number.POSITIVE_INFINITY, 0],
      [200.5, 0],
      [200, MAX_COUNTER + 1],
      [200, Number.NaN],
    ] as const) {
      clock.receive(ms, counter);
    }
    expect(clock.tick()).toEqual({ ms: 100, counter: 0, replica: 'a' });
  });

  it('strictly increases over any wall clock and any received timestamps', () => {
    const step = fc.oneof(
      fc.record({ wall: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.double()) }),
      fc.record({ ms: fc.integer({ min: 0, max: 60 }), counter: fc.integer({ min: 0, max: MAX_COUNTER }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        let wall = 0;
        const clock = new HLC('a', () => wall);
        let last: Timestamp = { ms: -1, counter: 0, replica: '' };
        for (const action of steps) {
          if ('wall' in action) {
            wall = action.wall;
          } else {
            clock.receive(action.ms, action.counter);
            const received = { ms: action.ms, counter: action.counter, replica: '' };
            if (compareTimestamps(received, last) > 0) last = received;
          }
          const reading = clock.tick();
          if (compareTimestamps(reading, last) <= 0) return false;
          last = reading;
        }
        return true;
      }),
    );
  });
});
