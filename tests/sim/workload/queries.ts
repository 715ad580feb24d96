import type { Query } from '@topgunbuild/core';
import type { Random } from '../kernel/Random.js';

/** Values of the maps `items` and `docs`. */
export interface Item {
  readonly id: string;
  readonly n: number;
  readonly owner: string;
}

export interface QueryShape {
  readonly query: Query;
  /** The same, said once more and independently of the product. */
  readonly matches: (key: string, item: Item) => boolean;
  readonly compare: (a: [string, Item], b: [string, Item]) => number;
}

const byKey = (a: [string, Item], b: [string, Item]): number => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0);
const all = (): boolean => true;

export function drawQuery(random: Random, keys: readonly string[]): QueryShape {
  const bound = random.int(10);
  switch (random.int(7)) {
    case 0:
      return { query: { where: { n: { $gte: bound } } }, matches: (_, item) => item.n >= bound, compare: byKey };
    case 1:
      return {
        query: { where: { n: { $lt: bound } }, sort: { n: 'desc' } },
        matches: (_, item) => item.n < bound,
        compare: (a, b) => b[1].n - a[1].n || byKey(a, b),
      };
    case 2:
      return {
        query: { sort: { n: 'asc' }, limit: 1 + random.int(3) },
        matches: all,
        compare: (a, b) => a[1].n - b[1].n || byKey(a, b),
      };
    case 3:
      return {
        query: { where: { n: { $ne: bound } }, sort: { n: 'desc' }, limit: 2, offset: 1 },
        matches: (_, item) => item.n !== bound,
        compare: (a, b) => b[1].n - a[1].n || byKey(a, b),
      };
    case 4: {
      const some = keys.filter(() => random.chance(0.5));
      return { query: { where: { _key: { $in: some } } }, matches: (key) => some.includes(key), compare: byKey };
    }
    case 5:
      return {
        query: { where: { $or: [{ n: bound }, { n: { $gt: 7 } }] }, limit: 4 },
        matches: (_, item) => item.n === bound || item.n > 7,
        compare: byKey,
      };
    default: {
      const key = random.pick(keys);
      return { query: { where: { _key: key } }, matches: (other) => other === key, compare: byKey };
    }
  }
}

/** The rows of `shape` among `items`. */
export function evaluate(shape: QueryShape, items: ReadonlyMap<string, Item>): [string, Item][] {
  const { offset = 0, limit } = shape.query;
  const rows = [...items].filter(([key, item]) => shape.matches(key, item)).sort(shape.compare);
  return rows.slice(offset, limit === undefined ? undefined : offset + limit);
}
