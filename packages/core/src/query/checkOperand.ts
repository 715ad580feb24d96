import { dateMs, isBytes, isDate, isPlainObject } from '../value/kinds.js';
import { isWellFormed } from '../wire/utf8.js';
import { QUERY_LIMITS } from './queryLimits.js';
import { invalidQuery, type Trail } from './Trail.js';

/** Sets an own property, `__proto__` included. */
export function setOwn(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[name] = value;
  }
}

/** A copy of a value to compare with. Throws INVALID_QUERY when no record could hold it or it is nested too deeply. */
export function checkOperand(value: unknown, trail: Trail, levels: number = QUERY_LIMITS.depth): unknown {
  switch (typeof value) {
    case 'boolean':
    case 'number':
    case 'bigint':
      return value;
    case 'string':
      if (!isWellFormed(value))
        throw invalidQuery(trail, 'the string is not valid Unicode (a lone surrogate); mend it');
      return value;
    case 'undefined':
      throw invalidQuery(trail, 'the value is undefined; leave the condition out, or ask for { $exists: false }');
    case 'object':
      return value === null ? null : copyObject(value, trail, levels);
    default:
      throw invalidQuery(trail, `a ${typeof value} cannot be compared with; use a value that a record can hold`);
  }
}

function copyObject(value: object, trail: Trail, levels: number): unknown {
  if (isDate(value)) return copyDate(dateMs(value), trail);
  if (isBytes(value)) return new Uint8Array(value);
  if (levels === 0) {
    throw invalidQuery(trail, `nested more than ${QUERY_LIMITS.depth} levels; compare single fields by path`);
  }
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    const copy: unknown[] = [];
    for (let i = 0; i < items.length; i++) copy.push(checkOperand(items[i], { up: trail, step: i }, levels - 1));
    return copy;
  }
  if (!isPlainObject(value)) {
    throw invalidQuery(trail, 'not a plain object, array, Date or Uint8Array; use a value that a record can hold');
  }
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(value)) {
    const at: Trail = { up: trail, step: name };
    if (!isWellFormed(name)) throw invalidQuery(at, 'the name is not valid Unicode (a lone surrogate); mend it');
    setOwn(copy, name, checkOperand(value[name], at, levels - 1));
  }
  return copy;
}

function copyDate(ms: number, trail: Trail): Date {
  if (Number.isNaN(ms)) throw invalidQuery(trail, 'the Date is invalid; use a real point in time');
  return new Date(ms);
}
