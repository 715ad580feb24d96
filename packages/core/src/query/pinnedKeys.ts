import { compareStrings } from './compareValues.js';
import { holdsOperators } from './operators.js';
import { KEY_FIELD, type Query, type Where } from './Query.js';

/**
 * The only keys that a matching record can have, in order, or null when the query does not say: a query that pins its
 * keys concerns their partitions alone. `_key` pins by equality and `$in`; `$and` intersects, an `$or` whose branches
 * all pin unites. Empty: nothing can match.
 */
export function pinnedKeys(query: Query): readonly string[] | null {
  const pinned = pinnedByWhere(query.where ?? {});
  return pinned === null ? null : [...pinned].sort(compareStrings);
}

/** Keys that may match; null = any. */
type Pinned = ReadonlySet<string> | null;

function pinnedByWhere(where: Where): Pinned {
  let pinned: Pinned = Object.hasOwn(where, KEY_FIELD) ? pinnedByCondition(where[KEY_FIELD]) : null;
  for (const branch of where.$and ?? []) pinned = intersection(pinned, pinnedByWhere(branch));
  if (where.$or !== undefined) pinned = intersection(pinned, union(where.$or.map(pinnedByWhere)));
  return pinned;
}

function pinnedByCondition(condition: unknown): Pinned {
  if (!holdsOperators(condition)) return keysAmong([condition]);
  let pinned: Pinned = null;
  if (Object.hasOwn(condition, '$eq')) pinned = keysAmong([condition.$eq]);
  if (Array.isArray(condition.$in)) pinned = intersection(pinned, keysAmong(condition.$in));
  return pinned;
}

/** Keys are strings: no other value can equal one. */
function keysAmong(values: readonly unknown[]): ReadonlySet<string> {
  return new Set(values.filter((value) => typeof value === 'string'));
}

function intersection(a: Pinned, b: Pinned): Pinned {
  if (a === null) return b;
  if (b === null) return a;
  return new Set([...a].filter((key) => b.has(key)));
}

function union(branches: readonly Pinned[]): Pinned {
  const keys = new Set<string>();
  for (const branch of branches) {
    if (branch === null) return null;
    for (const key of branch) keys.add(key);
  }
  return keys;
}
