import { isUtf8, readUtf8 } from '../wire/utf8.js';
import { isWideBigint, readTimestamp } from './extensions.js';
import { EXT_BIGINT, EXT_TIMESTAMP, FIXED_SIZE, MAX_VALUE_DEPTH } from './format.js';
import { type KeyNode, KeyTrie, keysUpTo } from './KeyTrie.js';
import { headerSize, readClaim } from './skipValue.js';

/**
 * Whether `bytes[start, end)` is exactly one well-formed value, nested at most `maxDepth` levels: whether `decodeValue`
 * would return. Builds nothing; time grows with the number of bytes only.
 */
export function validateValue(
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
  maxDepth: number = MAX_VALUE_DEPTH,
): boolean {
  if (end > bytes.length) return false;
  return validator.check(bytes, start, end, Math.min(maxDepth, MAX_VALUE_DEPTH)) === end;
}

class ValueValidator {
  readonly #keys = new KeyTrie();

  /** Where the value at `pos` ends, or -1. `depth` is how many levels may still open. */
  check(bytes: Uint8Array, pos: number, end: number, depth: number): number {
    if (pos >= end) return -1;
    const token = bytes[pos] as number;
    const fixed = FIXED_SIZE[token] as number;
    if (fixed !== 0) return pos + fixed <= end ? pos + fixed : -1;
    if (token < 0x90) return this.#checkMap(bytes, pos + 1, end, token & 0x0f, depth);
    if (token < 0xa0) return this.#checkItems(bytes, pos + 1, end, token & 0x0f, depth);
    if (token < 0xc0) return checkText(bytes, pos + 1, pos + 1 + (token & 0x1f), end);

    const header = headerSize(token);
    const body = pos + header;
    if (header === 0 || body > end) return -1;
    const claim = readClaim(bytes, pos, token);
    if (token >= 0xde) return this.#checkMap(bytes, body, end, claim, depth);
    if (token >= 0xdc) return this.#checkItems(bytes, body, end, claim, depth);
    if (token >= 0xd9) return checkText(bytes, body, body + claim, end);
    if (body + claim > end) return -1;
    if (token <= 0xc6) return body + claim;
    return isExtension(bytes, body, claim) ? body + claim : -1;
  }

  #checkItems(bytes: Uint8Array, pos: number, end: number, count: number, depth: number): number {
    if (depth === 0 || count > end - pos) return -1;
    let at = pos;
    for (let i = 0; i < count && at >= 0; i++) at = this.check(bytes, at, end, depth - 1);
    return at;
  }

  #checkMap(bytes: Uint8Array, pos: number, end: number, count: number, depth: number): number {
    if (depth === 0 || count * 2 > end - pos) return -1;
    let at = pos;
    let node: KeyNode | null = this.#keys.root;
    let seen: Set<string> | null = null;
    for (let i = 0; i < count; i++) {
      const token = at < end ? (bytes[at] as number) : 0;
      const isShort = (token & 0xe0) === 0xa0;
      const header = isShort ? 1 : token >= 0xd9 && token <= 0xdb ? headerSize(token) : 0;
      const start = at + header;
      if (header === 0 || start > end) return -1;
      const stop = start + (isShort ? token & 0x1f : readClaim(bytes, at, token));
      if (stop > end) return -1;
      if (node !== null) {
        const next: KeyNode | null = this.#keys.step(node, bytes, start, stop);
        // From the first key on that the trie does not vouch for, this map is on its own.
        if (next === null) seen = new Set(keysUpTo(node));
        node = next;
      }
      if (seen !== null && !isNewKey(seen, bytes, start, stop)) return -1;
      at = this.check(bytes, stop, end, depth - 1);
      if (at < 0) return -1;
    }
    return at;
  }
}

function checkText(bytes: Uint8Array, start: number, stop: number, end: number): number {
  return stop <= end && isUtf8(bytes, start, stop) ? stop : -1;
}

function isNewKey(seen: Set<string>, bytes: Uint8Array, start: number, end: number): boolean {
  const key = readUtf8(bytes, start, end);
  if (key === null || seen.has(key)) return false;
  seen.add(key);
  return true;
}

/** `body` is behind the type byte. */
function isExtension(bytes: Uint8Array, body: number, size: number): boolean {
  const type = bytes[body - 1] as number;
  if (type === EXT_TIMESTAMP) return !Number.isNaN(readTimestamp(bytes, body, size));
  return type === EXT_BIGINT && isWideBigint(bytes, body, size);
}

// What it remembers between calls makes validating faster, never different.
const validator = new ValueValidator();
