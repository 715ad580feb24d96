import { type ErrorCode, isErrorCode, TopGunError } from '../errors.js';

/** Longest text in a message that has no limit of its own: messages, reasons, ids. In UTF-16 units. */
const MAX_TEXT = 4096;

/** Takes the fields of one inbound message in order, each checked. Every failure is TopGunError BAD_FRAME. */
export class FieldReader {
  readonly #type: string;
  readonly #fields: readonly unknown[];
  #next: number;

  /** `fields` is the decoded array, its item 0 being the message's type. */
  constructor(type: string, fields: readonly unknown[]) {
    this.#type = type;
    this.#fields = fields;
    this.#next = 1;
  }

  /** A whole number from 0 to `max`. */
  uint(name: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#take();
    if (isUint(value, max)) return value;
    throw this.#invalid(name, 'a whole number in range');
  }

  /** A finite number. */
  number(name: string): number {
    const value = this.#take();
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw this.#invalid(name, 'a finite number');
  }

  boolean(name: string): boolean {
    const value = this.#take();
    if (typeof value === 'boolean') return value;
    throw this.#invalid(name, 'a boolean');
  }

  text(name: string, maxLength = MAX_TEXT): string {
    const value = this.#take();
    if (typeof value === 'string' && value.length <= maxLength) return value;
    throw this.#invalid(name, `a text of at most ${maxLength} characters`);
  }

  bytes(name: string): Uint8Array {
    const value = this.#take();
    if (value instanceof Uint8Array) return value;
    throw this.#invalid(name, 'bytes');
  }

  code(name: string): ErrorCode {
    const value = this.#take();
    if (isErrorCode(value)) return value;
    throw this.#invalid(name, 'an error code');
  }

  /** What `read` takes, or null where the field is null. */
  nullable<T>(read: () => T): T | null {
    if (this.#fields[this.#next] !== null) return read();
    this.#next++;
    return null;
  }

  /** Whole numbers, up to `maxItems` of them. */
  uints(name: string, maxItems: number): number[] {
    const value = this.#take();
    if (Array.isArray(value) && value.length <= maxItems && value.every((item) => isUint(item))) return value;
    throw this.#invalid(name, 'a list of whole numbers');
  }

  /** Items of an array, each an array of fields of its own. */
  list<T>(name: string, maxItems: number, read: (item: FieldReader) => T): T[] {
    const value = this.#take();
    if (!Array.isArray(value) || value.length > maxItems) throw this.#invalid(name, `a list of at most ${maxItems} items`);
    return value.map((item: unknown) => {
      if (!Array.isArray(item)) throw this.#invalid(name, 'a list of lists');
      const reader = new FieldReader(`${this.#type}.${name}`, [null, ...item]);
      const result = read(reader);
      reader.end();
      return result;
    });
  }

  /** The fields of a nested array. */
  group<T>(name: string, read: (group: FieldReader) => T): T {
    const value = this.#take();
    if (!Array.isArray(value)) throw this.#invalid(name, 'a list');
    const reader = new FieldReader(`${this.#type}.${name}`, [null, ...value]);
    const result = read(reader);
    reader.end();
    return result;
  }

  /** A plain object, unchecked inside. */
  object(name: string): Readonly<Record<string, unknown>> {
    const value = this.#take();
    if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
      return value as Readonly<Record<string, unknown>>;
    }
    throw this.#invalid(name, 'an object');
  }

  /** Fields left over mean another version of the protocol. */
  end(): void {
    if (this.#next !== this.#fields.length) {
      throw new TopGunError('BAD_FRAME', `${this.#type} has ${this.#fields.length - 1} fields, not ${this.#next - 1}.`);
    }
  }

  #take(): unknown {
    return this.#fields[this.#next++];
  }

  #invalid(name: string, expected: string): TopGunError {
    return new TopGunError('BAD_FRAME', `${this.#type}.${name} must be ${expected}.`);
  }
}

function isUint(value: unknown, max = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max;
}
