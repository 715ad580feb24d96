import { TopGunError } from '../errors.js';
import { dateMs, isDate } from '../value/kinds.js';
import { containsText } from './containsText.js';
import { readOwn, readPath, splitPath } from './fieldPath.js';
import { membership } from './membership.js';
import { holdsOperators, isFieldOperator, isLogicalOperator } from './operators.js';
import { KEY_FIELD, type Where } from './Query.js';
import { valueEquals } from './valueEquals.js';

export type RecordTest = (key: string, value: unknown) => boolean;

/** Tests one field; undefined = missing. */
type FieldTest = (field: unknown) => boolean;

/** Turns a checked `where` into one predicate, built once; testing a record then allocates nothing. */
export function compileWhere(where: Where): RecordTest {
  return allRecords(Object.keys(where).map((name) => compileClause(name, where[name])));
}

function compileClause(name: string, clause: unknown): RecordTest {
  if (isLogicalOperator(name)) {
    if (name === '$not') {
      const test = compileWhere(asWhere(clause));
      return (key, value) => !test(key, value);
    }
    const branches = asList(clause).map((branch) => compileWhere(asWhere(branch)));
    return name === '$and' ? allRecords(branches) : anyRecord(branches);
  }
  if (name.startsWith('$')) throw unchecked();
  return onField(name, compileCondition(clause));
}

function onField(path: string, test: FieldTest): RecordTest {
  if (path === KEY_FIELD) return (key) => test(key);
  const segments = splitPath(path);
  if (segments.length === 1) return (_key, value) => test(readOwn(value, path));
  return (_key, value) => test(readPath(value, segments));
}

function compileCondition(condition: unknown): FieldTest {
  if (!holdsOperators(condition)) return equalTo(condition);
  return allFields(Object.keys(condition).map((name) => compileOperator(name, condition[name])));
}

function compileOperator(name: string, operand: unknown): FieldTest {
  if (!isFieldOperator(name)) throw unchecked();
  switch (name) {
    case '$eq':
      return equalTo(operand);
    case '$ne':
      return not(equalTo(operand));
    case '$gt':
      return ranged(operand, (field, bound) => field > bound);
    case '$gte':
      return ranged(operand, (field, bound) => field >= bound);
    case '$lt':
      return ranged(operand, (field, bound) => field < bound);
    case '$lte':
      return ranged(operand, (field, bound) => field <= bound);
    case '$in':
      return membership(asList(operand));
    case '$nin':
      return not(membership(asList(operand)));
    case '$exists':
      return operand === true ? (field) => field !== undefined : (field) => field === undefined;
    case '$startsWith':
      return startingWith(operand);
    case '$contains':
      return containing(operand);
    case '$not':
      return not(compileCondition(operand));
    default:
      throw unchecked(name);
  }
}

function equalTo(operand: unknown): FieldTest {
  if (typeof operand === 'string' || typeof operand === 'boolean' || operand === null) {
    return (field) => field === operand;
  }
  return (field) => valueEquals(field, operand);
}

/**
 * A range holds only within one kind: numbers and bigints, strings by UTF-16 code units, dates, booleans. The
 * operators of the language decide, and so NaN and invalid dates are in no range.
 */
function ranged(
  operand: unknown,
  within: (field: string | number | bigint | boolean, bound: string | number | bigint | boolean) => boolean,
): FieldTest {
  switch (typeof operand) {
    case 'string':
      return (field) => typeof field === 'string' && within(field, operand);
    case 'boolean':
      return (field) => typeof field === 'boolean' && within(field, operand);
    case 'number':
    case 'bigint':
      return (field) => (typeof field === 'number' || typeof field === 'bigint') && within(field, operand);
    default: {
      if (!isDateValue(operand)) return never;
      const bound = dateMs(operand);
      return (field) => isDateValue(field) && within(dateMs(field), bound);
    }
  }
}

function isDateValue(value: unknown): value is object {
  return typeof value === 'object' && value !== null && isDate(value);
}

function startingWith(operand: unknown): FieldTest {
  if (typeof operand !== 'string') throw unchecked();
  return (field) => typeof field === 'string' && field.startsWith(operand);
}

function containing(operand: unknown): FieldTest {
  const isElement = equalTo(operand);
  const isPart = typeof operand === 'string' ? containsText(operand) : null;
  return (field) => {
    if (Array.isArray(field)) {
      for (const element of field) {
        if (isElement(element)) return true;
      }
      return false;
    }
    return isPart !== null && typeof field === 'string' && isPart(field);
  };
}

function allFields(tests: readonly FieldTest[]): FieldTest {
  const [first, ...others] = tests;
  if (first === undefined) return always;
  if (others.length === 0) return first;
  return (field) => {
    for (const test of tests) {
      if (!test(field)) return false;
    }
    return true;
  };
}

function allRecords(tests: readonly RecordTest[]): RecordTest {
  const [first, ...others] = tests;
  if (first === undefined) return always;
  if (others.length === 0) return first;
  return (key, value) => {
    for (const test of tests) {
      if (!test(key, value)) return false;
    }
    return true;
  };
}

function anyRecord(tests: readonly RecordTest[]): RecordTest {
  const [first, ...others] = tests;
  if (first === undefined) return never;
  if (others.length === 0) return first;
  return (key, value) => {
    for (const test of tests) {
      if (test(key, value)) return true;
    }
    return false;
  };
}

function not(test: FieldTest): FieldTest {
  return (field) => !test(field);
}

function always(): boolean {
  return true;
}

function never(): boolean {
  return false;
}

function asWhere(clause: unknown): Where {
  if (typeof clause !== 'object' || clause === null) throw unchecked();
  return clause as Where;
}

function asList(operand: unknown): readonly unknown[] {
  if (!Array.isArray(operand)) throw unchecked();
  return operand;
}

function unchecked(_exhausted?: never): TopGunError {
  return new TopGunError('INVALID_QUERY', 'the query was not checked; pass it through validateQuery first');
}
