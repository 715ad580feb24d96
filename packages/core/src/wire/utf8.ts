/**
 * UTF-8, strict in both directions: what JavaScript can hold but UTF-8 cannot (lone surrogates) is refused when written,
 * and bytes that are not UTF-8 are refused when read. No replacement characters, no stripped byte-order marks: a string
 * comes back as it was sent, or not at all. Refusals are return values, so that each caller can name its own error.
 */

const encoder = new TextEncoder();
/** `ignoreBOM: true` means: a byte-order mark is an ordinary character and stays. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// Calling into TextEncoder or TextDecoder costs about 100 ns; below these lengths a plain loop is done sooner.
const LONG_TEXT = 48;
const LONG_ASCII = 32;
const LONG_CHECK = 256;

/** The number of bytes that `text` takes; at least that many must be free before `writeUtf8`. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // A surrogate pair is two units and four bytes: two for each unit.
    bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}

/** Writes `text` at `pos` and returns the position behind it, or -1 when `text` holds a lone surrogate. */
export function writeUtf8(bytes: Uint8Array, pos: number, text: string): number {
  const length = text.length;
  if (length > LONG_TEXT) return writeLong(bytes, pos, text);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return writeWide(bytes, pos, text, i);
    bytes[pos++] = unit;
  }
  return pos;
}

function writeLong(bytes: Uint8Array, pos: number, text: string): number {
  const { read, written } = encoder.encodeInto(text, bytes.subarray(pos));
  // encodeInto writes U+FFFD for a lone surrogate: three bytes, or none when those do not fit. So a text that was read
  // to its end and took a byte a unit is ASCII and needs no second look.
  if ((read !== text.length || written !== read) && !isWellFormed(text)) return -1;
  return pos + written;
}

function writeWide(bytes: Uint8Array, pos: number, text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      bytes[pos++] = unit;
    } else if (unit < 0x800) {
      bytes[pos++] = 0xc0 | (unit >> 6);
      bytes[pos++] = 0x80 | (unit & 0x3f);
    } else if (unit < 0xd800 || unit > 0xdfff) {
      bytes[pos++] = 0xe0 | (unit >> 12);
      bytes[pos++] = 0x80 | ((unit >> 6) & 0x3f);
      bytes[pos++] = 0x80 | (unit & 0x3f);
    } else {
      const low = text.charCodeAt(++i);
      if (unit > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) return -1;
      const point = ((unit & 0x3ff) << 10) + (low & 0x3ff) + 0x10000;
      bytes[pos++] = 0xf0 | (point >> 18);
      bytes[pos++] = 0x80 | ((point >> 12) & 0x3f);
      bytes[pos++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[pos++] = 0x80 | (point & 0x3f);
    }
  }
  return pos;
}

/** Whether every surrogate of `text` is half of a pair, so that UTF-8 can carry it. */
export function isWellFormed(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const low = text.charCodeAt(++i);
    if (unit > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) return false;
  }
  return true;
}

/** The string in `bytes[start, end)`, or null when that is not UTF-8. The range must lie within `bytes`. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string | null {
  const short = end - start <= LONG_ASCII ? readShortAscii(bytes, start, end) : null;
  if (short !== null) return short;
  try {
    return decoder.decode(bytes.subarray(start, end));
  } catch {
    return null;
  }
}

/** Null when a byte is not ASCII. In chunks, because one call that makes eight characters costs little more than one. */
function readShortAscii(bytes: Uint8Array, start: number, end: number): string | null {
  let text = '';
  let i = start;
  for (; i + 8 <= end; i += 8) {
    const a = bytes[i] as number;
    const b = bytes[i + 1] as number;
    const c = bytes[i + 2] as number;
    const d = bytes[i + 3] as number;
    const e = bytes[i + 4] as number;
    const f = bytes[i + 5] as number;
    const g = bytes[i + 6] as number;
    const h = bytes[i + 7] as number;
    if ((a | b | c | d | e | f | g | h) > 0x7f) return null;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  if (i + 4 <= end) {
    const a = bytes[i] as number;
    const b = bytes[i + 1] as number;
    const c = bytes[i + 2] as number;
    const d = bytes[i + 3] as number;
    if ((a | b | c | d) > 0x7f) return null;
    text += String.fromCharCode(a, b, c, d);
    i += 4;
  }
  for (; i < end; i++) {
    const a = bytes[i] as number;
    if (a > 0x7f) return null;
    text += String.fromCharCode(a);
  }
  return text;
}

/** Whether `bytes[start, end)` is UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > LONG_CHECK) return readUtf8(bytes, start, end) !== null;
  let i = start;
  while (i < end) {
    while (i + 4 <= end && !hasWide(bytes, i)) i += 4;
    if (i === end) break;
    const lead = bytes[i++] as number;
    if (lead < 0x80) continue;
    if (lead < 0xc2 || lead > 0xf4) return false;
    const more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (i + more > end) return false;
    // Only the second byte has a range of its own: it rules out overlong forms, surrogates and points too high.
    const second = bytes[i] as number;
    const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (second < lowest || second > highest) return false;
    for (let k = 1; k < more; k++) {
      if (((bytes[i + k] as number) & 0xc0) !== 0x80) return false;
    }
    i += more;
  }
  return true;
}

/** Whether one of the four bytes at `i` is not ASCII. */
function hasWide(bytes: Uint8Array, i: number): boolean {
  return ((bytes[i] as number) | (bytes[i + 1] as number) | (bytes[i + 2] as number) | (bytes[i + 3] as number)) > 0x7f;
}

/** Whether the UTF-8 in `bytes[start, end)` spells `text`, without making a string of it. */
export function utf8Equals(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  const size = end - start;
  // Each UTF-16 unit takes one to three bytes.
  if (text.length > size || text.length * 3 < size) return false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return readUtf8(bytes, start, end) === text;
    if (bytes[start + i] !== unit) return false;
  }
  return text.length === size;
}
