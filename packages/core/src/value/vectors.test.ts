import { describe, expect, it } from 'vitest';
import { decodeValue } from './decodeValue.js';
import { encodeValue } from './encodeValue.js';

/**
 * The encoding as a table, for implementers of other clients. Each value has these bytes, and these bytes this value.
 * The first block repeats examples of the MessagePack specification and its public test suite.
 */
const VECTORS: readonly (readonly [label: string, value: unknown, hex: string])[] = [
  ['the example of msgpack.org', { compact: true, schema: 0 }, '82a7636f6d70616374c3a6736368656d6100'],
  ['2018-01-02T03:04:05Z', new Date('2018-01-02T03:04:05Z'), 'd6ff5a4af6a5'],
  ['2106-02-07T06:28:16Z', new Date('2106-02-07T06:28:16Z'), 'd7ff0000000100000000'],
  ['2514-05-30T01:53:03.999Z', new Date('2514-05-30T01:53:03.999Z'), 'd7ffee2e1f03ffffffff'],
  ['2514-05-30T01:53:04Z', new Date('2514-05-30T01:53:04Z'), 'c70cff000000000000000400000000'],
  ['1969-12-31T23:59:59Z', new Date('1969-12-31T23:59:59Z'), 'c70cff00000000ffffffffffffffff'],

  ['null', null, 'c0'],
  ['false', false, 'c2'],
  ['true', true, 'c3'],
  ['0', 0, '00'],
  ['-0', -0, 'cb8000000000000000'],
  ['127', 127, '7f'],
  ['128', 128, 'cc80'],
  ['255', 255, 'ccff'],
  ['256', 256, 'cd0100'],
  ['65535', 65_535, 'cdffff'],
  ['65536', 65_536, 'ce00010000'],
  ['2^31', 2 ** 31, 'ce80000000'],
  ['2^32 - 1', 2 ** 32 - 1, 'ceffffffff'],
  ['2^32', 2 ** 32, 'cb41f0000000000000'],
  ['2^53 - 1', Number.MAX_SAFE_INTEGER, 'cb433fffffffffffff'],
  ['-1', -1, 'ff'],
  ['-32', -32, 'e0'],
  ['-33', -33, 'd0df'],
  ['-128', -128, 'd080'],
  ['-129', -129, 'd1ff7f'],
  ['-32768', -32_768, 'd18000'],
  ['-32769', -32_769, 'd2ffff7fff'],
  ['-2^31', -(2 ** 31), 'd280000000'],
  ['-2^31 - 1', -(2 ** 31) - 1, 'cbc1e0000000200000'],
  ['1.5', 1.5, 'cb3ff8000000000000'],
  ['NaN', Number.NaN, 'cb7ff8000000000000'],
  ['Infinity', Number.POSITIVE_INFINITY, 'cb7ff0000000000000'],
  ['-Infinity', Number.NEGATIVE_INFINITY, 'cbfff0000000000000'],
  ['the smallest number', Number.MIN_VALUE, 'cb0000000000000001'],

  ['0n', 0n, 'd30000000000000000'],
  ['-1n', -1n, 'd3ffffffffffffffff'],
  ['2^53 + 1', 2n ** 53n + 1n, 'd30020000000000001'],
  ['2^63 - 1', 2n ** 63n - 1n, 'd37fffffffffffffff'],
  ['2^63', 2n ** 63n, 'cf8000000000000000'],
  ['2^64 - 1', 2n ** 64n - 1n, 'cfffffffffffffffff'],
  ['2^64', 2n ** 64n, 'c70a0100010000000000000000'],
  ['-2^63', -(2n ** 63n), 'd38000000000000000'],
  ['-2^63 - 1', -(2n ** 63n) - 1n, 'c70901018000000000000001'],
  ['-2^64', -(2n ** 64n), 'c70a0101010000000000000000'],

  ['the empty text', '', 'a0'],
  ['a text beyond ASCII', 'é€😀', 'a9c3a9e282acf09f9880'],
  ['NUL', '\0', 'a100'],
  ['31 bytes', 'a'.repeat(31), `bf${'61'.repeat(31)}`],
  ['32 bytes', 'a'.repeat(32), `d920${'61'.repeat(32)}`],
  ['20 characters, 40 bytes', 'é'.repeat(20), `d928${'c3a9'.repeat(20)}`],
  ['255 bytes', 'a'.repeat(255), `d9ff${'61'.repeat(255)}`],
  ['256 bytes', 'a'.repeat(256), `da0100${'61'.repeat(256)}`],
  ['65536 bytes', 'a'.repeat(65_536), `db00010000${'61'.repeat(65_536)}`],

  ['no bytes', new Uint8Array(0), 'c400'],
  ['three bytes', Uint8Array.of(1, 2, 255), 'c4030102ff'],
  ['256 bytes', new Uint8Array(256), `c50100${'00'.repeat(256)}`],
  ['65536 bytes', new Uint8Array(65_536), `c600010000${'00'.repeat(65_536)}`],

  ['the epoch', new Date(0), 'd6ff00000000'],
  ['1 ms', new Date(1), 'd7ff003d090000000000'],
  ['1 ms before the epoch', new Date(-1), 'c70cff3b8b87c0ffffffffffffffff'],
  ['the last Date', new Date(8.64e15), 'c70cff00000000000007dba8218000'],
  ['the first Date', new Date(-8.64e15), 'c70cff00000000fffff82457de8000'],

  ['no items', [], '90'],
  ['nested items', [1, [2, [null]]], '92019202' + '91c0'],
  ['15 items', new Array(15).fill(0), `9f${'00'.repeat(15)}`],
  ['16 items', new Array(16).fill(0), `dc0010${'00'.repeat(16)}`],
  ['65536 items', new Array(65_536).fill(0), `dd00010000${'00'.repeat(65_536)}`],
  ['no fields', {}, '80'],
  ['16 fields', fields(16), `de0010${fieldsHex(16)}`],
  ['a field named __proto__', Object.fromEntries([['__proto__', 1]]), '81a95f5f70726f746f5f5f01'],
];

function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `k${i}`);
}

function fields(count: number): Record<string, null> {
  return Object.fromEntries(names(count).map((name) => [name, null]));
}

function fieldsHex(count: number): string {
  return names(count)
    .map((name) => `${(0xa0 + name.length).toString(16)}${Buffer.from(name).toString('hex')}c0`)
    .join('');
}

describe('the encoding', () => {
  it('of a NaN is the same, whatever bits it had', () => {
    const odd = new DataView(new ArrayBuffer(8));
    odd.setBigUint64(0, 0xfff8_0000_dead_beefn);
    expect(Buffer.from(encodeValue(odd.getFloat64(0))).toString('hex')).toBe('cb7ff8000000000000');
  });

  it.each(VECTORS)('of %s', (_, value, hex) => {
    expect(Buffer.from(encodeValue(value)).toString('hex')).toBe(hex);
    expect(decodeValue(Buffer.from(hex, 'hex'))).toStrictEqual(value);
  });

  it('of 65536 fields', () => {
    const many = fields(65_536);
    const bytes = encodeValue(many);
    expect(Buffer.from(bytes).toString('hex')).toBe(`df00010000${fieldsHex(65_536)}`);
    expect(decodeValue(bytes)).toStrictEqual(many);
  });

  it.each([
    ['float 32', 1.5, 'ca3fc00000'],
    ['uint 8', 5, 'cc05'],
    ['uint 16', 5, 'cd0005'],
    ['uint 32', 5, 'ce00000005'],
    ['uint 64, always a bigint', 5n, 'cf0000000000000005'],
    ['int 8', 5, 'd005'],
    ['int 16', 5, 'd10005'],
    ['int 32', 5, 'd200000005'],
    ['int 64, always a bigint', 5n, 'd30000000000000005'],
    ['str 8', 'a', 'd90161'],
    ['str 16', 'a', 'da000161'],
    ['str 32', 'a', 'db0000000161'],
    ['bin 32', Uint8Array.of(9), 'c60000000109'],
    ['array 32', [5], 'dd0000000105'],
    ['map 16 with a str 16 key', { a: 5 }, 'de0001da00016105'],
    ['map 32 with a str 32 key', { a: 5 }, 'df00000001db000000016105'],
    ['timestamp 64 with sub-millisecond digits', new Date(1), 'd7ff003d090400000000'],
    ['timestamp 96 in ext 16', new Date(0), 'c8000cff000000000000000000000000'],
  ])('may be wider than needed when it comes from others: %s', (_, value, hex) => {
    expect(decodeValue(Buffer.from(hex, 'hex'))).toStrictEqual(value);
  });
});
