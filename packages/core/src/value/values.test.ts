import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TopGunError } from '../errors.js';
import { ByteReader } from '../wire/ByteReader.js';
import { decodeValue, readValue } from './decodeValue.js';
import { encodeValue } from './encodeValue.js';
import { readField } from './readField.js';
import { skipValue } from './skipValue.js';
import { validateValue } from './validateValue.js';

/** What holds for every value and for all bytes. Examples of single rules are in the tests of each function. */

const key = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('id', 'name', 'done', 'owner', '7') },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '') },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 70 }) },
);

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.oneof(fc.integer(), fc.double(), fc.maxSafeInteger(), fc.constantFrom(-0, 2 ** 31, 2 ** 32, -(2 ** 31) - 1)),
    fc.oneof(fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }), fc.bigInt()),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.date({ noInvalidDate: true }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc
      .array(fc.tuple(key, tie('value')), { maxLength: 20 })
      // Not assignment, which would make `__proto__` a prototype.
      .map((pairs) => Object.fromEntries(pairs)),
  ),
}));

function isValid(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  try {
    decodeValue(bytes, start, end);
    return true;
  } catch (error) {
    if (error instanceof TopGunError && error.code === 'INVALID_VALUE') return false;
    throw error;
  }
}

/** A small seeded generator (mulberry32): quick enough for a hundred thousand inputs, and the same ones each time. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

describe('every value', () => {
  it('comes back from its bytes as it was, alone and in the midst of other bytes', () => {
    fc.assert(
      fc.property(value, (original) => {
        const bytes = encodeValue(original);
        expect(isDeepStrictEqual(decodeValue(bytes), original)).toBe(true);

        const frame = Buffer.concat([Buffer.from([0xc1, 0xc1]), bytes, Buffer.from([0xc1])]);
        expect(isDeepStrictEqual(decodeValue(frame, 2, frame.length - 1), original)).toBe(true);
        const reader = new ByteReader(frame, 2);
        expect(isDeepStrictEqual(readValue(reader), original)).toBe(true);
        expect(reader.position).toBe(frame.length - 1);
      }),
      { numRuns: 3000 },
    );
  });

  it('has one encoding', () => {
    fc.assert(
      fc.property(value, (original) => {
        expect(encodeValue(decodeValue(encodeValue(original)))).toEqual(encodeValue(original));
      }),
      { numRuns: 1000 },
    );
  });

  it('is valid as a whole, and no part of it from the start is', () => {
    fc.assert(
      fc.property(value, fc.nat(), (original, cut) => {
        const bytes = encodeValue(original);
        expect(validateValue(bytes)).toBe(true);
        expect(skipValue(bytes, 0, bytes.length)).toBe(bytes.length);
        const end = cut % bytes.length;
        expect(validateValue(bytes, 0, end)).toBe(false);
        expect(skipValue(bytes, 0, end)).toBe(-1);
        expect(isValid(bytes, 0, end)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it('gives its fields one by one as it gives them together', () => {
    fc.assert(
      fc.property(value, fc.array(key, { maxLength: 3 }), (original, path) => {
        const bytes = encodeValue(original);
        expect(isDeepStrictEqual(readField(bytes, 0, bytes.length, path), walk(original, path))).toBe(true);
        if (!isMap(original)) return;
        for (const name of Object.keys(original)) {
          expect(isDeepStrictEqual(readField(bytes, 0, bytes.length, [name]), original[name])).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

function isMap(something: unknown): something is Readonly<Record<string, unknown>> {
  return typeof something === 'object' && something !== null && Object.getPrototypeOf(something) === Object.prototype;
}

function walk(root: unknown, path: readonly string[]): unknown {
  let at = root;
  for (const name of path) {
    if (!isMap(at) || !Object.hasOwn(at, name)) return undefined;
    at = at[name];
  }
  return at;
}

describe('hostile bytes', () => {
  const seeds = fc.sample(value, { numRuns: 500, seed: 7 }).map((each) => encodeValue(each));

  function expectAgreement(bytes: Uint8Array): void {
    const valid = isValid(bytes);
    if (validateValue(bytes) !== valid) {
      throw new Error(`validateValue says ${!valid} of ${Buffer.from(bytes).toString('hex')}`);
    }
    if (valid && skipValue(bytes, 0, bytes.length) !== bytes.length) {
      throw new Error(`skipValue loses its way in ${Buffer.from(bytes).toString('hex')}`);
    }
    try {
      readField(bytes, 0, bytes.length, ['id']);
    } catch (error) {
      if (!(error instanceof TopGunError) || error.code !== 'INVALID_VALUE') throw error;
    }
  }

  it('of random kind give a typed error or a value, and validateValue knows which', () => {
    const random = generator(1);
    for (let i = 0; i < 50_000; i++) {
      const bytes = new Uint8Array(1 + random(24));
      for (let k = 0; k < bytes.length; k++) bytes[k] = random(256);
      expectAgreement(bytes);
    }
  });

  it('made from values by changing bytes do too', () => {
    const random = generator(2);
    for (let i = 0; i < 50_000; i++) {
      const bytes = Uint8Array.from(seeds[random(seeds.length)] ?? []);
      for (let change = random(3); change >= 0; change--) bytes[random(bytes.length)] = random(256);
      expectAgreement(bytes);
    }
  });

  it('made from values by cutting, doubling and splicing do too', () => {
    const random = generator(3);
    for (let i = 0; i < 50_000; i++) {
      const one = seeds[random(seeds.length)] ?? new Uint8Array(1);
      const other = seeds[random(seeds.length)] ?? new Uint8Array(1);
      const head = one.subarray(0, random(one.length + 1));
      const tail = other.subarray(random(other.length + 1));
      expectAgreement(Uint8Array.from([...head.subarray(0, 200), ...tail.subarray(0, 200)]));
    }
  });

  it('that claim much and nest deep are refused at once', () => {
    const tokens = [0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf];
    for (const token of tokens) expectAgreement(Uint8Array.from([token, 0xff, 0xff, 0xff, 0xff]));

    for (const opener of [[0x91], [0x81, 0xa0], [0xdd, 0, 0, 0, 1], [0xdc, 0xff, 0xff]]) {
      const deep = new Uint8Array(100_000 * opener.length).map((_, i) => opener[i % opener.length] ?? 0);
      // The best of several: what else the machine does is not the codec's time.
      const times = Array.from({ length: 10 }, () => {
        const start = performance.now();
        expect(isValid(deep)).toBe(false);
        expect(validateValue(deep)).toBe(false);
        return performance.now() - start;
      });
      expect(Math.min(...times)).toBeLessThan(1);
    }
  });
});
