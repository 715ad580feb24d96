import { describe, expect, it } from 'vitest';
import { encodeValue } from './encodeValue.js';
import { readField } from './readField.js';

const VALUE = {
  id: 7,
  'owner.id': 'dotted',
  owner: { id: 'u1', tags: ['a', 'b'], ключ: { x: null } },
  list: [{ id: 1 }],
  bytes: Uint8Array.of(1, 2),
};

function read(path: readonly string[], value: unknown = VALUE): unknown {
  // In the midst of other bytes, as in a frame.
  const bytes = encodeValue(value);
  const frame = Uint8Array.from([0xc1, ...bytes, 0xc1]);
  return readField(frame, 1, 1 + bytes.length, path);
}

describe('readField', () => {
  it.each<readonly [readonly string[], unknown]>([
    [[], VALUE],
    [['id'], 7],
    [['owner'], VALUE.owner],
    [['owner', 'id'], 'u1'],
    [['owner.id'], 'dotted'],
    [['owner', 'ключ', 'x'], null],
    [
      ['owner', 'tags'],
      ['a', 'b'],
    ],
    [['bytes'], Uint8Array.of(1, 2)],
    [['missing'], undefined],
    [['owner', 'missing', 'x'], undefined],
    [['id', 'x'], undefined],
    [['list', '0'], undefined],
    [['list', 'length'], undefined],
    [['own'], undefined],
    [['ownerx'], undefined],
    [['toString'], undefined],
    [['constructor', 'name'], undefined],
    [['__proto__'], undefined],
  ])('gives for %j what the map itself holds there', (path, expected) => {
    expect(read(path)).toStrictEqual(expected);
  });

  it('finds fields named like inherited ones where they are data', () => {
    const value = Object.fromEntries([['__proto__', { constructor: 1 }]]);
    expect(read(['__proto__', 'constructor'], value)).toBe(1);
  });

  it('finds the last of many fields', () => {
    const value = Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`field${i}`, i]));
    expect(read(['field69999'], value)).toBe(69_999);
  });

  it('gives undefined for a field of what is no map', () => {
    const list = new Array(20).fill('a');
    for (const value of [null, 'text', 5, [], list, new Date(0), 2n ** 70n]) {
      expect(read(['a'], value)).toBeUndefined();
    }
  });

  it('takes views of the input when asked to', () => {
    const bytes = encodeValue(VALUE);
    const field = readField(bytes, 0, bytes.length, ['bytes'], { copyBytes: false }) as Uint8Array;
    expect(field.buffer).toBe(bytes.buffer);
  });
});
