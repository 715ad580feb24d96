import { MAX_VALUE_DEPTH } from '../value/format.js';
import { dateMs, isBytes, isDate, isPlainObject } from '../value/kinds.js';

/**
 * Deep equality of `$eq`: by content, whatever the order of fields. NaN equals NaN, -0 equals 0, and a number equals a
 * bigint of the same mathematical value. Values that are nested deeper than a record may hold equal nothing.
 */
export function valueEquals(a: unknown, b: unknown): boolean {
  return equalsWithin(a, b, MAX_VALUE_DEPTH);
}

function equalsWithin(a: unknown, b: unknown, depth: number): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object') return numericEquals(a, b);
  if (a === null || b === null || depth === 0) return false;
  if (Array.isArray(a)) return Array.isArray(b) && arraysEqual(a, b, depth - 1);
  if (isPlainObject(a)) return isPlainObject(b) && fieldsEqual(a, b, depth - 1);
  if (isBytes(a)) return isBytes(b) && bytesEqual(a, b);
  return isDate(a) && isDate(b) && numericEquals(dateMs(a), dateMs(b));
}

function numericEquals(a: unknown, b: unknown): boolean {
  if (typeof a === 'number') {
    if (typeof b === 'bigint') return a >= b && a <= b;
    return a === b || (Number.isNaN(a) && Number.isNaN(b));
  }
  if (typeof a === 'bigint') return a === b || (typeof b === 'number' && a >= b && a <= b);
  return false;
}

function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}

function arraysEqual(a: readonly unknown[], b: readonly unknown[], depth: number): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (!equalsWithin(a[i], b[i], depth)) return false;
  }
  return true;
}

function fieldsEqual(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
  depth: number,
): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  for (const name of names) {
    if (!Object.hasOwn(b, name) || !equalsWithin(a[name], b[name], depth)) return false;
  }
  return true;
}
