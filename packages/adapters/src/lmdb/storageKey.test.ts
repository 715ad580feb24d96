import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeStorageKey, encodeStorageKey } from './storageKey.js';

/** Any UTF-16 units: NUL, lone surrogates and all. */
const part = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 0xffff }),
      fc.constantFrom(0, 1, 0x7f, 0x80, 0x7ff, 0x800, 0xd83d, 0xde00, 0xffff),
    ),
    { maxLength: 12 },
  )
  .map((units) => String.fromCharCode(...units));
const pair = fc.tuple(part, part);

describe('storage keys', () => {
  it('come back as they were, whatever they are made of', () => {
    fc.assert(
      fc.property(pair, (key) => {
        expect(decodeStorageKey(encodeStorageKey(key))).toEqual(key);
      }),
    );
    fc.assert(
      fc.property(part, (name) => {
        fc.pre(name !== '');
        expect(decodeStorageKey(encodeStorageKey([name]))).toEqual([name]);
      }),
    );
  });

  it('sort as their parts do', () => {
    const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
    fc.assert(
      fc.property(pair, pair, (a, b) => {
        const order = Buffer.compare(encodeStorageKey(a), encodeStorageKey(b));
        expect(order).toBe(compare(a[0], b[0]) || compare(a[1], b[1]));
      }),
    );
  });

  it('stay below what LMDB can hold', () => {
    // 256 and 1,024 bytes of UTF-8, of the characters that take most here.
    expect(encodeStorageKey(['😀'.repeat(64), '😀'.repeat(256)]).length).toBe(1921);
    expect(encodeStorageKey(['\0'.repeat(256), '\0'.repeat(1024)]).length).toBe(1281);
  });

  it('are never empty', () => {
    expect(() => encodeStorageKey([''])).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    expect(encodeStorageKey(['', ''])).toHaveLength(1);
  });
});
