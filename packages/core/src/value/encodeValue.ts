import { ByteWriter } from '../wire/ByteWriter.js';
import { writeUtf8 } from '../wire/utf8.js';
import { explainRefusal } from './explainRefusal.js';
import { writeBigint, writeDate } from './extensions.js';
import { MAX_VALUE_DEPTH } from './format.js';
import { dateMs, isBytes, isPlainObject } from './kinds.js';

const MAX_ENCODED_BYTES = 2 ** 28;
const CANONICAL_NAN = 0x7ff8_0000_0000_0000n;
const KEPT_BYTES = 2 ** 16;
const hasOwn = Object.prototype.hasOwnProperty;

/** Memory kept between calls: taken while in use, because a getter of the value may call `encodeValue` again. */
let spare: ByteWriter | null = null;

/**
 * The bytes of `value`, exactly as many as it needs and shared with nobody. See README.md for what can be encoded; all
 * else throws ValueTypeError. Getters are called; own properties with symbol keys are ignored.
 */
export function encodeValue(value: unknown): Uint8Array<ArrayBuffer> {
  const writer = spare ?? new ByteWriter(1024, MAX_ENCODED_BYTES);
  spare = null;
  try {
    writeValue(writer, value);
    return writer.toBytes();
  } finally {
    if (writer.bytes.length <= KEPT_BYTES) {
      writer.reset();
      spare = writer;
    }
  }
}

/** Appends the bytes of `value`. When it throws, `writer` is as it was. */
export function writeValue(writer: ByteWriter, value: unknown): void {
  const start = writer.length;
  let written = false;
  try {
    written = write(writer, value, MAX_VALUE_DEPTH);
  } finally {
    if (!written) writer.length = start;
  }
  // The walk above keeps no path: a second one finds the place, and only those who err pay for it.
  if (!written) throw explainRefusal(value);
}

/** False when something in `value` cannot be encoded. `depth` is how many levels may still open. */
function write(writer: ByteWriter, value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
      return writeText(writer, value);
    case 'number':
      writeNumber(writer, value);
      return true;
    case 'boolean':
      writer.writeU8(value ? 0xc3 : 0xc2);
      return true;
    case 'object':
      if (value === null) {
        writer.writeU8(0xc0);
        return true;
      }
      if (Array.isArray(value)) return depth > 0 && writeArray(writer, value, depth - 1);
      if (isPlainObject(value)) return depth > 0 && writeObject(writer, value, depth - 1);
      return writeSpecial(writer, value);
    case 'bigint':
      writeBigint(writer, value);
      return true;
    default:
      return false;
  }
}

function writeNumber(writer: ByteWriter, value: number): void {
  writer.reserve(9);
  const { bytes, length: pos } = writer;
  if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
    if (value >= 0) writer.length = writeUint(bytes, pos, value);
    else writer.length = writeNegative(bytes, pos, value);
  } else if (value >>> 0 === value && value !== 0) {
    writer.length = writeUint(bytes, pos, value);
  } else {
    bytes[pos] = 0xcb;
    // NaN has many bit patterns, and engines keep them: write one.
    if (Number.isNaN(value)) writer.view.setBigUint64(pos + 1, CANONICAL_NAN);
    else writer.view.setFloat64(pos + 1, value);
    writer.length = pos + 9;
  }
}

function writeUint(bytes: Uint8Array, pos: number, value: number): number {
  if (value < 0x80) {
    bytes[pos] = value;
    return pos + 1;
  }
  if (value < 0x100) {
    bytes[pos] = 0xcc;
    bytes[pos + 1] = value;
    return pos + 2;
  }
  if (value < 0x10000) {
    bytes[pos] = 0xcd;
    bytes[pos + 1] = value >> 8;
    bytes[pos + 2] = value;
    return pos + 3;
  }
  bytes[pos] = 0xce;
  return putU32(bytes, pos + 1, value);
}

function writeNegative(bytes: Uint8Array, pos: number, value: number): number {
  if (value >= -0x20) {
    bytes[pos] = value;
    return pos + 1;
  }
  if (value >= -0x80) {
    bytes[pos] = 0xd0;
    bytes[pos + 1] = value;
    return pos + 2;
  }
  if (value >= -0x8000) {
    bytes[pos] = 0xd1;
    bytes[pos + 1] = value >> 8;
    bytes[pos + 2] = value;
    return pos + 3;
  }
  bytes[pos] = 0xd2;
  return putU32(bytes, pos + 1, value);
}

function putU32(bytes: Uint8Array, pos: number, value: number): number {
  bytes[pos] = value >>> 24;
  bytes[pos + 1] = value >>> 16;
  bytes[pos + 2] = value >>> 8;
  bytes[pos + 3] = value;
  return pos + 4;
}

function writeText(writer: ByteWriter, text: string): boolean {
  writer.reserveText(text);
  const { bytes, length: start } = writer;
  // The size in bytes is known only afterwards: guess the header's size, and move the text when it took more.
  const guess = textHeaderSize(text.length);
  const end = writeUtf8(bytes, start + guess, text);
  if (end < 0) return false;
  const size = end - start - guess;
  const actual = textHeaderSize(size);
  if (actual !== guess) bytes.copyWithin(start + actual, start + guess, end);
  if (actual === 1) bytes[start] = 0xa0 | size;
  else writeSizedHeader(bytes, start, 0xd9, size);
  writer.length = start + actual + size;
  return true;
}

function textHeaderSize(size: number): number {
  if (size < 0x20) return 1;
  if (size < 0x100) return 2;
  return size < 0x10000 ? 3 : 5;
}

/** The header of texts (`first` = 0xd9) and bytes (0xc4): the next tokens are those for 16-bit and 32-bit sizes. */
function writeSizedHeader(bytes: Uint8Array, pos: number, first: number, size: number): number {
  if (size < 0x100) {
    bytes[pos] = first;
    bytes[pos + 1] = size;
    return pos + 2;
  }
  if (size < 0x10000) {
    bytes[pos] = first + 1;
    bytes[pos + 1] = size >> 8;
    bytes[pos + 2] = size;
    return pos + 3;
  }
  bytes[pos] = first + 2;
  return putU32(bytes, pos + 1, size);
}

function writeArray(writer: ByteWriter, items: readonly unknown[], depth: number): boolean {
  const count = items.length;
  writer.reserve(5);
  const pos = writer.length;
  if (count < 0x10) {
    writer.bytes[pos] = 0x90 | count;
    writer.length = pos + 1;
  } else if (count < 0x10000) {
    writer.bytes[pos] = 0xdc;
    writer.view.setUint16(pos + 1, count);
    writer.length = pos + 3;
  } else {
    writer.bytes[pos] = 0xdd;
    writer.length = putU32(writer.bytes, pos + 1, count);
  }
  // Indexed, so that holes are seen: they read as undefined, which is refused.
  for (let i = 0; i < count; i++) {
    if (!write(writer, items[i], depth)) return false;
  }
  return true;
}

function writeObject(writer: ByteWriter, object: Readonly<Record<string, unknown>>, depth: number): boolean {
  writer.reserve(1);
  const start = writer.length++;
  let count = 0;
  // for-in with this very test is what V8 turns into a walk over the shape; Object.keys takes three times as long.
  for (const key in object) {
    if (!hasOwn.call(object, key)) continue;
    if (!writeText(writer, key) || !write(writer, object[key], depth)) return false;
    count++;
  }
  if (count < 0x10) writer.bytes[start] = 0x80 | count;
  else widenMapHeader(writer, start, count);
  return true;
}

function widenMapHeader(writer: ByteWriter, start: number, count: number): void {
  const wider = count < 0x10000 ? 2 : 4;
  writer.reserve(wider);
  writer.bytes.copyWithin(start + 1 + wider, start + 1, writer.length);
  writer.length += wider;
  if (wider === 2) {
    writer.bytes[start] = 0xde;
    writer.view.setUint16(start + 1, count);
  } else {
    writer.bytes[start] = 0xdf;
    putU32(writer.bytes, start + 1, count);
  }
}

function writeSpecial(writer: ByteWriter, value: object): boolean {
  if (isBytes(value)) {
    writer.reserve(5 + value.length);
    writer.length = writeSizedHeader(writer.bytes, writer.length, 0xc4, value.length);
    writer.writeRaw(value);
    return true;
  }
  const ms = dateMs(value);
  if (Number.isNaN(ms)) return false;
  writeDate(writer, ms);
  return true;
}
