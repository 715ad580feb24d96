import { compileSort, type RowOrder } from './compileSort.js';
import { compileWhere, type RecordTest } from './compileWhere.js';
import { fieldsOf, fieldsOfWhere } from './fieldsOf.js';
import type { Query } from './Query.js';

/** A query made ready to run over many records. Stateless: one instance may serve any number of subscribers. */
export interface CompiledQuery extends RowOrder {
  readonly query: Query;
  /** Whether a record belongs to the result, window aside. With a false `filterNeedsValue` pass anything as value. */
  readonly matches: RecordTest;
  /** False: neither filter nor sort looks into values, so they need not be decoded. */
  readonly needsValue: boolean;
  /** False: `matches` looks at keys alone. A stream without a window needs no values then, whatever its sort. */
  readonly filterNeedsValue: boolean;
  /** Paths that filter and sort look at, without `_key`. */
  readonly fields: readonly string[];
}

/**
 * Compiles a query that `validateQuery` returned (or the `combineWhere` of such): what comes from outside is checked
 * there, not here.
 */
export function compileQuery(query: Query): CompiledQuery {
  const where = query.where ?? {};
  const matches = compileWhere(where);
  const fields = fieldsOf(query);
  return {
    query,
    matches,
    needsValue: fields.length > 0,
    filterNeedsValue: fieldsOfWhere(where).length > 0,
    fields,
    ...compileSort(query.sort ?? {}),
  };
}
