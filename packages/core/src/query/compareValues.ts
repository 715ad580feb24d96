import { MAX_VALUE_DEPTH } from '../value/format.js';
import { dateMs, isBytes, isDate, isPlainObject } from '../value/kinds.js';

/** Ranks of the kinds of values in sort order. */
const MISSING = 0;
const NULL = 1;
const BOOLEAN = 2;
const NUMBER = 3;
const STRING = 4;
const DATE = 5;
const BYTES = 6;
const ARRAY = 7;
const OBJECT = 8;

function rankOf(value: unknown): number {
  switch (typeof value) {
    case 'boolean':
      return BOOLEAN;
    case 'number':
    case 'bigint':
      return NUMBER;
    case 'string':
      return STRING;
    case 'object':
      return value === null ? NULL : rankOfObject(value);
    default:
      return MISSING;
  }
}

function rankOfObject(value: object): number {
  if (Array.isArray(value)) return ARRAY;
  if (isPlainObject(value)) return OBJECT;
  if (isDate(value)) return DATE;
  return isBytes(value) ? BYTES : MISSING;
}

/**
 * The order of `sort`, total over all values: missing < null < booleans < numbers < strings < dates < bytes < arrays <
 * objects. Within a kind: false before true; numbers and bigints together by exact mathematical value with NaN first
 * and -0 equal to 0; strings by UTF-16 code units; bytes and arrays item by item, a prefix before its extensions;
 * objects by their fields in order of name, name before value. 0 means equal as `$eq` understands it.
 * What lies deeper than any record may hold is not told apart, so that no value can exhaust the stack.
 */
export function compareValues(a: unknown, b: unknown): number {
  return compareWithin(a, b, MAX_VALUE_DEPTH);
}

/** Strings by UTF-16 code units, as `<` has it: the order of keys. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function compareWithin(a: unknown, b: unknown, depth: number): number {
  if (typeof a === 'string' && typeof b === 'string') return compareStrings(a, b);
  if (isNumeric(a) && isNumeric(b)) return compareNumbers(a, b);
  const rank = rankOf(a);
  const otherRank = rankOf(b);
  if (rank !== otherRank) return rank < otherRank ? -1 : 1;
  if (a === b || depth === 0) return 0;
  if (typeof a === 'boolean') return a ? 1 : -1;
  return isObject(a) && isObject(b) ? compareAlike(a, b, depth - 1) : 0;
}

/** Two objects of one rank. */
function compareAlike(a: object, b: object, depth: number): number {
  if (Array.isArray(a) && Array.isArray(b)) return compareArrays(a, b, depth);
  if (isPlainObject(a) && isPlainObject(b)) return compareObjects(a, b, depth);
  return isBytes(a) && isBytes(b) ? compareBytes(a, b) : compareNumbers(dateMs(a), dateMs(b));
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isNumeric(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function compareNumbers(a: number | bigint, b: number | bigint): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function compareArrays(a: readonly unknown[], b: readonly unknown[], depth: number): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const order = compareWithin(a[i], b[i], depth);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareObjects(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
  depth: number,
): number {
  const names = Object.keys(a).sort(compareStrings);
  const otherNames = Object.keys(b).sort(compareStrings);
  const shared = Math.min(names.length, otherNames.length);
  for (let i = 0; i < shared; i++) {
    const name = names[i] ?? '';
    const otherName = otherNames[i] ?? '';
    const order = compareStrings(name, otherName) || compareWithin(a[name], b[otherName], depth);
    if (order !== 0) return order;
  }
  return names.length - otherNames.length;
}
