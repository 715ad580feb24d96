import { isBytes, isPlainObject } from '../value/kinds.js';
import { canonicalValue } from './canonicalValue.js';

/**
 * A test for "equals one of `values`" as `$in` means it. It costs one pass over the tested value, however many values
 * are listed, and over no more of it than the largest of them has: long lists of large arrays, or many lists
 * against one large value, would otherwise let one subscriber slow every write down.
 */
export function membership(values: readonly unknown[]): (value: unknown) => boolean {
  const scalars = new Set<unknown>();
  const structures = new Set<string>();
  let longest = 0;
  for (const value of values) {
    if (typeof value === 'object' && value !== null) {
      const canonical = canonicalValue(value);
      structures.add(canonical);
      longest = Math.max(longest, canonical.length);
    } else scalars.add(oneNumber(value));
  }
  return (value) => {
    if (typeof value !== 'object' || value === null) return scalars.has(oneNumber(value));
    return structures.size > 0 && roomAfter(value, longest) >= 0 && structures.has(canonicalValue(value));
  };
}

/** `room`, less the characters that `value` takes at least in canonical form; negative when it does not fit. */
function roomAfter(value: unknown, room: number): number {
  switch (typeof value) {
    case 'string':
      return room - value.length;
    case 'bigint':
      // In decimal it is longer, but writing that takes more than linear time.
      return room - value.toString(16).length;
    case 'object':
      return value === null ? room - 1 : roomAfterObject(value, room - 1);
    default:
      return room - 1;
  }
}

function roomAfterObject(value: object, room: number): number {
  let left = room;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && left >= 0; i++) left = roomAfter(value[i], left);
  } else if (isBytes(value)) {
    left -= value.length;
  } else if (isPlainObject(value)) {
    for (const name of Object.keys(value)) {
      if (left < 0) break;
      left = roomAfter(value[name], left - name.length);
    }
  }
  return left;
}

/** A bigint that a number can express exactly becomes that number. (A Set holds NaN equal to NaN, and -0 to 0.) */
function oneNumber(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return value >= number && value <= number ? number : value;
}
