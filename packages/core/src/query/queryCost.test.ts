import { expect, it } from 'vitest';
import { queryCost } from './queryCost.js';
import { validateQuery } from './validateQuery.js';

it.each([
  [{}, 1, 0],
  [{ where: {} }, 1, 0],
  [{ where: { a: 1, b: { $gt: 1, $lt: 2 }, c: { d: 1, e: 2 } } }, 4, 0],
  [
    { where: { $or: [{ a: 1 }, { $not: { a: { $not: { $in: [1, 2], $exists: true } } } }], $and: [{}, { b: 1 }] } },
    4,
    0,
  ],
  [{ limit: 10 }, 1, 10],
  [{ limit: 10, offset: 5, sort: { a: 'asc' } }, 1, 15],
])('%j has its conditions and the rows of its window counted', (query, conditions, windowRows) => {
  expect(queryCost(validateQuery(query))).toMatchObject({ conditions, windowRows });
});

it('counts the texts that are kept', () => {
  const { text } = queryCost(validateQuery({ where: { a: { $in: ['x'.repeat(5_000), 'y'.repeat(5_000)] } } }));
  expect(text).toBeGreaterThan(10_000);
});
