import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeValue } from '../value/decodeValue.js';
import { encodeValue } from '../value/encodeValue.js';
import { readField } from '../value/readField.js';
import { canonicalQuery } from './canonicalQuery.js';
import { combineWhere } from './combineWhere.js';
import { compareValues } from './compareValues.js';
import { compileQuery } from './compileQuery.js';
import { readPath, splitPath } from './fieldPath.js';
import { pinnedKeys } from './pinnedKeys.js';
import type { Query, Where } from './Query.js';
import { validateQuery, validateWhere } from './validateQuery.js';

/*
 * The matcher against a straight reading of the rules, on records and queries made of few names and values, so that
 * they often meet.
 */

type Fields = Readonly<Record<string, unknown>>;

const scalars: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -0, 1, 2, 1n, 2n, 1.5, Number.NaN, Number.POSITIVE_INFINITY),
  fc.constantFrom<unknown>('', 'a', 'ab', 'b', 'k1', '\u{1f600}', '\uffff', 2 ** 53, 2n ** 53n + 1n),
  fc.constantFrom<unknown>(new Date(0), new Date(1), Uint8Array.of(), Uint8Array.of(1)),
);
const names = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', '_key', 'length');
const { value: values } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    { weight: 3, arbitrary: scalars },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
    { weight: 2, arbitrary: fc.array(fc.tuple(names, tie('value')), { maxLength: 3 }).map(Object.fromEntries) },
  ),
}));
const records = fc.oneof(
  { weight: 9, arbitrary: fc.array(fc.tuple(names, values), { maxLength: 5 }).map(Object.fromEntries) },
  { weight: 1, arbitrary: values },
);
const keys = fc.constantFrom('', 'a', 'ab', 'b', 'k1');
const paths = fc.oneof(
  { weight: 4, arbitrary: names },
  { weight: 2, arbitrary: fc.tuple(names, names).map((segments) => segments.join('.')) },
  { weight: 2, arbitrary: fc.constant('_key') },
);

const { condition: conditions } = fc.letrec<{ condition: unknown }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3 },
    scalars,
    values,
    fc
      .record(
        {
          $eq: values,
          $ne: values,
          $gt: scalars,
          $gte: scalars,
          $lt: scalars,
          $lte: scalars,
          $in: fc.array(values, { maxLength: 4 }),
          $nin: fc.array(values, { maxLength: 4 }),
          $exists: fc.boolean(),
          $startsWith: fc.constantFrom('', 'a', 'k'),
          $contains: values,
          $not: tie('condition'),
        },
        { requiredKeys: [] },
      )
      .map((operators) => Object.fromEntries(Object.entries(operators).slice(-2))),
  ),
}));
const { where: wheres } = fc.letrec<{ where: unknown }>((tie) => {
  const clause = fc.oneof(
    { maxDepth: 3 },
    { weight: 5, arbitrary: fc.tuple(paths, conditions) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom('$and', '$or'), fc.array(tie('where'), { maxLength: 3 })) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('$not'), tie('where')) },
  );
  return { where: fc.array(clause, { maxLength: 3 }).map(Object.fromEntries) };
});
const sorts = fc
  .array(fc.tuple(paths, fc.constantFrom('asc', 'desc')), { maxLength: 3 })
  .map((fields) => Object.fromEntries(fields));

/** Says nothing without an array, a Date or bytes: those hold no fields. */
function isFields(value: unknown): value is Fields {
  return Object.prototype.toString.call(value) === '[object Object]';
}

function oracleEquals(a: unknown, b: unknown): boolean {
  if (typeof a === 'bigint' || typeof b === 'bigint') {
    const exact = (n: unknown) => (Number.isInteger(n) ? BigInt(n as number) : n);
    return exact(a) === exact(b);
  }
  if (isFields(a) && isFields(b)) {
    const all = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...all].every((name) => Object.hasOwn(a, name) && Object.hasOwn(b, name) && oracleEquals(a[name], b[name]));
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => oracleEquals(item, b[index]));
  }
  if (a instanceof Date && b instanceof Date) return a.toISOString() === b.toISOString();
  if (a instanceof Uint8Array && b instanceof Uint8Array) return a.join() === b.join();
  return Object.is(a, b) || (a === 0 && b === 0);
}

function oracleRange(field: unknown, bound: unknown, accept: readonly number[]): boolean {
  const kind = (value: unknown) =>
    value instanceof Date ? 'date' : typeof value === 'bigint' ? 'number' : value === null ? 'null' : typeof value;
  if (kind(field) !== kind(bound) || !['date', 'number', 'string', 'boolean'].includes(kind(field))) return false;
  if (Number.isNaN(field) || Number.isNaN(bound)) return false;
  return accept.includes(Math.sign(compareValues(field, bound)));
}

function oracleCondition(condition: unknown, field: unknown): boolean {
  if (!isFields(condition) || !Object.keys(condition).some((name) => name.startsWith('$'))) {
    return oracleEquals(field, condition);
  }
  return Object.entries(condition).every(([operator, operand]) => {
    const list: readonly unknown[] = Array.isArray(operand) ? operand : [];
    switch (operator) {
      case '$eq':
        return oracleEquals(field, operand);
      case '$ne':
        return !oracleEquals(field, operand);
      case '$gt':
        return oracleRange(field, operand, [1]);
      case '$gte':
        return oracleRange(field, operand, [0, 1]);
      case '$lt':
        return oracleRange(field, operand, [-1]);
      case '$lte':
        return oracleRange(field, operand, [-1, 0]);
      case '$in':
        return list.some((item) => oracleEquals(field, item));
      case '$nin':
        return !list.some((item) => oracleEquals(field, item));
      case '$exists':
        return (field !== undefined) === operand;
      case '$startsWith':
        return typeof field === 'string' && field.indexOf(String(operand)) === 0;
      case '$contains':
        if (typeof field === 'string') return typeof operand === 'string' && field.indexOf(operand) >= 0;
        return Array.isArray(field) && field.some((item) => oracleEquals(item, operand));
      case '$not':
        return !oracleCondition(operand, field);
      default:
        throw new Error(operator);
    }
  });
}

function oracleField(value: unknown, [name, ...rest]: readonly string[]): unknown {
  if (name === undefined) return value;
  if (!isFields(value)) return undefined;
  return oracleField(Object.entries(value).find(([own]) => own === name)?.[1], rest);
}

function oracleWhere(where: unknown, key: string, value: unknown): boolean {
  return Object.entries(where as Fields).every(([name, clause]) => {
    const branches: readonly unknown[] = Array.isArray(clause) ? clause : [];
    if (name === '$and') return branches.every((branch) => oracleWhere(branch, key, value));
    if (name === '$or') return branches.some((branch) => oracleWhere(branch, key, value));
    if (name === '$not') return !oracleWhere(clause, key, value);
    return oracleCondition(clause, name === '_key' ? key : oracleField(value, name.split('.')));
  });
}

const matches = (where: Where | undefined, key: string, value: unknown): boolean =>
  compileQuery({ where }).matches(key, value);

describe('a compiled query', () => {
  it('matches what a straight reading of the rules matches', () => {
    let hits = 0;
    let misses = 0;
    fc.assert(
      fc.property(wheres, fc.array(fc.tuple(keys, records), { minLength: 1, maxLength: 5 }), (where, rows) => {
        const compiled = compileQuery(validateQuery({ where }));
        for (const [key, value] of rows) {
          const expected = oracleWhere(where, key, value);
          if (expected) hits++;
          else misses++;
          expect(compiled.matches(key, value)).toBe(expected);
          if (!compiled.needsValue) expect(compiled.matches(key, undefined)).toBe(expected);
        }
      }),
      { numRuns: 5_000 },
    );
    expect(Math.min(hits, misses), 'the generated queries tell records apart').toBeGreaterThan(1_000);
  });

  it('looks only at the fields that it names', () => {
    fc.assert(
      fc.property(wheres, keys, records, (where, key, value) => {
        const { fields, matches: test } = compileQuery(validateQuery({ where }));
        const roots = new Set(fields.map((path) => path.split('.')[0]));
        const rest = isFields(value)
          ? Object.fromEntries(Object.entries(value).filter(([name]) => roots.has(name)))
          : undefined;
        expect(test(key, rest)).toBe(test(key, value));
      }),
      { numRuns: 2_000 },
    );
  });

  it('orders rows by field, direction, then key, and keeps that order in sort keys', () => {
    fc.assert(
      fc.property(sorts, keys, records, keys, records, (sort, aKey, a, bKey, b) => {
        const compiled = compileQuery(validateQuery({ sort }));
        let expected = aKey < bKey ? -1 : Number(aKey > bKey);
        for (const [path, direction] of Object.entries(sort).reverse()) {
          const field = (key: string, value: unknown) => (path === '_key' ? key : oracleField(value, path.split('.')));
          const order = compareValues(field(aKey, a), field(bKey, b));
          if (order !== 0) expected = direction === 'asc' ? order : -order;
        }
        const order = compiled.compare(aKey, a, bKey, b);
        expect(Math.sign(order)).toBe(Math.sign(expected));
        expect(compiled.compareSortKeys(aKey, compiled.sortKeyOf(aKey, a), bKey, compiled.sortKeyOf(bKey, b))).toBe(
          order,
        );
        expect(order === 0).toBe(aKey === bKey && order === 0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('means the same after a journey through bytes', () => {
    fc.assert(
      fc.property(wheres, sorts, keys, records, (where, sort, key, value) => {
        const query = validateQuery({ where, sort });
        const received = validateQuery(decodeValue(encodeValue(query)));
        expect(canonicalQuery(received)).toBe(canonicalQuery(query));
        expect(compileQuery(received).matches(key, decodeValue(encodeValue(value)))).toBe(
          compileQuery(query).matches(key, value),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('reads paths as they are read from encoded records', () => {
    fc.assert(
      fc.property(records, paths, (value, path) => {
        const bytes = encodeValue(value);
        const segments = splitPath(path);
        expect(compareValues(readField(bytes, 0, bytes.length, segments), readPath(value, segments))).toBe(0);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('combineWhere', () => {
  it('holds where both hold', () => {
    fc.assert(
      fc.property(wheres, wheres, keys, records, (a, b, key, value) => {
        const both = combineWhere(validateWhere(a), validateWhere(b));
        expect(matches(both, key, value)).toBe(oracleWhere(a, key, value) && oracleWhere(b, key, value));
      }),
    );
  });

  it('adds nothing to what holds always', () => {
    const where = { a: 1 };
    expect(combineWhere(undefined, undefined)).toBeUndefined();
    expect(combineWhere({}, undefined)).toBeUndefined();
    expect(combineWhere(where, undefined)).toBe(where);
    expect(combineWhere({}, where)).toBe(where);
    expect(combineWhere(where, { b: 2 })).toEqual({ $and: [{ a: 1 }, { b: 2 }] });
  });
});

describe('pinnedKeys', () => {
  const pinned = (where: unknown) => pinnedKeys(validateQuery({ where }));

  it('names every key that a matching record can have', () => {
    let pins = 0;
    fc.assert(
      fc.property(wheres, keys, records, (where, key, value) => {
        const allowed = pinned(where);
        if (allowed === null) return;
        pins++;
        if (oracleWhere(where, key, value)) expect(allowed).toContain(key);
      }),
      { numRuns: 5_000 },
    );
    expect(pins).toBeGreaterThan(500);
  });

  it.each<[unknown, readonly string[] | null]>([
    [{}, null],
    [{ a: 'k' }, null],
    [{ _key: 'k' }, ['k']],
    [{ _key: { $eq: 'k' } }, ['k']],
    [{ _key: { $in: ['b', 'a', 'b', 5] } }, ['a', 'b']],
    [{ _key: { $in: ['b', 'a'], $eq: 'a' } }, ['a']],
    [{ _key: 5 }, []],
    [{ _key: { $gte: 'a' } }, null],
    [{ _key: { $ne: 'a' } }, null],
    [{ _key: { $not: 'a' } }, null],
    [{ $not: { _key: 'a' } }, null],
    [{ _key: { $in: ['a', 'b'] }, $and: [{ x: 1 }, { _key: { $in: ['b', 'c'] } }] }, ['b']],
    [{ $or: [{ _key: 'b' }, { _key: 'a', x: 1 }] }, ['a', 'b']],
    [{ $or: [{ _key: 'b' }, { x: 1 }] }, null],
    [{ $or: [] }, []],
    [{ $or: [{ _key: 'b' }, { x: 1 }], _key: 'a' }, ['a']],
  ])('of %j are %j', (where, expected) => {
    expect(pinned(where)).toEqual(expected);
  });
});

describe('canonicalQuery', () => {
  const identity = (query: unknown): string => canonicalQuery(validateQuery(query));

  /** The same query with the properties of every object and the items of every `$and`, `$or`, `$in` reversed. */
  const reversed = (part: unknown): unknown => {
    if (!isFields(part)) return part;
    const entries = Object.entries(part).map(([name, inner]) => {
      const isSet = ['$and', '$or', '$in', '$nin'].includes(name) && Array.isArray(inner);
      return [name, isSet ? inner.map(reversed).reverse() : reversed(inner)] as const;
    });
    return Object.fromEntries(entries.reverse());
  };

  it('does not depend on the order in which conditions are written', () => {
    fc.assert(
      fc.property(wheres, (where) => {
        expect(identity({ where: reversed(where) })).toBe(identity({ where }));
      }),
    );
  });

  it('tells apart queries that match differently', () => {
    fc.assert(
      fc.property(wheres, wheres, keys, records, (a, b, key, value) => {
        if (oracleWhere(a, key, value) !== oracleWhere(b, key, value)) {
          expect(identity({ where: a })).not.toBe(identity({ where: b }));
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('is the same for spellings of one query', () => {
    const same: readonly (readonly [Query, Query])[] = [
      [{}, { where: {}, sort: {}, offset: 0 }],
      [{ where: { a: 1 } }, { where: { a: { $eq: 1n } } }],
      [{ where: { a: { $in: [1, 2, 1] } } }, { where: { a: { $in: [2, 1] } } }],
      [{ where: { a: { $not: 1 } } }, { where: { a: { $not: { $eq: 1 } } } }],
      [{ where: { a: { x: 1, y: -0 } } }, { where: { a: { y: 0, x: 1 } } }],
    ];
    for (const [a, b] of same) expect(identity(a)).toBe(identity(b));
  });

  it('differs with the order of sort fields, directions, window and kinds of values', () => {
    const different: readonly Query[] = [
      {},
      { sort: { a: 'asc', b: 'asc' } },
      { sort: { b: 'asc', a: 'asc' } },
      { sort: { a: 'asc', b: 'desc' } },
      { limit: 1 },
      { offset: 1 },
      { limit: 1, offset: 1 },
      { limit: 11 },
      { where: { a: 1 } },
      { where: { a: '1' } },
      { where: { a: '1:' } },
      { where: { a: [1] } },
      { where: { a: { $in: [1] } } },
      { where: { a: new Date(1) } },
      { where: { a: Uint8Array.of(1) } },
      { where: { a: null } },
      { where: { a: true } },
      { where: { a: { b: 1 } } },
      { where: { 'a.b': 1 } },
      { where: { $not: { a: 1 } } },
      { where: { a: { $not: 1 } } },
    ];
    expect(new Set(different.map(identity)).size).toBe(different.length);
  });
});
