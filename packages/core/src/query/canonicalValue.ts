import { MAX_VALUE_DEPTH } from '../value/format.js';
import { dateMs, isBytes, isDate, isPlainObject } from '../value/kinds.js';
import { compareStrings } from './compareValues.js';

/**
 * A string that two values share exactly when `$eq` holds between them: the names of a field map are sorted, 1 and 1n
 * are one number, -0 is 0. Costs one pass over the value. What lies deeper than any record may hold is cut off.
 */
export function canonicalValue(value: unknown): string {
  return write(value, MAX_VALUE_DEPTH);
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      return `n${Number.isInteger(value) && !Number.isSafeInteger(value) ? BigInt(value) : value}`;
    case 'bigint':
      return `n${value}`;
    case 'boolean':
      return value ? 't' : 'f';
    case 'object':
      return value === null ? 'z' : writeObject(value, depth);
    default:
      return 'u';
  }
}

function writeObject(value: object, depth: number): string {
  if (depth === 0) return '!';
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth - 1)).join(',')}]`;
  if (!isPlainObject(value)) return isBytes(value) ? `x${hex(value)}` : isDate(value) ? `d${dateMs(value)}` : 'u';
  const names = Object.keys(value).sort(compareStrings);
  return `{${names.map((name) => `${JSON.stringify(name)}:${write(value[name], depth - 1)}`).join(',')}}`;
}

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte < 16 ? `0${byte.toString(16)}` : byte.toString(16);
  return text;
}
