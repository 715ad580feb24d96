import type { Where } from './Query.js';

/** The conditions that `where` is put together from by `$and`, `$or` and `$not`. */
export function* branchesOf(where: Where): Iterable<Where> {
  yield* where.$and ?? [];
  yield* where.$or ?? [];
  if (where.$not !== undefined) yield where.$not;
}
