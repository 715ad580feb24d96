import { utf8Equals } from '../wire/utf8.js';
import { type DecodeOptions, decodeValue } from './decodeValue.js';
import { malformed } from './format.js';
import { headerSize, readClaim, skipValue } from './skipValue.js';

/**
 * The field at `path` of the value in `bytes[start, end)`, decoded alone: the rest is stepped over. Undefined when it
 * is missing, or when something on the way is no map. An empty path names the value itself. Only a validated value
 * gives a certain answer; on other bytes this throws `TopGunError('INVALID_VALUE')` or returns what it found first.
 */
export function readField(
  bytes: Uint8Array,
  start: number,
  end: number,
  path: readonly string[],
  options?: DecodeOptions,
): unknown {
  const limit = Math.min(end, bytes.length);
  let pos = start;
  for (const name of path) {
    pos = findField(bytes, pos, limit, name);
    if (pos < 0) return undefined;
  }
  return decodeValue(bytes, pos, endOf(bytes, pos, limit), options);
}

/** Where the value of `name` begins in the map at `pos`; -1 when that is no map or has no such field. */
function findField(bytes: Uint8Array, pos: number, end: number, name: string): number {
  if (pos >= end) throw malformed('it ends too soon');
  const token = bytes[pos] as number;
  const isShort = (token & 0xf0) === 0x80;
  if (!isShort && token < 0xde) return -1;
  if (token > 0xdf) return -1;
  let at = pos + (isShort ? 1 : headerSize(token));
  if (at > end) throw malformed('it ends too soon');
  const count = isShort ? token & 0x0f : readClaim(bytes, pos, token);
  for (let i = 0; i < count; i++) {
    const keyEnd = endOf(bytes, at, end);
    const keyToken = bytes[at] as number;
    const keyStart =
      at + ((keyToken & 0xe0) === 0xa0 ? 1 : keyToken >= 0xd9 && keyToken <= 0xdb ? headerSize(keyToken) : 0);
    if (keyStart === at) throw malformed('a map has a key that is no text');
    if (utf8Equals(bytes, keyStart, keyEnd, name)) return keyEnd;
    at = endOf(bytes, keyEnd, end);
  }
  return -1;
}

function endOf(bytes: Uint8Array, pos: number, end: number): number {
  const stop = skipValue(bytes, pos, end);
  if (stop < 0) throw malformed('it ends too soon');
  return stop;
}
