import { describe, expect, it } from 'vitest';
import { decodeValue } from './decodeValue.js';
import { encodeValue } from './encodeValue.js';
import { validateValue } from './validateValue.js';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

describe('decodeValue', () => {
  it.each([
    ['nothing', '', /too soon/],
    ['the unused token', 'c1', /0xc1/],
    ['bytes behind the value', '01 02', /1 bytes follow/],
    ['a text cut short', 'a3 61 62', /too soon/],
    ['4 GiB of text in five bytes', 'db ff ff ff ff', /too soon/],
    ['4 Gi items in five bytes', 'dd ff ff ff ff', /more items than there are bytes/],
    ['4 Gi fields in five bytes', 'df ff ff ff ff', /more fields than there are bytes/],
    ['a text that is not UTF-8', 'a2 c0 80', /not UTF-8/],
    ['a surrogate in a text', 'a3 ed a0 80', /not UTF-8/],
    ['a key that is not UTF-8', '81 a1 ff 01', /not UTF-8/],
    ['a number as key', '81 01 02', /key that is no text/],
    ['bytes as key', '81 c4 01 61 02', /key that is no text/],
    ['a key twice', '82 a1 61 01 a1 61 02', /same key twice/],
    ['a key twice, spelled in two ways', '82 a1 61 01 d9 01 61 02', /same key twice/],
    ['__proto__ twice', `82 ${'a9 5f5f70726f746f5f5f 01'.repeat(2)}`, /same key twice/],
    ['an extension of another application', 'd4 05 00', /extension type 5/],
    ['an extension of negative type', 'd4 80 00', /extension type -128/],
    ['a timestamp of wrong size', 'd5 ff 00 00', /timestamp/],
    ['a timestamp with a billion nanoseconds', 'd7 ff ee 6b 28 00 00 00 00 00', /timestamp/],
    ['a timestamp after the last Date', 'c7 0c ff 00000000 000007dba8218001', /timestamp/],
    ['a bigint without digits', 'd4 01 00', /bigint/],
    ['a bigint with a wrong sign', 'c7 0a 01 02 01 0000000000000000', /bigint/],
    ['a bigint with zeros in front', 'c7 0a 01 00 00 0000000000000001', /bigint/],
    ['a bigint that fits into 64 bits', 'c7 09 01 01 8000000000000000', /bigint/],
  ])('refuses %s', (_, hex, message) => {
    const bytes = bytesOf(hex);
    expect(() => decodeValue(bytes)).toThrow(message);
    expect(() => decodeValue(bytes)).toThrow(expect.objectContaining({ name: 'TopGunError', code: 'INVALID_VALUE' }));
    expect(validateValue(bytes)).toBe(false);
  });

  it('refuses 65 levels and accepts 64, of lists and of maps', () => {
    for (const opener of ['91', '81a0']) {
      expect(() => decodeValue(bytesOf(`${opener.repeat(64)}c0`))).not.toThrow();
      expect(() => decodeValue(bytesOf(`${opener.repeat(65)}c0`))).toThrow(/deeper than 64/);
    }
  });

  it('refuses a key twice at any distance and in maps of any size', () => {
    for (const size of [2, 10, 31, 32, 33, 40, 200]) {
      const names = Array.from({ length: size }, (_, i) => `k${1000 + i}`);
      for (const twin of [0, (size - 1) >> 1, size - 2]) {
        const keys = [...names.slice(0, -1), names[twin] ?? ''];
        const body = keys.map((key) => `a5${Buffer.from(key).toString('hex')}01`).join('');
        const bytes = bytesOf(`de${size.toString(16).padStart(4, '0')}${body}`);
        expect(() => decodeValue(bytes)).toThrow(/same key twice/);
        expect(validateValue(bytes)).toBe(false);
      }
    }
  });

  it('makes __proto__ and its like plain fields, and leaves every prototype alone', () => {
    const names = ['__proto__', '__proto_', 'constructor', 'toString', '__defineGetter__', 'valueOf', 'polluted'];
    const original = Object.fromEntries(names.map((name) => [name, { polluted: name }]));
    const decoded = decodeValue(encodeValue(original)) as Record<string, unknown>;
    expect(Object.keys(decoded)).toEqual(names);
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
    for (const name of names) {
      const field = Object.getOwnPropertyDescriptor(decoded, name);
      expect(field).toEqual({ value: { polluted: name }, writable: true, enumerable: true, configurable: true });
    }
    expect('polluted' in {}).toBe(false);
  });

  it('does not run setters that someone put on Object.prototype', () => {
    const polluted: Record<string, unknown> = Object.prototype as never;
    let calls = 0;
    Object.defineProperty(polluted, 'trapped_field', { set: () => calls++, configurable: true });
    try {
      const decoded = decodeValue(bytesOf(`81 ad ${Buffer.from('trapped_field').toString('hex')} 07`)) as object;
      expect(Object.getOwnPropertyDescriptor(decoded, 'trapped_field')?.value).toBe(7);
      expect(calls).toBe(0);
    } finally {
      delete polluted.trapped_field;
    }
  });

  it('shares no memory with its input, unless told to', () => {
    const input = Buffer.from(encodeValue({ small: Uint8Array.of(1, 2), large: new Uint8Array(500).fill(3) }));
    const copied = decodeValue(input) as Record<string, Uint8Array>;
    const viewed = decodeValue(input, 0, input.length, { copyBytes: false }) as Record<string, Uint8Array>;
    input.fill(9);
    expect(copied.small).toStrictEqual(Uint8Array.of(1, 2));
    expect(copied.large).toStrictEqual(new Uint8Array(500).fill(3));
    expect(viewed.small).toStrictEqual(Uint8Array.of(9, 9));
    expect(viewed.large).toStrictEqual(new Uint8Array(500).fill(9));
  });

  it('remembers keys by copies: an input that is overwritten afterwards changes nothing', () => {
    const input = Buffer.from(encodeValue({ keyThatIsRemembered: 1 }));
    decodeValue(input);
    input.fill(0x62, 2, 21);
    expect(decodeValue(encodeValue({ keyThatIsRemembered: 2 }))).toStrictEqual({ keyThatIsRemembered: 2 });
    expect(decodeValue(input)).toStrictEqual({ ['b'.repeat(19)]: 1 });
  });

  it('reads many floats, over a part of a larger buffer', () => {
    const floats = Array.from({ length: 50 }, (_, i) => i / 3);
    const bytes = encodeValue(floats);
    const frame = new Uint8Array(bytes.length + 30);
    frame.set(bytes, 17);
    expect(decodeValue(frame, 17, 17 + bytes.length)).toStrictEqual(floats);
    expect(decodeValue(frame.subarray(5), 12, 12 + bytes.length)).toStrictEqual(floats);
  });

  it('never reads beyond the given end', () => {
    expect(() => decodeValue(bytesOf('a2 61 62'), 0, 2)).toThrow(/too soon/);
    expect(() => decodeValue(bytesOf('a2 61'), 0, 3)).toThrow(/too soon/);
    expect(validateValue(bytesOf('a2 61'), 0, 3)).toBe(false);
  });
});

describe('validateValue', () => {
  it('takes a lower limit of depth, but no higher one', () => {
    expect(validateValue(bytesOf('91 91 01'), 0, 3, 2)).toBe(true);
    expect(validateValue(bytesOf('91 91 01'), 0, 3, 1)).toBe(false);
    const deep = bytesOf(`${'91'.repeat(65)}c0`);
    expect(validateValue(deep, 0, deep.length, 1000)).toBe(false);
  });
});
