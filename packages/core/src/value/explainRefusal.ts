import { isWellFormed } from '../wire/utf8.js';
import { MAX_VALUE_DEPTH } from './format.js';
import { dateMs, isBytes, isDate, isPlainObject } from './kinds.js';
import { ValueTypeError } from './ValueTypeError.js';

/**
 * Finds the first thing in `value` that cannot be encoded and says what it is. Walks in the encoder's order and to the
 * encoder's depth, so it ends where the encoder stopped.
 */
export function explainRefusal(value: unknown): ValueTypeError {
  return find(value, '', []) ?? new ValueTypeError('', 'changed while it was encoded; store data without side effects');
}

function find(value: unknown, path: string, ancestors: readonly object[]): ValueTypeError | null {
  switch (typeof value) {
    case 'string':
      return isWellFormed(value)
        ? null
        : new ValueTypeError(
            path,
            'is a string with half of a surrogate pair, which UTF-8 cannot carry; use toWellFormed()',
          );
    case 'number':
    case 'boolean':
    case 'bigint':
      return null;
    case 'undefined':
      return new ValueTypeError(path, 'is undefined; use null, or leave the property out');
    case 'object':
      return value === null ? null : findInObject(value, path, ancestors);
    default:
      return new ValueTypeError(path, `is a ${typeof value}; store data only`);
  }
}

function findInObject(value: object, path: string, ancestors: readonly object[]): ValueTypeError | null {
  const isArray = Array.isArray(value);
  if (!isArray && !isPlainObject(value)) return findInSpecial(value, path);
  if (ancestors.includes(value)) {
    return new ValueTypeError(path, 'contains itself; store a tree, and refer to other records by key');
  }
  if (ancestors.length >= MAX_VALUE_DEPTH) {
    return new ValueTypeError(path, `lies deeper than ${MAX_VALUE_DEPTH} levels; flatten it or split it into records`);
  }
  const within = [...ancestors, value];
  if (isArray) {
    const items: readonly unknown[] = value;
    for (let i = 0; i < items.length; i++) {
      const fault = find(items[i], `${path}[${i}]`, within);
      if (fault !== null) return fault;
    }
    return null;
  }
  for (const [key, item] of Object.entries(value)) {
    const at = `${path}${/^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`}`;
    const fault = isWellFormed(key)
      ? find(item, at, within)
      : new ValueTypeError(at, 'has a name with half of a surrogate pair, which UTF-8 cannot carry; rename it');
    if (fault !== null) return fault;
  }
  return null;
}

function findInSpecial(value: object, path: string): ValueTypeError | null {
  if (isBytes(value)) return null;
  if (isDate(value)) {
    if (!Number.isNaN(dateMs(value))) return null;
    return new ValueTypeError(path, 'is an invalid Date; check it, or use null');
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return new ValueTypeError(path, `is a ${className(value)}; wrap its bytes in a Uint8Array`);
  }
  if (value instanceof Map) return new ValueTypeError(path, 'is a Map; use Object.fromEntries(map)');
  if (value instanceof Set) return new ValueTypeError(path, 'is a Set; use [...set]');
  return new ValueTypeError(path, `is an instance of ${className(value)}; copy its data into a plain object`);
}

function className(value: object): string {
  const maker: unknown = (value as { readonly constructor?: unknown }).constructor;
  return typeof maker === 'function' && maker.name !== '' ? maker.name : 'an unnamed class';
}
