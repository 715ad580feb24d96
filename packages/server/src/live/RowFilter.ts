import {
  type CompiledQuery,
  canonicalQuery,
  combineWhere,
  compileQuery,
  pinnedKeys,
  type Query,
  queryCost,
  type Where,
} from '@topgunbuild/core';

/** Which rows of a map a stream may and wants to see: its query's condition within the restriction of its session. */
export interface RowFilter {
  /** Equal for filters that let the same rows through in the same order to equally trusted sessions. */
  readonly id: string;
  readonly compiled: CompiledQuery;
  /** Every row passes. */
  readonly isOpen: boolean;
  /** Rows outside must not show, not even by their keys. */
  readonly isRestricted: boolean;
  /** Tests that a row goes through at worst. */
  readonly conditions: number;
  /** The only keys that can pass, or null. */
  readonly keys: readonly string[] | null;
}

/** @throws TopGunError INVALID_QUERY */
export function rowFilter(query: Query, restriction: Where | null): RowFilter {
  const where = combineWhere(query.where, restriction ?? undefined);
  const isWindow = query.limit !== undefined;
  // Without a window the order of rows is the client's business.
  const effective: Query = isWindow ? { ...query, where } : { where };
  const isRestricted = restriction !== null && Object.keys(restriction).length > 0;
  return {
    id: `${isRestricted ? 'restricted' : 'open'} ${canonicalQuery(effective)}`,
    compiled: compileQuery(effective),
    isOpen: where === undefined || Object.keys(where).length === 0,
    isRestricted,
    conditions: queryCost(effective).conditions,
    keys: pinnedKeys(effective),
  };
}
