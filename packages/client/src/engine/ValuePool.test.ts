import { decodeValue, encodeValue } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { ValuePool } from './ValuePool.js';

describe('ValuePool', () => {
  it('encodes as encodeValue does, and leaves earlier values as they were', () => {
    const pool = new ValuePool();
    const values = Array.from({ length: 3_000 }, (_, i) => ({ i, text: 'x'.repeat(i % 90) }));
    const encoded = values.map((value) => pool.encode(value));
    expect(encoded.map((bytes) => decodeValue(bytes))).toEqual(values);
    expect(encoded[7]).toEqual(encodeValue(values[7]));
  });

  it('puts small values into shared memory and gives large ones their own', () => {
    const pool = new ValuePool();
    const [first, second] = [pool.encode('a'), pool.encode('b')];
    expect(second.buffer).toBe(first.buffer);
    const large = pool.encode('x'.repeat(100_000));
    expect(large.buffer.byteLength).toBe(large.length);
    expect(decodeValue(first)).toBe('a');
    expect(decodeValue(pool.encode('c'))).toBe('c');
  });

  it('takes a value whose getter encodes another', () => {
    const pool = new ValuePool();
    const inner: Uint8Array[] = [];
    const value = {
      before: 1,
      get nested() {
        inner.push(pool.encode('inner'));
        return 2;
      },
      after: 3,
    };
    expect(decodeValue(pool.encode(value))).toEqual({ before: 1, nested: 2, after: 3 });
    expect(inner.map((bytes) => decodeValue(bytes))).toEqual(['inner']);
  });

  it('goes on after a value that cannot be encoded', () => {
    const pool = new ValuePool();
    const before = pool.encode({ a: 1 });
    expect(() => pool.encode({ a: 1, f: () => {} })).toThrow(TypeError);
    expect(decodeValue(pool.encode({ b: 2 }))).toEqual({ b: 2 });
    expect(decodeValue(before)).toEqual({ a: 1 });
  });
});
