import { FIXED_SIZE, readU16, readU32 } from './format.js';

/**
 * Where the value that begins at `pos` ends, or -1 when it does not end by `end`. Looks at structure alone (that texts
 * are UTF-8, that keys are texts and so on is `validateValue`'s work) and needs no stack, however deep the value.
 */
export function skipValue(bytes: Uint8Array, pos: number, end: number): number {
  if (end > bytes.length) return -1;
  let at = pos;
  let left = 1;
  while (left > 0) {
    // Each value still due takes a byte at least: absurd counts end here.
    if (left > end - at) return -1;
    left--;
    const token = bytes[at] as number;
    const fixed = FIXED_SIZE[token] as number;
    if (fixed !== 0) {
      at += fixed;
    } else if (token < 0x90) {
      at++;
      left += (token & 0x0f) * 2;
    } else if (token < 0xa0) {
      at++;
      left += token & 0x0f;
    } else if (token < 0xc0) {
      at += 1 + (token & 0x1f);
    } else {
      const header = headerSize(token);
      if (header === 0 || at + header > end) return -1;
      const claim = readClaim(bytes, at, token);
      at += header;
      if (token >= 0xde) left += claim * 2;
      else if (token >= 0xdc) left += claim;
      else at += claim;
    }
    if (at > end) return -1;
  }
  return at;
}

/** The bytes in front of what a token with a length announces: token, length, extension type. 0 for 0xc1. */
export function headerSize(token: number): number {
  if (token >= 0xd9) return token === 0xdb || token === 0xdd || token === 0xdf ? 5 : token === 0xd9 ? 2 : 3;
  if (token >= 0xd4) return 2;
  if (token >= 0xc7) return token === 0xc7 ? 3 : token === 0xc8 ? 4 : 6;
  return token === 0xc4 ? 2 : token === 0xc5 ? 3 : token === 0xc6 ? 5 : 0;
}

/** The length that the token at `pos` announces: bytes of a text, of bytes or of an extension; items; pairs. */
export function readClaim(bytes: Uint8Array, pos: number, token: number): number {
  switch (token) {
    case 0xc4:
    case 0xc7:
    case 0xd9:
      return bytes[pos + 1] as number;
    case 0xc5:
    case 0xc8:
    case 0xda:
    case 0xdc:
    case 0xde:
      return readU16(bytes, pos + 1);
    case 0xc6:
    case 0xc9:
    case 0xdb:
    case 0xdd:
    case 0xdf:
      return readU32(bytes, pos + 1);
    default:
      return 1 << (token - 0xd4);
  }
}
