import type { ByteReader } from '../wire/ByteReader.js';

/** First bytes of MessagePack values, as far as frames need them. */
export const Token = {
  MAX_FIXINT: 0x7f,
  FIX_MAP: 0x80,
  FIX_ARRAY: 0x90,
  FIX_TEXT: 0xa0,
  MAX_FIX_TEXT: 0xbf,
  NIL: 0xc0,
  /** Begins no value. */
  NEVER: 0xc1,
  FALSE: 0xc2,
  TRUE: 0xc3,
  BIN_8: 0xc4,
  BIN_32: 0xc6,
  FLOAT_32: 0xca,
  INT_64: 0xd3,
  TEXT_8: 0xd9,
  TEXT_32: 0xdb,
  ARRAY_16: 0xdc,
  ARRAY_32: 0xdd,
  MAP_16: 0xde,
  MAP_32: 0xdf,
  MIN_NEGATIVE: 0xe0,
} as const;

/** How many bytes the text at the reader's position claims to have; infinitely many when `token` begins no text. */
export function textClaim(reader: ByteReader, token: number): number {
  if (token >= Token.FIX_TEXT && token <= Token.MAX_FIX_TEXT) return token & 0x1f;
  if (token < Token.TEXT_8 || token > Token.TEXT_32) return Number.POSITIVE_INFINITY;
  const { bytes, position } = reader;
  const size = 1 << (token - Token.TEXT_8);
  let claim = 0;
  for (let i = 1; i <= size; i++) claim = claim * 256 + (bytes[position + i] ?? 0xff);
  return claim;
}
