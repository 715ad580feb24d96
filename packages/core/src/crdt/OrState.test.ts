import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TopGunError } from '../errors.js';
import { damaged, damages } from '../testing/mutations.js';
import { orState } from '../testing/rows.js';
import { decodeOrState, EMPTY_OR_STATE, encodeOrState, pruneOrState } from './OrState.js';

describe('the bytes of an OR-set state', () => {
  it('come back as the state that made them', () => {
    fc.assert(
      fc.property(orState, (state) => {
        expect(decodeOrState(encodeOrState(state))).toEqual(state);
      }),
    );
    expect(decodeOrState(encodeOrState(EMPTY_OR_STATE))).toEqual(EMPTY_OR_STATE);
  });

  it('are the only bytes of that state, and everything else is refused as BAD_FRAME', () => {
    let accepted = 0;
    fc.assert(
      fc.property(orState, damages, (state, dealt) => {
        const bytes = damaged(encodeOrState(state), dealt);
        try {
          const read = decodeOrState(bytes);
          accepted++;
          expect(encodeOrState(read)).toEqual(bytes);
        } catch (error) {
          if (!(error instanceof TopGunError)) throw error;
          expect(error.code).toBe('BAD_FRAME');
        }
      }),
      { numRuns: 5_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it('cost 11 bytes for a removed element, and 15 beside its value for one that is there', () => {
    const stamps = Array.from({ length: 100 }, (_, i) => ({ ms: 1_760_000_000_000 + i, counter: 0, replica: 'r' }));
    const empty = encodeOrState({ elements: [], removed: stamps.slice(0, 1) }).length - 11;
    expect(encodeOrState({ elements: [], removed: stamps }).length - empty).toBe(1_100);
    const elements = stamps.map((stamp) => ({ stamp, value: new Uint8Array(20) }));
    expect(encodeOrState({ elements, removed: [] }).length - empty).toBe(3_500);
  });
});

describe('pruneOrState', () => {
  it('forgets removals before the horizon and nothing else', () => {
    const at = (ms: number) => ({ ms, counter: 0, replica: 'r' });
    const state = { elements: [{ stamp: at(1), value: new Uint8Array(1) }], removed: [at(2), at(9), at(10), at(11)] };
    expect(pruneOrState(state, 10)).toEqual({ elements: state.elements, removed: [at(10), at(11)] });
    expect(pruneOrState(state, 2)).toBe(state);
  });
});
