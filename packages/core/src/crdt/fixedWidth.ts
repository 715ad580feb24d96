/*
 * Unsigned integers of a fixed number of bytes, big-endian: what columns are made of that are searched and edited without
 * being decoded. Callers see to it that the bytes are there and that numbers fit.
 */

export function readU24(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}

export function writeU24(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 16;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value;
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 24) | readU24(bytes, at + 1)) >>> 0;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  writeU24(bytes, at + 1, value);
}

export function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

export function readU48(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at) * 2 ** 32 + readU32(bytes, at + 2);
}

export function writeU48(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  writeU32(bytes, at + 2, value >>> 0);
}

/** Up to 2^53 - 1 by the callers' promise; what hostile bytes say may be more, and then is not exact. */
export function readU56(bytes: Uint8Array, at: number): number {
  return readU24(bytes, at) * 2 ** 32 + readU32(bytes, at + 3);
}

export function writeU56(bytes: Uint8Array, at: number, value: number): void {
  writeU24(bytes, at, Math.floor(value / 2 ** 32));
  writeU32(bytes, at + 3, value >>> 0);
}
