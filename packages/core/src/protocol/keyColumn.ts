import { TopGunError } from '../errors.js';
import type { ByteReader } from '../wire/ByteReader.js';
import type { ByteWriter } from '../wire/ByteWriter.js';
import { readUtf8, utf8Length, writeUtf8 } from '../wire/utf8.js';
import { readNumbers, writeNumbers } from './numberColumn.js';

/** From this many keys on it pays to decode all of them in one call and to cut the string. */
const MANY_KEYS = 4;

/** Longer keys are left to the platform's encoder. */
const LONG_KEY = 48;

/** Writes the byte lengths of all keys, then their UTF-8 bytes. @throws TopGunError INVALID_VALUE for lone surrogates */
export function writeKeys(writer: ByteWriter, keys: readonly string[]): void {
  const start = writer.length;
  if (writeAsciiKeys(writer, keys)) return;
  writer.length = start;
  const sizes = keys.map(utf8Length);
  writeNumbers(writer, sizes);
  // A lone surrogate in a long text takes three bytes before it is noticed: leave room for that.
  writer.reserve(sizes.reduce((sum, size) => sum + size, 0) * 2 + 8);
  let position = writer.length;
  for (const key of keys) {
    position = writeUtf8(writer.bytes, position, key);
    if (position < 0) {
      throw new TopGunError('INVALID_VALUE', 'A key has half of a surrogate pair, which UTF-8 cannot carry.');
    }
  }
  writer.length = position;
}

/** The same for short keys of nothing but ASCII, which nearly all are; false: some are not, and `writer` holds noise. */
function writeAsciiKeys(writer: ByteWriter, keys: readonly string[]): boolean {
  let total = keys.length;
  for (let i = 0; i < keys.length; i++) {
    const { length } = keys[i] as string;
    if (length > LONG_KEY) return false;
    total += length;
  }
  writer.reserve(total);
  const bytes = writer.bytes;
  let at = writer.length;
  for (let i = 0; i < keys.length; i++) bytes[at++] = (keys[i] as string).length;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    for (let c = 0; c < key.length; c++) {
      const unit = key.charCodeAt(c);
      if (unit > 0x7f) return false;
      bytes[at++] = unit;
    }
  }
  writer.length = at;
  return true;
}

/** Reads `count` keys into `keys`. @throws TopGunError BAD_FRAME */
export function readKeys(reader: ByteReader, count: number, keys: string[]): void {
  const lengths: number[] = [];
  readNumbers(reader, count, lengths);
  let total = 0;
  for (let i = 0; i < count; i++) total += lengths[i] as number;
  const start = reader.skip(total);
  const all = count < MANY_KEYS ? null : readUtf8(reader.bytes, start, start + total);
  if (all !== null && all.length === total) {
    cutAscii(all, lengths, keys);
    return;
  }
  let position = start;
  for (const length of lengths) {
    const key = readUtf8(reader.bytes, position, position + length);
    if (key === null) throw new TopGunError('BAD_FRAME', 'a key is not UTF-8');
    keys.push(key);
    position += length;
  }
}

/** As many characters as bytes: nothing but ASCII, so byte lengths are lengths in characters. */
function cutAscii(all: string, lengths: readonly number[], keys: string[]): void {
  let position = 0;
  keys.length = lengths.length;
  for (let i = 0; i < lengths.length; i++) {
    const end = position + (lengths[i] as number);
    keys[i] = all.slice(position, end);
    position = end;
  }
}
