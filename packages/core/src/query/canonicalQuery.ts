import { canonicalValue } from './canonicalValue.js';
import { compareStrings } from './compareValues.js';
import { holdsOperators } from './operators.js';
import type { Query, Where } from './Query.js';

/**
 * The identity of a checked query: equal strings mean the same result in the same order. The order of fields,
 * operators, branches and listed values makes no difference, nor whether an equality is written with `$eq`; the order
 * of sort fields does. Queries that say the same in other ways may differ.
 */
export function canonicalQuery(query: Query): string {
  const sort = Object.entries(query.sort ?? {}).map(([path, direction]) => `${JSON.stringify(path)}:${direction}`);
  const window = `${query.offset ?? 0}+${query.limit ?? ''}`;
  return `${writeWhere(query.where ?? {})} ${sort.join(',')} ${window}`;
}

function writeWhere(where: Where): string {
  return writeFields(Object.keys(where), (name) => writeClause(name, where[name]));
}

function writeClause(name: string, clause: unknown): string {
  if (name === '$not') return writeWhere(clause as Where);
  if (name === '$and' || name === '$or') return writeSet((clause as readonly Where[]).map(writeWhere));
  return writeCondition(clause);
}

function writeCondition(condition: unknown): string {
  if (!holdsOperators(condition)) return writeCondition({ $eq: condition });
  return writeFields(Object.keys(condition), (name) => {
    const operand = condition[name];
    if (name === '$not') return writeCondition(operand);
    if ((name === '$in' || name === '$nin') && Array.isArray(operand)) return writeSet(operand.map(canonicalValue));
    return canonicalValue(operand);
  });
}

function writeFields(names: readonly string[], write: (name: string) => string): string {
  return `{${[...names]
    .sort(compareStrings)
    .map((name) => `${JSON.stringify(name)}:${write(name)}`)
    .join(',')}}`;
}

function writeSet(items: readonly string[]): string {
  return `[${[...new Set(items)].sort(compareStrings).join(',')}]`;
}
