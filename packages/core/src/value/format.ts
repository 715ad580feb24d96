import { TopGunError } from '../errors.js';

/** How deep arrays and objects may lie in each other; a bare number has depth 0, `[]` has depth 1. */
export const MAX_VALUE_DEPTH = 64;

export const EXT_BIGINT = 1;
export const EXT_TIMESTAMP = 0xff; // -1

/**
 * By first byte: the whole size of a value whose size that byte decides alone, 0 for all others (texts, bytes, arrays,
 * maps, extensions, and 0xc1, which MessagePack never uses).
 */
export const FIXED_SIZE: Uint8Array = fixedSizes();

function fixedSizes(): Uint8Array {
  const sizes = new Uint8Array(256);
  sizes.fill(1, 0x00, 0x80);
  sizes.fill(1, 0xe0, 0x100);
  sizes[0xc0] = 1;
  sizes[0xc2] = 1;
  sizes[0xc3] = 1;
  sizes[0xca] = 5;
  sizes[0xcb] = 9;
  for (const [i, size] of [2, 3, 5, 9].entries()) {
    sizes[0xcc + i] = size;
    sizes[0xd0 + i] = size;
  }
  return sizes;
}

export function malformed(problem: string): TopGunError {
  return new TopGunError('INVALID_VALUE', `malformed value: ${problem}`);
}

export function readU16(bytes: Uint8Array, pos: number): number {
  return ((bytes[pos] as number) << 8) | (bytes[pos + 1] as number);
}

export function readU32(bytes: Uint8Array, pos: number): number {
  return (
    (((bytes[pos] as number) << 24) |
      ((bytes[pos + 1] as number) << 16) |
      ((bytes[pos + 2] as number) << 8) |
      (bytes[pos + 3] as number)) >>>
    0
  );
}
