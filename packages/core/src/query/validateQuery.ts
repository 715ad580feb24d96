import { isWellFormed } from '../wire/utf8.js';
import { checkOperand, setOwn } from './checkOperand.js';
import { isFieldMap } from './fieldPath.js';
import { FIELD_OPERATORS, isFieldOperator, isLogicalOperator, LOGICAL_OPERATORS } from './operators.js';
import type { Direction, Query, Sort, Where } from './Query.js';
import { QUERY_LIMITS } from './queryLimits.js';
import { invalidQuery, quoted, type Trail } from './Trail.js';

const QUERY_PROPERTIES = ['where', 'sort', 'limit', 'offset'];

/**
 * Checks a query that comes from an app or from a peer, and returns a copy that later changes of the original do not
 * reach. Throws INVALID_QUERY with the place and what to do. Never recurses deeper than QUERY_LIMITS allow.
 *
 * Only plain objects pass: the literal `{ __proto__: { a: 1 } }` sets a prototype and leaves the object empty, and a
 * condition lost in this way would match everything.
 */
export function validateQuery(query: unknown): Query {
  const root: Trail = { up: null, step: 'query' };
  if (!isFieldMap(query)) throw invalidQuery(root, 'must be an object like { where: { done: false }, limit: 10 }');
  for (const name of Object.keys(query)) {
    if (!QUERY_PROPERTIES.includes(name)) {
      throw invalidQuery(root, `unknown property ${quoted(name)}; a query has ${QUERY_PROPERTIES.join(', ')}`);
    }
  }
  const checked: { -readonly [P in keyof Query]: Query[P] } = {};
  if (query.where !== undefined) checked.where = validateWhere(query.where);
  if (query.sort !== undefined) checked.sort = checkSort(query.sort, { up: null, step: 'sort' });
  if (query.limit !== undefined) {
    checked.limit = checkCount(query.limit, 1, QUERY_LIMITS.limit, { up: null, step: 'limit' });
  }
  if (query.offset !== undefined) {
    checked.offset = checkCount(query.offset, 0, QUERY_LIMITS.offset, { up: null, step: 'offset' });
  }
  return checked;
}

/** Checks and copies the `where` of a query or of a permission rule. Throws INVALID_QUERY. */
export function validateWhere(where: unknown): Where {
  return checkWhere(where, { up: null, step: 'where' }, 1, { conditions: 0 });
}

interface Budget {
  conditions: number;
}

function checkWhere(where: unknown, trail: Trail, level: number, budget: Budget): Where {
  checkLevel(level, trail);
  if (!isFieldMap(where)) throw invalidQuery(trail, 'must be a plain object of conditions like { done: false }');
  const names = Object.keys(where);
  if (names.length === 0) spend(budget, trail);
  const checked: Record<string, unknown> = {};
  for (const name of names) {
    const at: Trail = { up: trail, step: name };
    setOwn(checked, name, checkClause(name, where[name], at, level, budget));
  }
  return checked;
}

function checkClause(name: string, clause: unknown, at: Trail, level: number, budget: Budget): unknown {
  if (!name.startsWith('$')) {
    checkPath(name, at);
    return checkCondition(clause, at, level, budget);
  }
  if (!isLogicalOperator(name)) throw invalidQuery(at, misplaced(name));
  if (name === '$not') return checkWhere(clause, at, level + 1, budget);
  if (!Array.isArray(clause)) throw invalidQuery(at, 'must be an array of conditions like [{ done: false }]');
  const branches: readonly unknown[] = clause;
  if (branches.length === 0) spend(budget, at);
  return branches.map((branch, index) => checkWhere(branch, { up: at, step: index }, level + 1, budget));
}

function misplaced(name: string): string {
  return isFieldOperator(name)
    ? `belongs on a field; write { field: { ${name}: ... } }`
    : `unknown operator; use ${LOGICAL_OPERATORS.join(', ')}, or a field with ${FIELD_OPERATORS.join(', ')}`;
}

function checkCondition(condition: unknown, at: Trail, level: number, budget: Budget): unknown {
  const operators = isFieldMap(condition) ? Object.keys(condition).filter((name) => name.startsWith('$')) : [];
  if (!isFieldMap(condition) || operators.length === 0) {
    spend(budget, at);
    return checkOperand(condition, at);
  }
  if (operators.length < Object.keys(condition).length) {
    throw invalidQuery(at, 'mixes operators and fields; use { $eq: ... } to compare with an object of such fields');
  }
  const checked: Record<string, unknown> = {};
  for (const name of operators) {
    checked[name] = checkOperator(name, condition[name], { up: at, step: name }, level, budget);
  }
  return checked;
}

function checkOperator(name: string, operand: unknown, at: Trail, level: number, budget: Budget): unknown {
  if (!isFieldOperator(name)) {
    const logical = isLogicalOperator(name);
    throw invalidQuery(
      at,
      logical
        ? `belongs around whole conditions; write { ${name}: [{ field: ... }] }`
        : `unknown operator; use one of ${FIELD_OPERATORS.join(', ')}`,
    );
  }
  if (name === '$not') {
    checkLevel(level + 1, at);
    return checkCondition(operand, at, level + 1, budget);
  }
  spend(budget, at);
  switch (name) {
    case '$in':
    case '$nin':
      return checkList(operand, at);
    case '$exists':
      if (typeof operand !== 'boolean') throw invalidQuery(at, 'takes true or false');
      return operand;
    case '$startsWith':
      if (typeof operand !== 'string') throw invalidQuery(at, 'takes a string');
      return checkOperand(operand, at);
    default:
      return checkOperand(operand, at);
  }
}

function checkList(operand: unknown, at: Trail): readonly unknown[] {
  if (!Array.isArray(operand)) throw invalidQuery(at, 'takes an array of values');
  if (operand.length > QUERY_LIMITS.listedValues) {
    throw invalidQuery(
      at,
      `lists ${operand.length} values; at most ${QUERY_LIMITS.listedValues}, ask in several queries`,
    );
  }
  const values: readonly unknown[] = operand;
  const checked: unknown[] = [];
  for (let i = 0; i < values.length; i++) checked.push(checkOperand(values[i], { up: at, step: i }));
  return checked;
}

function checkSort(sort: unknown, trail: Trail): Sort {
  if (!isFieldMap(sort)) throw invalidQuery(trail, "must be an object like { priority: 'desc' }");
  const paths = Object.keys(sort);
  if (paths.length > QUERY_LIMITS.sortFields) {
    throw invalidQuery(trail, `names ${paths.length} fields; sort by at most ${QUERY_LIMITS.sortFields}`);
  }
  const checked: Record<string, Direction> = {};
  for (const path of paths) {
    const at: Trail = { up: trail, step: path };
    if (path.startsWith('$')) throw invalidQuery(at, 'a sort names fields; operators belong into where');
    checkPath(path, at);
    const direction = sort[path];
    if (direction !== 'asc' && direction !== 'desc') throw invalidQuery(at, "must be 'asc' or 'desc'");
    setOwn(checked, path, direction);
  }
  return checked;
}

function checkPath(path: string, at: Trail): void {
  if (path.length > QUERY_LIMITS.pathLength) {
    throw invalidQuery(at, `the path is longer than ${QUERY_LIMITS.pathLength} characters; shorten it`);
  }
  if (path.split('.').length > QUERY_LIMITS.pathSegments) {
    throw invalidQuery(at, `the path has more than ${QUERY_LIMITS.pathSegments} segments; shorten it`);
  }
  if (!isWellFormed(path)) throw invalidQuery(at, 'the path is not valid Unicode (a lone surrogate); mend it');
}

function checkCount(count: unknown, least: number, most: number, at: Trail): number {
  if (typeof count !== 'number' || !Number.isInteger(count) || count < least || count > most) {
    throw invalidQuery(at, `must be a whole number from ${least} to ${most}`);
  }
  return count;
}

function checkLevel(level: number, at: Trail): void {
  if (level > QUERY_LIMITS.depth) {
    throw invalidQuery(at, `conditions are nested more than ${QUERY_LIMITS.depth} levels; flatten $and and $or`);
  }
}

function spend(budget: Budget, at: Trail): void {
  budget.conditions++;
  if (budget.conditions > QUERY_LIMITS.conditions) {
    throw invalidQuery(at, `more than ${QUERY_LIMITS.conditions} conditions; use $in, or ask in several queries`);
  }
}
