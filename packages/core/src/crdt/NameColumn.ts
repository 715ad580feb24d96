import { TopGunError } from '../errors.js';
import type { ByteReader } from '../wire/ByteReader.js';
import type { ByteWriter } from '../wire/ByteWriter.js';
import { readUtf8, writeUtf8 } from '../wire/utf8.js';
import { readU32, writeU32 } from './fixedWidth.js';

const END_BYTES = 4;

/**
 * Different texts within the bytes of a state, in ascending order (by UTF-16 code units), found without decoding them:
 *
 *   ends   4 bytes each: where the text ends, counted from the first text
 *   texts  UTF-8, one behind the other
 *
 * For bytes that are known to be right; `readNames` is for others.
 */
export class NameColumn {
  readonly count: number;
  /** The position behind the column. */
  readonly end: number;
  readonly #bytes: Uint8Array;
  readonly #endsAt: number;
  readonly #textsAt: number;

  constructor(bytes: Uint8Array, at: number, count: number) {
    this.count = count;
    this.#bytes = bytes;
    this.#endsAt = at;
    this.#textsAt = at + count * END_BYTES;
    this.end = this.#startOf(count);
  }

  /** The number of `text`; when it is not there, `-1 - p` with `p` the number that it would get. Takes log(count) steps. */
  find(text: string): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = compareUtf8(this.#bytes, this.#startOf(middle), this.#startOf(middle + 1), text);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1 - low;
  }

  /** Writes the column with `texts` inserted, each before the text that has the number `places[i]` now; both ascending. */
  writeWith(writer: ByteWriter, places: readonly number[], texts: readonly string[]): void {
    const endsAt = writer.length;
    writer.reserve((this.count + texts.length) * END_BYTES);
    writer.length += (this.count + texts.length) * END_BYTES;
    const textsAt = writer.length;
    let copied = 0;
    let added = 0;
    for (let i = 0; i <= texts.length; i++) {
      const place = places[i] ?? this.count;
      for (let n = copied; n < place; n++) {
        writeU32(writer.bytes, endsAt + (n + i) * END_BYTES, this.#startOf(n + 1) - this.#textsAt + added);
      }
      writer.writeRaw(this.#bytes, this.#startOf(copied), this.#startOf(place));
      copied = place;
      const text = texts[i];
      if (text === undefined) break;
      const before = writer.length;
      writeText(writer, text);
      added += writer.length - before;
      writeU32(writer.bytes, endsAt + (place + i) * END_BYTES, writer.length - textsAt);
    }
  }

  #startOf(number: number): number {
    return this.#textsAt + (number === 0 ? 0 : readU32(this.#bytes, this.#endsAt + (number - 1) * END_BYTES));
  }
}

/** Writes a column of `texts`, which must be ascending. */
export function writeNames(writer: ByteWriter, texts: readonly string[]): void {
  const endsAt = writer.length;
  writer.reserve(texts.length * END_BYTES);
  writer.length += texts.length * END_BYTES;
  const textsAt = writer.length;
  for (let i = 0; i < texts.length; i++) {
    writeText(writer, texts[i] as string);
    writeU32(writer.bytes, endsAt + i * END_BYTES, writer.length - textsAt);
  }
}

/** Reads a column of `count` texts from bytes nobody vouches for. @throws TopGunError BAD_FRAME */
export function readNames(reader: ByteReader, count: number): string[] {
  const endsAt = reader.skip(count * END_BYTES);
  const texts: string[] = [];
  let start = 0;
  for (let i = 0; i < count; i++) {
    const end = readU32(reader.bytes, endsAt + i * END_BYTES);
    if (end < start) throw invalid();
    const at = reader.skip(end - start);
    const text = readUtf8(reader.bytes, at, at + end - start);
    if (text === null || (i > 0 && (texts[i - 1] as string) >= text)) throw invalid();
    texts.push(text);
    start = end;
  }
  return texts;
}

function writeText(writer: ByteWriter, text: string): void {
  writer.reserveText(text);
  const end = writeUtf8(writer.bytes, writer.length, text);
  if (end < 0) throw new TopGunError('INVALID_VALUE', 'A replica id has half of a surrogate pair.');
  writer.length = end;
}

/** Compares the text in `bytes[start, end)` with another, decoding it only when something is not ASCII. */
function compareUtf8(bytes: Uint8Array, start: number, end: number, text: string): number {
  const length = Math.min(end - start, text.length);
  for (let i = 0; i < length; i++) {
    const own = bytes[start + i] as number;
    const other = text.charCodeAt(i);
    if (own > 0x7f || other > 0x7f) return compareTexts(readUtf8(bytes, start, end) ?? '', text);
    if (own !== other) return own - other;
  }
  return end - start - text.length;
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function invalid(): TopGunError {
  return new TopGunError('BAD_FRAME', 'The replicas of a state are not UTF-8 in ascending order.');
}
