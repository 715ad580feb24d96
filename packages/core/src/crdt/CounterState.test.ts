import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TopGunError } from '../errors.js';
import { damaged, damages } from '../testing/mutations.js';
import { counterState } from '../testing/rows.js';
import { counterValue, decodeCounterState, decodeTotals, encodeCounterState, encodeTotals } from './CounterState.js';

const MAX = Number.MAX_SAFE_INTEGER;

describe('the bytes of a counter', () => {
  it('come back as the state that made them', () => {
    fc.assert(
      fc.property(counterState, (state) => {
        expect(decodeCounterState(encodeCounterState(state))).toEqual(state);
      }),
    );
  });

  it('are the only bytes of that state, and everything else is refused as BAD_FRAME', () => {
    let accepted = 0;
    fc.assert(
      fc.property(counterState, damages, (state, dealt) => {
        const bytes = damaged(encodeCounterState(state), dealt);
        try {
          const read = decodeCounterState(bytes);
          accepted++;
          expect(encodeCounterState(read)).toEqual(bytes);
        } catch (error) {
          if (!(error instanceof TopGunError)) throw error;
          expect(error.code).toBe('BAD_FRAME');
        }
      }),
      { numRuns: 5_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});

describe('the totals of a counter operation', () => {
  it('go up to 2^53 - 1', () => {
    for (const [added, removed] of [
      [0, 0],
      [1, 2],
      [MAX, 0],
      [MAX, MAX],
    ] as const) {
      expect(decodeTotals(encodeTotals(added, removed))).toEqual({ added, removed });
    }
  });

  it('are refused when they are cut off, too large, or followed by something', () => {
    for (const bytes of [[], [1], [1, 2, 3], [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0]]) {
      expect(() => decodeTotals(new Uint8Array(bytes))).toThrow(expect.objectContaining({ code: 'BAD_FRAME' }));
    }
  });
});

describe('counterValue', () => {
  it('is what was added less what was removed', () => {
    expect(counterValue([])).toBe(0);
    expect(counterValue([{ replica: 'a', added: 5, removed: 7 }])).toBe(-2);
  });

  it('is exact even when the totals on the way pass 2^53', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()), { maxLength: 20 }), (totals) => {
        const state = totals.map(([added, removed], i) => ({ replica: `${i}`, added, removed }));
        let exact = 0n;
        for (const [added, removed] of totals) exact += BigInt(added) - BigInt(removed);
        const bounded = exact > BigInt(MAX) ? MAX : exact < -BigInt(MAX) ? -MAX : Number(exact);
        return counterValue(state) === bounded;
      }),
    );
    const slots = [
      { replica: 'a', added: MAX, removed: 0 },
      { replica: 'b', added: 2, removed: 0 },
      { replica: 'c', added: 0, removed: MAX },
    ];
    expect(counterValue(slots)).toBe(2);
  });
});
