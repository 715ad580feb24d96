import { describe, expect, it } from 'vitest';
import { TopGunError } from '../errors.js';
import { encodeValue } from '../value/encodeValue.js';
import { QUERY_LIMITS } from './queryLimits.js';
import { validateQuery, validateWhere } from './validateQuery.js';

function refusal(query: unknown): string {
  try {
    validateQuery(query);
  } catch (error) {
    if (error instanceof TopGunError && error.code === 'INVALID_QUERY') return error.message;
    throw error;
  }
  throw new Error('the query was accepted');
}

function nested(levels: number, wrap: (inner: unknown) => unknown, core: unknown): unknown {
  let value = core;
  for (let i = 0; i < levels; i++) value = wrap(value);
  return value;
}

const many = <T>(count: number, item: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => item(i));

describe('validateQuery', () => {
  it.each([
    [{}],
    [{ where: {} }],
    [{ where: { done: false, priority: { $gte: 3 }, 'owner.id': 'u1', $or: [{ a: 1 }, { b: { $in: [1n, null] } }] } }],
    [{ where: { at: new Date(5), bytes: Uint8Array.of(1), list: [1, [2]], x: { $not: { $exists: true } } } }],
    [{ where: { $and: [], $or: [], $not: {} }, sort: { a: 'asc', _key: 'desc' }, limit: 1, offset: 0 }],
    [{ sort: {}, limit: QUERY_LIMITS.limit, offset: QUERY_LIMITS.offset }],
  ])('accepts a sound query as it is (case %#)', (query) => {
    expect(validateQuery(query)).toEqual(query);
  });

  it('leaves out what is undefined', () => {
    expect(Object.keys(validateQuery({ where: undefined, sort: undefined, limit: undefined, offset: 2 }))).toEqual([
      'offset',
    ]);
  });

  it('returns a copy that later changes of the original do not reach', () => {
    const list = [{ a: 1 }];
    const bytes = Uint8Array.of(1);
    const at = new Date(1);
    const original = { where: { x: { $in: list }, bytes, at }, sort: { x: 'asc' } };
    const checked = validateQuery(original);
    list.push({ a: 2 });
    bytes[0] = 9;
    at.setTime(9);
    original.sort.x = 'desc';
    expect(checked).toEqual({
      where: { x: { $in: [{ a: 1 }] }, bytes: Uint8Array.of(1), at: new Date(1) },
      sort: { x: 'asc' },
    });
  });

  it('keeps __proto__ as data', () => {
    const text = '{"where":{"__proto__":{"__proto__":1},"a":{"$in":[{"__proto__":2}]}},"sort":{"__proto__":"asc"}}';
    expect(JSON.stringify(validateQuery(JSON.parse(text)))).toBe(text);
  });

  it.each([
    ['text', 'query: must be an object'],
    [null, 'query: must be an object'],
    [[], 'query: must be an object'],
    [{ filter: {} }, 'query: unknown property "filter"; a query has where'],
    [{ where: [] }, 'where: must be a plain object'],
    [{ where: null }, 'where: must be a plain object'],
    [{ where: new Map() }, 'where: must be a plain object'],
    [{ where: { __proto__: { a: 1 } } }, 'where: must be a plain object'],
    [{ where: { $nor: [] } }, 'where.$nor: unknown operator; use $and'],
    [{ where: { $gt: 3 } }, 'where.$gt: belongs on a field'],
    [{ where: { $and: {} } }, 'where.$and: must be an array'],
    [{ where: { $or: [{ a: 1 }, 2] } }, 'where.$or[1]: must be a plain object'],
    [{ where: { $not: [] } }, 'where.$not: must be a plain object'],
    [{ where: { a: undefined } }, 'where.a: the value is undefined'],
    [{ where: { a: { $gt: undefined } } }, 'where.a.$gt: the value is undefined'],
    [{ where: { a: { $regex: 'x' } } }, 'where.a.$regex: unknown operator; use one of $eq'],
    [{ where: { a: { $or: [] } } }, 'where.a.$or: belongs around whole conditions'],
    [{ where: { a: { $gt: 1, b: 2 } } }, 'where.a: mixes operators and fields'],
    [{ where: { a: { $in: 'xyz' } } }, 'where.a.$in: takes an array'],
    [{ where: { a: { $in: [1, () => 1] } } }, 'where.a.$in[1]: a function cannot be compared with'],
    [{ where: { a: { $exists: 1 } } }, 'where.a.$exists: takes true or false'],
    [{ where: { a: { $startsWith: 1 } } }, 'where.a.$startsWith: takes a string'],
    [{ where: { a: { $eq: { b: [Symbol('s')] } } } }, 'where.a.$eq.b[0]: a symbol cannot be compared with'],
    [{ where: { a: new Set() } }, 'where.a: not a plain object'],
    [{ where: { a: new Date(Number.NaN) } }, 'where.a: the Date is invalid'],
    [{ where: { a: '\ud800' } }, 'where.a: the string is not valid Unicode'],
    [{ where: { '\ud800': 1 } }, 'where["\\ud800"]: the path is not valid Unicode'],
    [{ where: { a: { '\ud800': 1 } } }, 'where.a["\\ud800"]: the name is not valid Unicode'],
    [{ where: { 'line\nbreak': { $x: 1 } } }, 'where["line\\nbreak"].$x: unknown operator'],
    [{ sort: 'a' }, 'sort: must be an object'],
    [{ sort: { a: 1 } }, "sort.a: must be 'asc' or 'desc'"],
    [{ sort: { $gt: 'asc' } }, 'sort.$gt: a sort names fields'],
    [{ limit: 0 }, 'limit: must be a whole number from 1 to 10000'],
    [{ limit: 10_001 }, 'limit: must be'],
    [{ limit: 1.5 }, 'limit: must be'],
    [{ limit: Number.NaN }, 'limit: must be'],
    [{ limit: '5' }, 'limit: must be'],
    [{ limit: 5n }, 'limit: must be'],
    [{ limit: null }, 'limit: must be'],
    [{ offset: -1 }, 'offset: must be a whole number from 0 to 100000'],
    [{ offset: 100_001 }, 'offset: must be'],
  ])('refuses a query with the place and what to do (case %#)', (query, message) => {
    expect(refusal(query)).toContain(message);
  });

  it('names paths that come from outside in short', () => {
    expect(refusal({ where: { ['x'.repeat(1_000)]: { $x: 1 } } }).length).toBeLessThan(300);
    expect(refusal({ ['x'.repeat(100_000)]: 1 }).length).toBeLessThan(300);
  });
});

describe('the limits of a query', () => {
  const { depth, conditions, listedValues, pathLength, pathSegments, sortFields } = QUERY_LIMITS;

  it('allow conditions so many levels deep and no deeper', () => {
    const shapes: readonly ((inner: unknown) => unknown)[] = [
      (inner) => ({ $and: [inner] }),
      (inner) => ({ $or: [{ a: 1 }, inner] }),
      (inner) => ({ $not: inner }),
    ];
    for (const wrap of shapes) {
      validateWhere(nested(depth - 1, wrap, { a: 1 }));
      expect(refusal({ where: nested(depth, wrap, { a: 1 }) })).toContain(`more than ${depth} levels`);
    }
    const negated = (levels: number) => ({ a: nested(levels, (inner) => ({ $not: inner }), 1) });
    validateWhere(negated(depth - 1));
    expect(refusal({ where: negated(depth) })).toContain(`more than ${depth} levels`);
  });

  it('allow compared values so many levels deep and no deeper, cycles included', () => {
    for (const wrap of [(inner: unknown) => [inner], (inner: unknown) => ({ a: inner })]) {
      validateWhere({ x: { $in: [nested(depth, wrap, 1)] } });
      expect(refusal({ where: { x: nested(depth + 1, wrap, 1) } })).toContain(`more than ${depth} levels`);
    }
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(refusal({ where: { x: cycle } })).toContain(`more than ${depth} levels`);
  });

  it('hold against nesting that would exhaust the stack', () => {
    for (const wrap of [
      (inner: unknown) => ({ $and: [inner] }),
      (inner: unknown) => ({ $not: inner }),
      (inner: unknown) => ({ x: { $not: inner } }),
      (inner: unknown) => ({ x: inner }),
      (inner: unknown) => [inner],
    ]) {
      expect(refusal({ where: { x: nested(200_000, wrap, {}) } })).toMatch(/nested|belongs around/);
      expect(refusal({ where: nested(200_000, wrap, {}) })).toMatch(/nested|plain object|operator/);
    }
  });

  it('allow so many conditions in total, empty ones included', () => {
    const wheres: readonly ((count: number) => unknown)[] = [
      (count) => Object.fromEntries(many(count, (i) => [`f${i}`, i])),
      (count) => ({ $or: many(count, (i) => ({ a: { $gt: i } })) }),
      (count) => ({ $and: many(count, () => ({})) }),
      (count) => ({ $and: many(count, () => ({ $or: [] })) }),
      (count) => ({ $and: many(count / 2, () => ({ a: { $not: { $gt: 1, $lt: 3 } } })) }),
    ];
    for (const where of wheres) {
      validateWhere(where(conditions));
      expect(refusal({ where: where(conditions + 2) })).toContain(`more than ${conditions} conditions`);
    }
  });

  it('bound lists, paths and sort fields', () => {
    for (const operator of ['$in', '$nin']) {
      validateWhere({ a: { [operator]: many(listedValues, (i) => i) } });
      expect(refusal({ where: { a: { [operator]: many(listedValues + 1, (i) => i) } } })).toContain('1001 values');
    }
    const byPath = (path: string): readonly unknown[] => [{ where: { [path]: 1 } }, { sort: { [path]: 'asc' } }];
    for (const query of byPath('x'.repeat(pathLength))) validateQuery(query);
    for (const query of byPath('x'.repeat(pathLength + 1))) expect(refusal(query)).toContain('longer than');
    for (const query of byPath(many(pathSegments, () => 'a').join('.'))) validateQuery(query);
    for (const query of byPath('.'.repeat(pathSegments))) expect(refusal(query)).toContain('segments');
    const sort = (count: number) => ({ sort: Object.fromEntries(many(count, (i) => [`f${i}`, 'asc'])) });
    validateQuery(sort(sortFields));
    expect(refusal(sort(sortFields + 1))).toContain('at most 8');
  });

  it('leave every accepted query encodable as one field of a message', () => {
    const operand = nested(depth, (inner) => [inner], 1);
    const where = nested(depth - 1, (inner) => ({ $and: [inner] }), { x: { $in: [operand] } });
    expect(() => encodeValue(['QUERY_SUB', validateQuery({ where })])).not.toThrow();
  });
});
