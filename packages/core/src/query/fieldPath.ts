import { isPlainObject } from '../value/kinds.js';

/**
 * A dot always separates: `'a.b'` is the field `b` of the object in the field `a`, never a field called `a.b`. With one
 * meaning for every path, a record cannot answer a permission rule by a second reading of its name.
 */
export function splitPath(path: string): readonly string[] {
  return path.split('.');
}

/** True of the values whose fields a path can enter: objects, not arrays, dates or bytes. */
export function isFieldMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && isPlainObject(value);
}

/** The own field `name` of `value`; undefined when there is none. Inherited names such as `constructor` are missing. */
export function readOwn(value: unknown, name: string): unknown {
  return isFieldMap(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** The value at the end of a path; undefined = missing. */
export function readPath(value: unknown, segments: readonly string[]): unknown {
  let current = value;
  for (const segment of segments) {
    current = readOwn(current, segment);
    if (current === undefined) return undefined;
  }
  return current;
}
