import { isFieldMap } from './fieldPath.js';

/** Operators on a field. */
export const FIELD_OPERATORS = [
  '$eq',
  '$ne',
  '$gt',
  '$gte',
  '$lt',
  '$lte',
  '$in',
  '$nin',
  '$exists',
  '$startsWith',
  '$contains',
  '$not',
] as const;

export type FieldOperator = (typeof FIELD_OPERATORS)[number];

/** Operators on whole conditions. */
export const LOGICAL_OPERATORS = ['$and', '$or', '$not'] as const;

export type LogicalOperator = (typeof LOGICAL_OPERATORS)[number];

export function isFieldOperator(name: string): name is FieldOperator {
  return (FIELD_OPERATORS as readonly string[]).includes(name);
}

export function isLogicalOperator(name: string): name is LogicalOperator {
  return (LOGICAL_OPERATORS as readonly string[]).includes(name);
}

/** True of `{ $gte: 3 }`; false of `3` and `{ a: 1 }`, which are values to equal. */
export function holdsOperators(condition: unknown): condition is Readonly<Record<string, unknown>> {
  return isFieldMap(condition) && Object.keys(condition).some((name) => name.startsWith('$'));
}
