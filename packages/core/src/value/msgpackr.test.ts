import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { decodeValue } from './decodeValue.js';
import { encodeValue } from './encodeValue.js';

/** An independent MessagePack implementation must understand us, and we it. */
const packr = new Packr({ useRecords: false });

const name = fc.string({ unit: 'binary', maxLength: 20 }).filter((text) => text !== '__proto__');

const { plain } = fc.letrec<{ plain: unknown }>((tie) => ({
  plain: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double().map((number) => (number === 0 ? 0 : number)), // msgpackr writes -0 as 0
    fc.string({ unit: 'binary', maxLength: 100 }),
    fc.array(tie('plain'), { maxLength: 20 }),
    fc.dictionary(name, tie('plain'), { maxKeys: 20, noNullPrototype: true }),
  ),
}));

const more = fc.oneof(
  plain,
  fc.constant(-0),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.uint8Array({ maxLength: 300 }),
  fc.date({ noInvalidDate: true }),
  fc.record({ when: fc.date({ noInvalidDate: true }), bytes: fc.uint8Array(), rest: plain }, { noNullPrototype: true }),
);

/** msgpackr gives bytes as Buffers. */
function normalized(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(normalized);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, normalized(each)]));
}

describe('together with msgpackr', () => {
  it('what we encode, it decodes to the same value', () => {
    fc.assert(
      fc.property(more, (value) => {
        expect(normalized(packr.unpack(encodeValue(value)))).toStrictEqual(value);
      }),
      { numRuns: 2000 },
    );
  });

  it('what it encodes of plain data, we decode to the same value', () => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(decodeValue(new Uint8Array(packr.pack(value)))).toStrictEqual(value);
      }),
      { numRuns: 2000 },
    );
  });

  it('and unlike it we keep __proto__ and __proto_ apart', () => {
    const value = Object.fromEntries([
      ['__proto__', 1],
      ['__proto_', 2],
    ]);
    expect(Object.entries(decodeValue(encodeValue(value)) as object)).toEqual([
      ['__proto__', 1],
      ['__proto_', 2],
    ]);
  });
});
