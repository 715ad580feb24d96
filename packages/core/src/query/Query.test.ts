import { describe, expect, it } from 'vitest';
import type { Query, Where } from './Query.js';
import { validateQuery } from './validateQuery.js';

interface Todo {
  readonly done: boolean;
  readonly priority: number;
  readonly title: string;
  readonly tags?: readonly string[];
  readonly owner: { readonly id: string };
  readonly due: Date | null;
}

/** Compiles only while the type accepts it. */
const accepted: readonly Query<Todo>[] = [
  {},
  {
    where: {
      done: false,
      priority: { $gte: 3 },
      'owner.id': 'u1',
      $or: [{ title: { $startsWith: 'a' } }, { free: 1 }],
    },
  },
  {
    where: {
      priority: { $in: [1, 2n] },
      tags: { $contains: 'x' },
      owner: { id: 'u1' },
      due: null,
      title: { $ne: null },
    },
  },
  { where: { _key: { $in: ['a'] }, $not: { done: true }, $and: [{ due: { $lt: new Date(0) } }], due: { $not: null } } },
  { sort: { priority: 'desc', 'owner.id': 'asc', _key: 'asc' }, limit: 10, offset: 5 },
  { where: undefined, sort: undefined, limit: undefined, offset: undefined },
];

const refused: readonly Query<Todo>[] = [
  // @ts-expect-error a boolean is not compared with a string
  { where: { done: 'no' } },
  // @ts-expect-error nor a number
  { where: { $or: [{ priority: { $gte: '3' } }] } },
  // @ts-expect-error keys are strings
  { where: { _key: 5 } },
  // @ts-expect-error a direction
  { sort: { priority: 1 } },
  // @ts-expect-error a list of values
  { where: { title: { $in: 'abc' } } },
];

describe('the type Query', () => {
  it('hints and checks known fields, and lets any path pass', () => {
    for (const query of accepted) expect(() => validateQuery(query)).not.toThrow();
    expect(refused).toHaveLength(5);
  });

  it('of a record type is a query of any record', () => {
    const untyped: readonly Query[] = accepted;
    const where: Where<Record<string, number>> = { anything: { $gt: 1 }, $or: [{ b: 2 }] };
    const widened: Where = where;
    expect([untyped.length, Object.keys(widened)]).toEqual([accepted.length, ['anything', '$or']]);
  });
});
