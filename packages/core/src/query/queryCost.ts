import { branchesOf } from './branchesOf.js';
import { canonicalQuery } from './canonicalQuery.js';
import { holdsOperators, isLogicalOperator } from './operators.js';
import type { Query, Where } from './Query.js';

/** What keeping a query open costs whoever answers it. */
export interface QueryCost {
  /** Tests that a record that changes goes through at worst. */
  readonly conditions: number;
  /** UTF-16 code units in canonical form. */
  readonly text: number;
  /** Rows that have to be known in order; 0 without a limit. */
  readonly windowRows: number;
}

/** Takes a checked query. */
export function queryCost(query: Query): QueryCost {
  return {
    conditions: Math.max(1, conditionsOf(query.where ?? {})),
    text: canonicalQuery(query).length,
    windowRows: query.limit === undefined ? 0 : query.limit + (query.offset ?? 0),
  };
}

function conditionsOf(where: Where): number {
  let count = 0;
  for (const name of Object.keys(where)) if (!isLogicalOperator(name)) count += operatorsOf(where[name]);
  for (const branch of branchesOf(where)) count += conditionsOf(branch);
  return count;
}

function operatorsOf(condition: unknown): number {
  if (!holdsOperators(condition)) return 1;
  let count = 0;
  for (const name of Object.keys(condition)) count += name === '$not' ? operatorsOf(condition[name]) : 1;
  return count;
}
