import type { EntryBatch } from '../crdt/EntryBatch.js';
import { type ErrorCode, isErrorCode, TopGunError } from '../errors.js';
import { PARTITION_COUNT } from '../partition/partition.js';
import { decodeValue, readValue } from '../value/decodeValue.js';
import { skipValue } from '../value/skipValue.js';
import type { ByteReader } from '../wire/ByteReader.js';
import { decodeEntries } from './entryCodec.js';
import { Token, textClaim } from './tokens.js';

/** Longest text in a message that has no limit of its own: messages, reasons, ids. In UTF-16 units. */
export const MAX_TEXT = 4096;

/** Largest object in a message: a query with a thousand keys of the largest size fits. In bytes. */
const MAX_OBJECT_BYTES = 2 * 1024 * 1024;

const DECODE_OPTIONS = { copyBytes: false };

/**
 * Takes the fields of one inbound MessagePack array in order, straight from the bytes, each checked for type and size
 * before anything is made of it: whatever a frame claims, it costs no more memory than a message of its type may.
 * Every failure is TopGunError BAD_FRAME, or TOO_LARGE for an object.
 */
export class FieldReader {
  readonly #type: string;
  readonly #reader: ByteReader;
  #left: number;

  /** The reader stands behind an array's header that announced `count` fields. `type` is for error messages. */
  constructor(type: string, reader: ByteReader, count: number) {
    this.#type = type;
    this.#reader = reader;
    this.#left = count;
  }

  /** A whole number from 0 to `max`. */
  uint(name: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#scalar(name);
    if (isUint(value, max)) return value;
    throw this.#invalid(name, 'a whole number in range');
  }

  /** A finite number. */
  number(name: string): number {
    const value = this.#scalar(name);
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw this.#invalid(name, 'a finite number');
  }

  boolean(name: string): boolean {
    const value = this.#scalar(name);
    if (typeof value === 'boolean') return value;
    throw this.#invalid(name, 'a boolean');
  }

  text(name: string, maxLength = MAX_TEXT): string {
    const token = this.#begin(name);
    // Each UTF-16 unit takes at most three bytes.
    if (textClaim(this.#reader, token) <= maxLength * 3) {
      const value = this.#value(name);
      if (typeof value === 'string' && value.length <= maxLength) return value;
    }
    throw this.#invalid(name, `a text of at most ${maxLength} characters`);
  }

  /** A view of the frame. */
  bytes(name: string): Uint8Array {
    const token = this.#begin(name);
    const value = token >= Token.BIN_8 && token <= Token.BIN_32 ? this.#value(name) : null;
    if (value instanceof Uint8Array) return value;
    throw this.#invalid(name, 'bytes');
  }

  /** Rows, whose values are views of the frame. */
  entries(name: string, maxCount = Number.MAX_SAFE_INTEGER): EntryBatch {
    const bytes = this.bytes(name);
    return decodeEntries(bytes, 0, bytes.length, maxCount);
  }

  code(name: string): ErrorCode {
    const value = this.text(name);
    if (isErrorCode(value)) return value;
    throw this.#invalid(name, 'an error code');
  }

  /** What `read` takes, or null where the field is null. */
  nullable<T>(read: () => T): T | null {
    if (this.#left === 0 || this.#peek() !== Token.NIL) return read();
    this.#left--;
    this.#reader.position++;
    return null;
  }

  /** Whole numbers, up to `maxItems` of them. */
  uints(name: string, maxItems: number): number[] {
    const count = this.#array(name);
    if (count > maxItems) throw this.#invalid(name, `a list of at most ${maxItems} items`);
    const items = new FieldReader(this.#type, this.#reader, count);
    const values: number[] = [];
    for (let i = 0; i < count; i++) values.push(items.uint(name));
    return values;
  }

  /** Whole numbers, flat pairs, up to `maxPairs` of them. */
  pairs(name: string, maxPairs: number): number[] {
    const values = this.uints(name, maxPairs * 2);
    if (values.length % 2 === 0) return values;
    throw this.#invalid(name, 'a list of pairs');
  }

  /** Flat pairs of a shard and a sequence. */
  cursors(name: string): number[] {
    const values = this.pairs(name, PARTITION_COUNT);
    for (let i = 0; i < values.length; i += 2) {
      if ((values[i] as number) >= PARTITION_COUNT) throw this.#invalid(name, 'pairs of a shard and a sequence');
    }
    return values;
  }

  /** Shards. */
  shards(name: string): number[] {
    const values = this.uints(name, PARTITION_COUNT);
    if (values.every((shard) => shard < PARTITION_COUNT)) return values;
    throw this.#invalid(name, 'a list of shards');
  }

  /** Items of an array, each an array of fields of its own. */
  list<T>(name: string, maxItems: number, read: (item: FieldReader) => T): T[] {
    const count = this.#array(name);
    if (count > maxItems) throw this.#invalid(name, `a list of at most ${maxItems} items`);
    const items = new FieldReader(this.#type, this.#reader, count);
    const results: T[] = [];
    for (let i = 0; i < count; i++) results.push(items.group(name, read));
    return results;
  }

  /** The fields of a nested array. */
  group<T>(name: string, read: (group: FieldReader) => T): T {
    const group = new FieldReader(`${this.#type}.${name}`, this.#reader, this.#array(name));
    const result = read(group);
    group.end();
    return result;
  }

  /** A plain object, unchecked inside. It shares no memory with the frame. */
  object(name: string): Readonly<Record<string, unknown>> {
    const token = this.#begin(name);
    const isMap = (token & 0xf0) === Token.FIX_MAP || token === Token.MAP_16 || token === Token.MAP_32;
    if (!isMap) throw this.#invalid(name, 'an object');
    const { bytes, position, end } = this.#reader;
    const after = skipValue(bytes, position, end);
    if (after < 0) throw this.#invalid(name, 'an object');
    if (after - position > MAX_OBJECT_BYTES) {
      throw new TopGunError('TOO_LARGE', `${this.#type}.${name} may take ${MAX_OBJECT_BYTES} bytes at most.`);
    }
    this.#reader.position = after;
    try {
      return decodeValue(bytes, position, after) as Readonly<Record<string, unknown>>;
    } catch (error) {
      throw this.#invalid(name, 'a well-formed object', error);
    }
  }

  /** Steps over all fields that are left: those of a version that nobody here knows. */
  skipRest(): void {
    const reader = this.#reader;
    for (; this.#left > 0; this.#left--) {
      const after = skipValue(reader.bytes, reader.position, reader.end);
      if (after < 0) throw this.#invalid('rest', 'well-formed');
      reader.position = after;
    }
  }

  /** Fields left over mean another version of the protocol. */
  end(): void {
    if (this.#left > 0) throw new TopGunError('BAD_FRAME', `${this.#type} has ${this.#left} fields too many.`);
  }

  /** The token of the next field, which counts as taken. */
  #begin(name: string): number {
    if (this.#left === 0) throw this.#invalid(name, 'there');
    this.#left--;
    return this.#peek();
  }

  #peek(): number {
    const { bytes, position, end } = this.#reader;
    return position < end ? (bytes[position] as number) : Token.NEVER;
  }

  #scalar(name: string): unknown {
    const token = this.#begin(name);
    if (token <= Token.MAX_FIXINT || token >= Token.MIN_NEGATIVE || token === Token.FALSE || token === Token.TRUE) {
      return this.#value(name);
    }
    if (token >= Token.FLOAT_32 && token <= Token.INT_64) return this.#value(name);
    return undefined;
  }

  #array(name: string): number {
    const token = this.#begin(name);
    const count = readArrayHeader(this.#reader, token);
    if (count < 0) throw this.#invalid(name, 'a list');
    return count;
  }

  #value(name: string): unknown {
    try {
      return readValue(this.#reader, DECODE_OPTIONS);
    } catch (error) {
      throw this.#invalid(name, 'well-formed', error);
    }
  }

  #invalid(name: string, expected: string, cause?: unknown): TopGunError {
    return new TopGunError('BAD_FRAME', `${this.#type}.${name} must be ${expected}.`, { cause });
  }
}

/** How many items the array at the reader's position has, and moves behind its header; -1 when `token` begins none. */
export function readArrayHeader(reader: ByteReader, token: number): number {
  if ((token & 0xf0) === Token.FIX_ARRAY) {
    reader.position++;
    return token & 0x0f;
  }
  if (token !== Token.ARRAY_16 && token !== Token.ARRAY_32) return -1;
  const size = token === Token.ARRAY_16 ? 2 : 4;
  const at = reader.skip(1 + size) + 1;
  let count = 0;
  for (let i = 0; i < size; i++) count = count * 256 + (reader.bytes[at + i] as number);
  return count;
}

function isUint(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max;
}
