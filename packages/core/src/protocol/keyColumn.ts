import { TopGunError } from '../errors.js';
import type { ByteReader } from '../wire/ByteReader.js';
import type { ByteWriter } from '../wire/ByteWriter.js';
import { readUtf8, utf8Length, writeUtf8 } from '../wire/utf8.js';

/** From this many keys on it pays to decode all of them in one call and to cut the string. */
const MANY_KEYS = 4;

/** Writes the byte lengths of all keys, then their UTF-8 bytes. @throws TopGunError INVALID_VALUE for lone surrogates */
export function writeKeys(writer: ByteWriter, keys: readonly string[]): void {
  let total = 0;
  for (let i = 0; i < keys.length; i++) {
    const size = utf8Length(keys[i] as string);
    writer.writeVaruint(size);
    total += size;
  }
  // A lone surrogate in a long text takes three bytes before it is noticed: leave room for that.
  writer.reserve(total * 2 + 8);
  let position = writer.length;
  for (let i = 0; i < keys.length; i++) {
    position = writeUtf8(writer.bytes, position, keys[i] as string);
    if (position < 0) {
      throw new TopGunError('INVALID_VALUE', 'A key has half of a surrogate pair, which UTF-8 cannot carry.');
    }
  }
  writer.length = position;
}

/** Reads `count` keys into `keys`. @throws TopGunError BAD_FRAME */
export function readKeys(reader: ByteReader, count: number, keys: string[]): void {
  const lengths: number[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const length = reader.readVaruint();
    lengths.push(length);
    total += length;
  }
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
  for (const length of lengths) {
    keys.push(all.slice(position, position + length));
    position += length;
  }
}
