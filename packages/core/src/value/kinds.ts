/**
 * What kind of value an object is. Each test asks the common case first; the rest is for objects of another realm (an
 * iframe, a vm context, a test environment), whose prototypes are not ours.
 */

/** Made by `{}`, `JSON.parse`, `Object.create(null)` and the like; not an instance of a class. */
export function isPlainObject(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return isForeignObjectPrototype(prototype as object);
}

function isForeignObjectPrototype(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

export function isBytes(value: object): value is Uint8Array {
  return value instanceof Uint8Array || (ArrayBuffer.isView(value) && tagOf(value) === '[object Uint8Array]');
}

/** The time of a Date in ms; NaN for an invalid Date, and for what is no Date at all. */
export function dateMs(value: object): number {
  return value instanceof Date || tagOf(value) === '[object Date]' ? timeOf(value) : Number.NaN;
}

export function isDate(value: object): boolean {
  return value instanceof Date || tagOf(value) === '[object Date]';
}

function timeOf(value: object): number {
  try {
    return Date.prototype.getTime.call(value);
  } catch {
    return Number.NaN; // only dressed up as a Date
  }
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value);
}
