import { describe, expect, it } from 'vitest';
import { compileQuery } from './compileQuery.js';
import type { Query } from './Query.js';
import { validateQuery } from './validateQuery.js';

const compiled = (query: Query) => compileQuery(validateQuery(query));
const matches = (where: unknown, value: unknown, key = 'k'): boolean =>
  compileQuery(validateQuery({ where })).matches(key, value);

interface Row {
  readonly key: string;
  readonly value: unknown;
}

const sorted = (query: Query, rows: readonly Row[]): readonly string[] => {
  const { compare } = compiled(query);
  return [...rows].sort((a, b) => compare(a.key, a.value, b.key, b.value)).map((row) => row.key);
};

const inspect = (value: unknown): string =>
  JSON.stringify(value, (_name, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item));

const bytes = (...items: number[]): Uint8Array => Uint8Array.from(items);
const day = (n: number): Date => new Date(Date.UTC(2024, 0, n));

describe('a filter', () => {
  // where, a value that matches, a value that does not
  const table: readonly (readonly [unknown, unknown, unknown])[] = [
    [{ done: false }, { done: false }, { done: true }],
    [{ done: false }, { done: false, more: 1 }, {}],
    [
      { done: false, priority: 3 },
      { done: false, priority: 3 },
      { done: false, priority: 4 },
    ],
    [{ 'owner.id': 'u1' }, { owner: { id: 'u1' } }, { 'owner.id': 'u1' }],
    [{ 'a.b.c': 1 }, { a: { b: { c: 1 } } }, { a: { b: 1 } }],
    [{ 'a.': 1 }, { a: { '': 1 } }, { a: 1 }],
    [{ '': 1 }, { '': 1 }, {}],
    [{ owner: { id: 'u1' } }, { owner: { id: 'u1' } }, { owner: { id: 'u1', name: 'Ann' } }],
    [{ owner: {} }, { owner: {} }, { owner: { id: 'u1' } }],
    [{ tags: ['a', 'b'] }, { tags: ['a', 'b'] }, { tags: ['b', 'a'] }],
    [{ x: { $eq: { $ref: 1 } } }, { x: { $ref: 1 } }, { x: 1 }],
    [{ x: null }, { x: null }, {}],
    [{ x: { $ne: 1 } }, {}, { x: 1 }],
    [{ x: { $gt: 3 } }, { x: 4 }, { x: 3 }],
    [{ x: { $gte: 3 } }, { x: 3 }, { x: 2.9 }],
    [{ x: { $lt: 3 } }, { x: -1 }, { x: 3 }],
    [{ x: { $lte: 3 } }, { x: 3n }, { x: 4n }],
    [{ x: { $gt: 2 ** 53 } }, { x: 2n ** 53n + 1n }, { x: 2n ** 53n }],
    [{ x: { $gt: 3 } }, { x: Number.POSITIVE_INFINITY }, { x: '4' }],
    [{ x: { $gte: 1 } }, { x: 1 }, { x: true }],
    [{ x: { $gt: 'a' } }, { x: 'b' }, { x: 'B' }],
    [{ x: { $lt: '\uffff' } }, { x: '\u{1f600}' }, { x: '\uffff' }],
    [{ x: { $gt: day(1) } }, { x: day(2) }, { x: day(1) }],
    [{ x: { $gt: day(1) } }, { x: day(2) }, { x: day(2).getTime() }],
    [{ x: { $gt: false } }, { x: true }, { x: false }],
    [{ x: { $gte: 3, $lt: 5 } }, { x: 4 }, { x: 5 }],
    [{ x: { $in: [1, 'a', null] } }, { x: null }, {}],
    [{ x: { $in: [1, { y: [2n] }] } }, { x: { y: [2] } }, { x: { y: [3] } }],
    [{ x: { $in: [1, 2n ** 53n + 1n] } }, { x: 1n }, { x: 2 ** 53 }],
    [{ x: { $in: [2n ** 53n] } }, { x: 2 ** 53 }, { x: 2n ** 53n + 1n }],
    [{ x: { $in: [day(1), bytes(1)] } }, { x: bytes(1) }, { x: [1] }],
    [{ x: { $nin: [1, 2] } }, {}, { x: 2 }],
    [{ x: { $nin: [] } }, { x: 1 }, 'never'],
    [{ x: { $exists: true } }, { x: null }, {}],
    [{ x: { $exists: false } }, {}, { x: false }],
    [{ x: { $startsWith: 'ab' } }, { x: 'abc' }, { x: 'cab' }],
    [{ x: { $startsWith: 'a' } }, { x: 'a' }, { x: ['a'] }],
    [{ x: { $contains: 'b' } }, { x: 'abc' }, { x: 'ac' }],
    [{ x: { $contains: 'b' } }, { x: ['a', 'b'] }, { x: ['ab'] }],
    [{ x: { $contains: { id: 1 } } }, { x: [{ id: 1 }] }, { x: [{ id: 1, more: 2 }] }],
    [{ x: { $contains: 1 } }, { x: [1] }, { x: '1' }],
    [{ x: { $not: { $gte: 3 } } }, {}, { x: 3 }],
    [{ x: { $not: 3 } }, { x: 4 }, { x: 3 }],
    [{ x: { $not: { $not: { $gt: 3 } } } }, { x: 4 }, {}],
    [{ $or: [{ x: 1 }, { y: 2 }] }, { y: 2 }, { x: 2, y: 1 }],
    [
      { $and: [{ x: 1 }, { y: 2 }], z: 3 },
      { x: 1, y: 2, z: 3 },
      { x: 1, y: 2 },
    ],
    [{ $not: { x: 1, y: 2 } }, { x: 1 }, { x: 1, y: 2 }],
    [{ $and: [] }, {}, 'never'],
    [{}, null, 'never'],
    [{ x: Number.NaN }, { x: Number.NaN }, { x: 0 }],
    [{ x: 0 }, { x: -0 }, { x: Number.NaN }],
    [{ x: { $in: [Number.NaN, 0] } }, { x: -0 }, { x: 1 }],
    [{ x: day(1) }, { x: day(1) }, { x: day(2) }],
    [{ x: bytes(1, 2) }, { x: bytes(1, 2) }, { x: bytes(1, 2, 0) }],
  ];

  it.each(table.map(([where, taken, left]) => [inspect(where), where, taken, left] as const))(
    '%s takes and leaves what it should',
    (_text, where, taken, left) => {
      expect(matches(where, taken)).toBe(true);
      if (left !== 'never') expect(matches(where, left)).toBe(false);
    },
  );

  it('of nothing matches nothing', () => {
    for (const where of [{ $or: [] }, { x: { $in: [] } }]) expect(matches(where, { x: 1 })).toBe(false);
  });

  it('finds no fields in values that are not objects', () => {
    for (const value of ['text', 5, null, undefined, [1], day(1), bytes(1), () => 1]) {
      for (const path of ['length', '0', 'getTime', 'name', 'byteLength']) {
        expect(matches({ [path]: { $exists: true } }, value)).toBe(false);
      }
    }
    expect(matches({ 'tags.0': { $exists: true } }, { tags: ['a'] })).toBe(false);
    expect(matches({ 'tags.length': 1 }, { tags: ['a'] })).toBe(false);
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'a.__proto__', 'a.constructor.name'])(
    'sees %s only where a record holds it as data',
    (path) => {
      const where: unknown = JSON.parse(JSON.stringify({ [path]: { $exists: true } }));
      const held: unknown = path
        .split('.')
        .reduceRight<unknown>((inner, name) => JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(inner)}}`), 1);
      expect(matches(where, held)).toBe(true);
      expect(matches(where, { a: {} })).toBe(false);
      expect(matches(where, Object.create({ a: 1, [path]: 1 }))).toBe(false);
    },
  );

  it('keeps a condition whose path is __proto__', () => {
    const where: unknown = JSON.parse('{"__proto__":{"$gt":1}}');
    expect(matches(where, JSON.parse('{"__proto__":2}'))).toBe(true);
    expect(matches(where, JSON.parse('{"__proto__":1}'))).toBe(false);
    expect(matches(where, {})).toBe(false);
  });

  it('compares deeply with objects that hold __proto__', () => {
    const where: unknown = JSON.parse('{"x":{"__proto__":1}}');
    expect(matches(where, JSON.parse('{"x":{"__proto__":1}}'))).toBe(true);
    expect(matches(where, { x: {} })).toBe(false);
    expect(matches(JSON.parse('{"x":{"__proto__":{}}}'), { x: { y: 1 } })).toBe(false);
    expect(matches({ x: { y: 1 } }, JSON.parse('{"x":{"__proto__":{}}}'))).toBe(false);
  });

  it('has no range beside values without an order of their own', () => {
    for (const bound of [null, [1], { a: 1 }, bytes(1)]) {
      for (const operator of ['$gt', '$gte', '$lt', '$lte']) {
        for (const x of [null, [1], { a: 1 }, bytes(1), 0, 'a']) {
          expect(matches({ x: { [operator]: bound } }, { x })).toBe(false);
        }
      }
    }
  });

  it('finds NaN in no range', () => {
    for (const operator of ['$gt', '$gte', '$lt', '$lte']) {
      expect(matches({ x: { [operator]: Number.NaN } }, { x: Number.NaN })).toBe(false);
      expect(matches({ x: { [operator]: 1 } }, { x: Number.NaN })).toBe(false);
    }
  });

  it('applies to the key under _key, never to a field of that name', () => {
    expect(matches({ _key: 'k' }, { _key: 'other' }, 'k')).toBe(true);
    expect(matches({ _key: { $startsWith: 'user:' } }, {}, 'user:1')).toBe(true);
    expect(matches({ _key: { $gt: 'b' } }, { _key: 'c' }, 'a')).toBe(false);
  });
});

describe('a sort', () => {
  const rows: readonly Row[] = [
    { key: 'a', value: { p: 2, t: 'x' } },
    { key: 'b', value: { p: 1, t: 'y' } },
    { key: 'c', value: { p: 2, t: 'y' } },
    { key: 'd', value: {} },
    { key: 'e', value: { p: null } },
  ];

  it('puts missing before null before values, and the reverse when descending', () => {
    expect(sorted({ sort: { p: 'asc' } }, rows)).toEqual(['d', 'e', 'b', 'a', 'c']);
    expect(sorted({ sort: { p: 'desc' } }, rows)).toEqual(['a', 'c', 'b', 'e', 'd']);
  });

  it('weighs fields in their order and breaks ties by key, ascending in either direction', () => {
    expect(sorted({ sort: { p: 'asc', t: 'desc' } }, rows)).toEqual(['d', 'e', 'b', 'c', 'a']);
    expect(sorted({ sort: { t: 'desc', p: 'asc' } }, rows)).toEqual(['b', 'c', 'a', 'd', 'e']);
    expect(sorted({ sort: { nothing: 'desc' } }, [...rows].reverse())).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('may be by key, and is when there is none', () => {
    expect(sorted({ sort: { _key: 'desc' } }, rows)).toEqual(['e', 'd', 'c', 'b', 'a']);
    expect(sorted({}, [...rows].reverse())).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});

describe('a compiled query', () => {
  it('says whether it needs values, and which fields', () => {
    const looks = (query: Query) => {
      const { needsValue, filterNeedsValue, fields } = compiled(query);
      return { needsValue, filterNeedsValue, fields };
    };
    const keysOnly = { needsValue: false, filterNeedsValue: false, fields: [] };
    expect(looks({})).toEqual(keysOnly);
    expect(looks({ where: {}, sort: {} })).toEqual(keysOnly);
    expect(looks({ where: { $and: [{ _key: 'a' }, {}], $not: { _key: 'b' } }, sort: { _key: 'asc' } })).toEqual(
      keysOnly,
    );
    expect(looks({ sort: { b: 'asc' } })).toEqual({ needsValue: true, filterNeedsValue: false, fields: ['b'] });
    expect(
      looks({ where: { $or: [{ 'a.b': 1 }, { $not: { d: 1 } }], _key: 'k' }, sort: { b: 'asc', c: 'asc' } }),
    ).toEqual({
      needsValue: true,
      filterNeedsValue: true,
      fields: ['a.b', 'b', 'c', 'd'],
    });
  });

  it('refuses what was not checked', () => {
    for (const where of [
      { $nor: [] },
      { x: { $regex: 'a' } },
      { $and: 1 },
      { x: { $in: 1 } },
      { x: { $startsWith: 1 } },
    ]) {
      expect(() => compileQuery({ where: where as never })).toThrow('validateQuery');
    }
  });
});
