import type { StorageKey } from '@topgunbuild/client';
import { TopGunError } from '@topgunbuild/core';

/**
 * Keys as bytes. Each UTF-16 unit takes one to three bytes, as in UTF-8 but without joining surrogates, so that bytes
 * sort as JavaScript and IndexedDB sort strings, and any string comes back. Every byte is then raised by one (none is
 * above 0xef), which leaves 0 for the border between parts: no part can contain it, and a prefix sorts first.
 * The largest key, 256 and 1,024 bytes of UTF-8, has 1,921 bytes, below LMDB's limit of 1,978.
 */
export function encodeStorageKey(parts: StorageKey): Uint8Array {
  let units = parts.length - 1;
  for (const part of parts) units += part.length;
  const bytes = new Uint8Array(3 * units);
  let at = 0;
  for (const [index, part] of parts.entries()) {
    if (index > 0) bytes[at++] = 0;
    at = writePart(part, bytes, at);
  }
  if (at === 0) throw new TopGunError('INTERNAL', 'A storage key must not be empty');
  return bytes.subarray(0, at);
}

export function decodeStorageKey(bytes: Uint8Array): string[] {
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < bytes.length; at++) {
    const first = (bytes[at] ?? 0) - 1;
    if (first < 0) {
      parts.push(part);
      part = '';
    } else if (first < 0x80) {
      part += String.fromCharCode(first);
    } else if (first < 0xe0) {
      part += String.fromCharCode(((first & 0x1f) << 6) | rest(bytes, ++at));
    } else {
      part += String.fromCharCode(((first & 0x0f) << 12) | (rest(bytes, ++at) << 6) | rest(bytes, ++at));
    }
  }
  parts.push(part);
  return parts;
}

function writePart(part: string, bytes: Uint8Array, start: number): number {
  let at = start;
  for (let index = 0; index < part.length; index++) {
    const unit = part.charCodeAt(index);
    if (unit < 0x80) {
      bytes[at++] = unit + 1;
    } else if (unit < 0x800) {
      bytes[at++] = (0xc0 | (unit >> 6)) + 1;
      bytes[at++] = (0x80 | (unit & 0x3f)) + 1;
    } else {
      bytes[at++] = (0xe0 | (unit >> 12)) + 1;
      bytes[at++] = (0x80 | ((unit >> 6) & 0x3f)) + 1;
      bytes[at++] = (0x80 | (unit & 0x3f)) + 1;
    }
  }
  return at;
}

function rest(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) - 1) & 0x3f;
}
