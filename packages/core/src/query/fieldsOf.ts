import { branchesOf } from './branchesOf.js';
import { isLogicalOperator } from './operators.js';
import { KEY_FIELD, type Query, type Where } from './Query.js';

/** The paths of values that a checked `where` looks at, without `_key`, each once and in order. */
export function fieldsOfWhere(where: Where): readonly string[] {
  const paths = new Set<string>();
  collect(where, paths);
  return inOrder(paths);
}

/** The paths of values that filtering and sorting look at, without `_key`, each once and in order. */
export function fieldsOf(query: Query): readonly string[] {
  const paths = new Set<string>(Object.keys(query.sort ?? {}));
  collect(query.where ?? {}, paths);
  return inOrder(paths);
}

function collect(where: Where, paths: Set<string>): void {
  for (const name of Object.keys(where)) {
    if (!isLogicalOperator(name)) paths.add(name);
  }
  for (const branch of branchesOf(where)) collect(branch, paths);
}

function inOrder(paths: Set<string>): readonly string[] {
  paths.delete(KEY_FIELD);
  return [...paths].sort();
}
