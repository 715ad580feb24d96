import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalValue } from './canonicalValue.js';
import { compareValues } from './compareValues.js';
import { membership } from './membership.js';
import { valueEquals } from './valueEquals.js';

const bytes = (...items: number[]): Uint8Array => Uint8Array.from(items);

/** Classes of equal values, in order. */
const LADDER: readonly (readonly unknown[])[] = [
  [undefined],
  [null],
  [false],
  [true],
  [Number.NaN],
  [Number.NEGATIVE_INFINITY],
  [-(2n ** 70n), -(2 ** 70)],
  [-1, -1n],
  [0, -0, 0n],
  [0.5],
  [1, 1n],
  [2 ** 53, 2n ** 53n],
  [2n ** 53n + 1n],
  [2 ** 53 + 2],
  [1e300, BigInt(1e300)],
  [Number.POSITIVE_INFINITY],
  [''],
  ['A'],
  ['a'],
  ['a\0'],
  ['e\u0301'],
  ['\u00e9'],
  ['\u{1f600}'],
  ['\uffff'],
  [new Date(-1), new Date(-1)],
  [new Date(0)],
  [bytes(), bytes()],
  [bytes(0)],
  [bytes(1), bytes(1)],
  [bytes(1, 0)],
  [bytes(255)],
  [[], []],
  [[undefined]],
  [[null]],
  [[1], [1n]],
  [[1, 0]],
  [[2]],
  [[[]]],
  [{}, {}, Object.create(null)],
  [{ a: 1 }, { a: 1n }],
  [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
  ],
  [{ a: 2 }],
  [{ b: 0 }],
];

const fewValues = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom<unknown>(
      null,
      true,
      false,
      0,
      -0,
      1,
      1n,
      2n,
      0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      '',
      'a',
      'b',
    ),
    fc.constantFrom<unknown>(
      new Date(0),
      new Date(1),
      bytes(),
      bytes(1),
      bytes(1, 2),
      2 ** 53,
      2n ** 53n,
      2n ** 53n + 1n,
    ),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(fc.constantFrom('a', 'b', '__proto__'), tie('value')), { maxLength: 3 }).map(Object.fromEntries),
  ),
})).value;

const wildValues = fc.anything({
  withBigInt: true,
  withDate: true,
  withTypedArray: true,
  withNullPrototype: true,
  withSparseArray: true,
});

/** By adjacent exchanges, so that transitivity is what is tested, not assumed. (`sort` would set undefined apart.) */
function inOrder(...values: unknown[]): unknown[] {
  const [a, b, c] = values;
  if (compareValues(a, b) > 0) return inOrder(b, a, c);
  return compareValues(b, c) > 0 ? inOrder(a, c, b) : values;
}

const deeplyNested = (levels: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
};

describe('compareValues', () => {
  it('orders kinds, and values within a kind, as documented', () => {
    LADDER.forEach((step, at) => {
      LADDER.forEach((otherStep, otherAt) => {
        for (const a of step) {
          for (const b of otherStep) {
            expect(Math.sign(compareValues(a, b)), `${canonicalValue(a)} to ${canonicalValue(b)}`).toBe(
              Math.sign(at - otherAt),
            );
          }
        }
      });
    });
  });

  it.each([
    ['values that often meet', fewValues],
    ['any value at all', wildValues],
  ])('is a total preorder over %s', (_name, values) => {
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        expect(compareValues(a, a)).toBe(0);
        expect(Math.sign(compareValues(a, b))).toBe(-Math.sign(compareValues(b, a)) + 0);
        const [low, middle, high] = inOrder(a, b, c);
        expect(compareValues(low, high)).toBeLessThanOrEqual(0);
        if (compareValues(low, middle) === 0) {
          expect(Math.sign(compareValues(low, high))).toBe(Math.sign(compareValues(middle, high)));
        }
        if (compareValues(a, b) <= 0 && compareValues(b, c) <= 0) expect(compareValues(a, c)).toBeLessThanOrEqual(0);
        if (compareValues(a, b) === 0) expect(Math.sign(compareValues(a, c))).toBe(Math.sign(compareValues(b, c)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('ends on values of any depth', () => {
    expect(compareValues(deeplyNested(100_000), deeplyNested(100_001))).not.toBe(0);
    expect(compareValues(deeplyNested(100_000), deeplyNested(100_002))).toBe(0);
  });
});

describe('valueEquals and canonicalValue', () => {
  it('agree with the order on what is equal', () => {
    fc.assert(
      fc.property(fewValues, fewValues, (a, b) => {
        const equal = compareValues(a, b) === 0;
        expect(valueEquals(a, b)).toBe(equal);
        expect(canonicalValue(a) === canonicalValue(b)).toBe(equal);
      }),
      { numRuns: 3_000 },
    );
  });

  it('agree along the whole ladder', () => {
    LADDER.forEach((step, at) => {
      LADDER.forEach((otherStep, otherAt) => {
        for (const a of step) {
          for (const b of otherStep) {
            const labels = `${canonicalValue(a)} and ${canonicalValue(b)}`;
            expect(valueEquals(a, b), labels).toBe(at === otherAt);
            expect(canonicalValue(a) === canonicalValue(b), labels).toBe(at === otherAt);
          }
        }
      });
    });
  });

  it('end on values of any depth', () => {
    expect(valueEquals(deeplyNested(100_000), deeplyNested(100_000))).toBe(false);
    expect(canonicalValue(deeplyNested(100_000))).toContain('!');
  });
});

describe('membership', () => {
  it('is equality with one of the values', () => {
    fc.assert(
      fc.property(fc.array(fewValues, { maxLength: 5 }), fewValues, (list, value) => {
        expect(membership(list)(value)).toBe(list.some((item) => valueEquals(item, value)));
      }),
      { numRuns: 3_000 },
    );
  });
});
