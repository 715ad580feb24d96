import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../wire/ByteWriter.js';
import { decodeValue } from './decodeValue.js';
import { encodeValue, writeValue } from './encodeValue.js';
import { ValueTypeError } from './ValueTypeError.js';

class Point {
  readonly x = 1;
}

function sparse(): unknown[] {
  const list: unknown[] = [1];
  list[2] = 3;
  return list;
}

function nested(depth: number, inner: unknown): unknown {
  let value = inner;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { in: value };
  return value;
}

function refusal(value: unknown): ValueTypeError {
  try {
    encodeValue(value);
  } catch (error) {
    if (error instanceof ValueTypeError) return error;
    throw error;
  }
  throw new Error('was encoded');
}

describe('encodeValue', () => {
  it.each<readonly [string, unknown, string, RegExp]>([
    ['undefined', undefined, '', /undefined; use null/],
    ['an undefined property', { a: { b: undefined } }, '.a.b', /leave the property out/],
    ['a hole in a list', { list: sparse() }, '.list[1]', /undefined/],
    ['a function', { on: [() => 1] }, '.on[0]', /function/],
    ['a symbol', [Symbol('s')], '[0]', /symbol/],
    ['a Map', { m: new Map() }, '.m', /Object\.fromEntries/],
    ['a Set', { s: new Set() }, '.s', /\[\.\.\.set\]/],
    ['a class instance', { p: new Point() }, '.p', /instance of Point.*plain object/],
    ['a boxed number', [Object(1)], '[0]', /instance of Number/],
    ['a RegExp', [/x/], '[0]', /instance of RegExp/],
    ['an Error', [new Error('x')], '[0]', /instance of Error/],
    ['an invalid Date', { at: new Date(Number.NaN) }, '.at', /invalid Date/],
    ['floats in a typed array', { f: new Float32Array(2) }, '.f', /Float32Array; wrap/],
    ['an ArrayBuffer', { b: new ArrayBuffer(2) }, '.b', /ArrayBuffer; wrap/],
    ['a lone surrogate', { text: 'a\ud800' }, '.text', /surrogate/],
    ['a lone surrogate in a long text', { text: `${'a'.repeat(500)}\udc00` }, '.text', /surrogate/],
    ['a lone surrogate in a name', { '\ud800': 1 }, '["\\ud800"]', /name.*surrogate/],
    ['an odd name on the way', { 'a b': { 'c.d': undefined } }, '["a b"]["c.d"]', /undefined/],
    ['the first of two faults', [{ ok: 1 }, { bad: undefined }, { worse: () => 1 }], '[1].bad', /undefined/],
    ['65 levels', nested(65, null), /^(\[0\]|\.in){64}$/.source, /deeper than 64/],
  ])('refuses %s and says where and why', (_, value, path, message) => {
    const error = refusal(value);
    expect(error).toBeInstanceOf(TypeError);
    expect(error.code).toBe('INVALID_VALUE');
    expect(error.message).toMatch(message);
    if (path.startsWith('^')) expect(error.path).toMatch(new RegExp(path));
    else expect(error.path).toBe(path);
  });

  it('refuses cycles, through objects and through lists', () => {
    const self: Record<string, unknown> = { fine: 1 };
    self.self = self;
    expect(refusal(self).message).toMatch(/at \.self contains itself/);
    const list: unknown[] = [];
    list.push({ list });
    expect(refusal({ list }).message).toMatch(/at \.list\[0\]\.list contains itself/);
  });

  it('accepts 64 levels, and the same object in two places', () => {
    const deep = nested(64, 1);
    expect(decodeValue(encodeValue(deep))).toStrictEqual(deep);
    const shared = { a: 1 };
    expect(decodeValue(encodeValue([shared, shared]))).toStrictEqual([{ a: 1 }, { a: 1 }]);
  });

  it('takes objects without prototype, of another realm, Buffers and subclasses of Date for what they hold', () => {
    const bare: Record<string, unknown> = Object.assign(Object.create(null), { a: 1 });
    expect(decodeValue(encodeValue(bare))).toStrictEqual({ a: 1 });
    const foreign: unknown = runInNewContext('({ a: [1, new Date(5), new Uint8Array([7])] })');
    expect(decodeValue(encodeValue(foreign))).toStrictEqual({ a: [1, new Date(5), Uint8Array.of(7)] });
    expect(decodeValue(encodeValue(Buffer.from([1, 2])))).toStrictEqual(Uint8Array.of(1, 2));
    class Day extends Date {}
    expect(decodeValue(encodeValue(new Day(5)))).toStrictEqual(new Date(5));
  });

  it('is not fooled by objects dressed up as others', () => {
    expect(refusal({ [Symbol.toStringTag]: 'Date', __proto__: new Point() }).message).toMatch(
      /instance of|invalid Date/,
    );
    expect(refusal(Object.create(Date.prototype)).message).toMatch(/invalid Date/);
    expect(decodeValue(encodeValue({ constructor: 'a', toString: 'b', hasOwnProperty: 'c' }))).toStrictEqual(
      Object.fromEntries([
        ['constructor', 'a'],
        ['toString', 'b'],
        ['hasOwnProperty', 'c'],
      ]),
    );
  });

  it('sees own enumerable properties with string names only', () => {
    const value = Object.defineProperty({ a: 1, [Symbol('s')]: 2 }, 'hidden', { value: 3, enumerable: false });
    expect(decodeValue(encodeValue(value))).toStrictEqual({ a: 1 });
    const polluted: Record<string, unknown> = Object.prototype as never;
    Object.defineProperty(polluted, 'smuggled', { value: 1, enumerable: true, configurable: true });
    const bytes = encodeValue({ a: 1 });
    delete polluted.smuggled;
    expect(decodeValue(bytes)).toStrictEqual({ a: 1 });
  });

  it('may be called by a getter of the value that it encodes', () => {
    const value = {
      before: 'x',
      get inner() {
        return encodeValue({ deep: 'y'.repeat(100) });
      },
      after: 'z',
    };
    expect(decodeValue(encodeValue(value))).toStrictEqual({ before: 'x', inner: value.inner, after: 'z' });
  });

  it('passes on what a getter throws, and works as before afterwards', () => {
    const value = {
      ok: 1,
      get bad(): never {
        throw new RangeError('mine');
      },
    };
    expect(() => encodeValue(value)).toThrow(RangeError);
    expect(encodeValue(1)).toEqual(Uint8Array.of(1));
  });

  it('hands out exact copies that later calls leave alone', () => {
    const first = encodeValue('a'.repeat(200));
    const copy = first.slice();
    encodeValue('b'.repeat(200));
    expect(first).toEqual(copy);
    expect(first.buffer.byteLength).toBe(202);
  });
});

describe('writeValue', () => {
  it('appends, and takes back what it wrote when it fails', () => {
    const writer = new ByteWriter(16);
    writeValue(writer, [1]);
    expect(() => writeValue(writer, ['x'.repeat(1000), undefined])).toThrow(ValueTypeError);
    writeValue(writer, 'a');
    expect([...writer.toBytes()]).toEqual([0x91, 1, 0xa1, 0x61]);
  });

  it('stops at the limit of the writer', () => {
    const writer = new ByteWriter(16, 64);
    expect(() => writeValue(writer, 'x'.repeat(100))).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
    expect(writer.length).toBe(0);
  });
});
