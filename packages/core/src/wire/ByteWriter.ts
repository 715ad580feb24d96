import { TopGunError } from '../errors.js';
import { utf8Length, writeUtf8 } from './utf8.js';

const MAX_ZIGZAG = 2 ** 52;

/**
 * A growing buffer for one writer at a time. `reset` starts anew and keeps the memory, so a long-lived owner encodes
 * without allocating; `toBytes` hands out copies.
 */
export class ByteWriter {
  /** What was written, up to `length`; the rest is noise. Growing replaces it: never keep it across a write. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Views the same memory as `bytes`. */
  view: DataView<ArrayBuffer>;
  length = 0;
  readonly #limit: number;

  /** Sizes in bytes. Writing beyond `limit` throws TOO_LARGE. */
  constructor(capacity = 256, limit = 2 ** 30) {
    this.bytes = new Uint8Array(Math.max(16, Math.min(capacity, limit)));
    this.view = new DataView(this.bytes.buffer);
    this.#limit = limit;
  }

  reset(): void {
    this.length = 0;
  }

  /** Makes room for `size` more bytes. Callers that write into `bytes` themselves call it first. */
  reserve(size: number): void {
    if (this.length + size > this.bytes.length) this.#grow(this.length + size);
  }

  #grow(needed: number): void {
    if (needed > this.#limit) {
      throw new TopGunError('TOO_LARGE', `encoding takes more than ${this.#limit} bytes; split it into smaller parts`);
    }
    const bytes = new Uint8Array(Math.min(Math.max(needed, this.bytes.length * 2), Math.max(16, this.#limit)));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }

  writeU8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Base-128, low digits first; for integers from 0 to 2^53 - 1. One byte below 128, at most eight. */
  writeVaruint(value: number): void {
    if (!(value >= 0 && Number.isSafeInteger(value))) throw outOfRange(value);
    this.reserve(8);
    const bytes = this.bytes;
    let pos = this.length;
    let rest = value;
    // Bit operations hold 32 bits: divide while the number is wider than that.
    while (rest > 0x7fffffff) {
      bytes[pos++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest > 0x7f) {
      bytes[pos++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[pos++] = rest;
    this.length = pos;
  }

  /** A signed integer, |value| < 2^52, folded onto the naturals (0, -1, 1, -2, ...) so that small ones stay short. */
  writeVarint(value: number): void {
    if (!(value > -MAX_ZIGZAG && value < MAX_ZIGZAG)) throw outOfRange(value);
    this.writeVaruint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  writeF64(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.length, value);
    this.length += 8;
  }

  /** Makes room for `text` as UTF-8 and a header of up to 8 bytes. */
  reserveText(text: string): void {
    // Three bytes a unit at most. Only when that would break the limit somebody must count.
    const most = 8 + text.length * 3;
    if (this.length + most > this.bytes.length) {
      this.reserve(this.length + most <= this.#limit ? most : 8 + utf8Length(text));
    }
  }

  /** Length in bytes, then UTF-8. A lone surrogate throws INVALID_VALUE and leaves nothing behind. */
  writeString(text: string): void {
    this.reserveText(text);
    const start = this.length;
    // The length is known only afterwards: guess the size of its spelling, and move the text when it was more.
    const guess = varuintSize(text.length);
    const end = writeUtf8(this.bytes, start + guess, text);
    if (end < 0) throw loneSurrogate();
    const size = end - start - guess;
    const actual = varuintSize(size);
    if (actual !== guess) this.bytes.copyWithin(start + actual, start + guess, end);
    this.writeVaruint(size);
    this.length = start + actual + size;
  }

  /** Length, then the bytes `source[start, end)`. */
  writeBytes(source: Uint8Array, start = 0, end = source.length): void {
    this.writeVaruint(end - start);
    this.writeRaw(source, start, end);
  }

  /** The bytes `source[start, end)` alone; the reader must know how many. */
  writeRaw(source: Uint8Array, start = 0, end = source.length): void {
    const size = end - start;
    this.reserve(size);
    if (size <= 32) {
      for (let i = 0; i < size; i++) this.bytes[this.length + i] = source[start + i] as number;
    } else {
      this.bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.length);
    }
    this.length += size;
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length);
  }
}

/** Bytes that a text's length takes as a varuint; texts end below 2^30 units. */
function varuintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

function outOfRange(value: number): TopGunError {
  return new TopGunError('INTERNAL', `${value} is outside the range of this integer format`);
}

function loneSurrogate(): TopGunError {
  return new TopGunError(
    'INVALID_VALUE',
    'the text has half of a surrogate pair, which UTF-8 cannot carry; use toWellFormed() on it',
  );
}
