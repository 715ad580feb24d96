import { canonicalValue } from './canonicalValue.js';

/**
 * A test for "equals one of `values`" as `$in` means it. It costs one pass over the tested value, however many values
 * are listed: long lists of large arrays would otherwise let one subscriber slow every write down.
 */
export function membership(values: readonly unknown[]): (value: unknown) => boolean {
  const scalars = new Set<unknown>();
  const structures = new Set<string>();
  for (const value of values) {
    if (typeof value === 'object' && value !== null) structures.add(canonicalValue(value));
    else scalars.add(oneNumber(value));
  }
  return (value) => {
    if (typeof value !== 'object' || value === null) return scalars.has(oneNumber(value));
    return structures.size > 0 && structures.has(canonicalValue(value));
  };
}

/** A bigint that a number can express exactly becomes that number. (A Set holds NaN equal to NaN, and -0 to 0.) */
function oneNumber(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return value >= number && value <= number ? number : value;
}
