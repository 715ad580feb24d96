import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CircuitBreaker } from './CircuitBreaker.js';

const TIMES = { failures: 3, openMs: 1_000, maxOpenMs: 4_000 };

function breakerOf(random = 1): CircuitBreaker {
  return new CircuitBreaker(() => random, TIMES);
}

describe('CircuitBreaker', () => {
  it('opens after failures in a row, and not after as many with a success in between', () => {
    const breaker = breakerOf();
    breaker.failed(0);
    breaker.failed(0);
    breaker.succeeded();
    breaker.failed(0);
    breaker.failed(0);
    expect(breaker.stateAt(0)).toBe('closed');
    breaker.failed(0);
    expect(breaker.stateAt(0)).toBe('open');
    expect(breaker.lets(999)).toBe(false);
  });

  it('lets one through when its time is over, and the next only after an answer', () => {
    const breaker = breakerOf();
    breaker.trip(0);
    expect(breaker.lets(1_000)).toBe(true);
    breaker.sent(1_000);
    expect(breaker.lets(1_001)).toBe(false);
    expect(breaker.stateAt(1_001)).toBe('half-open');
    breaker.succeeded();
    expect(breaker.lets(1_002)).toBe(true);
    expect(breaker.stateAt(1_002)).toBe('closed');
  });

  it('stays open longer each time, up to a bound, and not as long as others', () => {
    const breaker = breakerOf();
    const open: number[] = [];
    let now = 0;
    for (let i = 0; i < 5; i++) {
      breaker.trip(now);
      const since = now;
      while (!breaker.lets(now)) now += 10;
      open.push(now - since);
      breaker.sent(now);
    }
    expect(open).toEqual([1_000, 2_000, 4_000, 4_000, 4_000]);
    const other = breakerOf(0);
    other.trip(0);
    expect(other.lets(500)).toBe(true);
  });

  it('is closed by a handshake when attempts have opened it, and tried when a promise was broken', () => {
    const attempts = breakerOf();
    for (let i = 0; i < 3; i++) attempts.failed(0);
    attempts.connected();
    expect(attempts.stateAt(0)).toBe('closed');
    // One that breaks again at once has not proved itself.
    attempts.failed(0);
    expect(attempts.stateAt(0)).toBe('open');
    const mute = breakerOf();
    mute.trip(0);
    mute.connected();
    expect(mute.stateAt(0)).toBe('half-open');
    mute.alive();
    expect(mute.stateAt(0)).toBe('half-open');
  });

  it('always comes to let something through again, whatever has happened', () => {
    const happenings = ['failed', 'trip', 'sent', 'succeeded', 'connected', 'alive'] as const;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...happenings), fc.nat(3_000))), (all) => {
        const breaker = breakerOf();
        let now = 0;
        for (const [what, thenMs] of all) {
          if (what === 'sent' && !breaker.lets(now)) continue;
          breaker[what](now);
          now += thenMs;
        }
        // What was sent is answered or fails in the end.
        if (breaker.stateAt(now) === 'half-open' && !breaker.lets(now)) breaker.failed(now);
        expect(breaker.lets(now + TIMES.maxOpenMs)).toBe(true);
      }),
    );
  });
});
