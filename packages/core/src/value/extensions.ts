import type { ByteWriter } from '../wire/ByteWriter.js';
import { EXT_BIGINT, EXT_TIMESTAMP, readU32 } from './format.js';

const MAX_DATE_MS = 8.64e15;

/** Writes a valid Date in the shortest timestamp format that holds it. */
export function writeDate(writer: ByteWriter, ms: number): void {
  writer.reserve(15);
  const { view } = writer;
  const pos = writer.length;
  const seconds = Math.floor(ms / 1000);
  const nanos = (ms - seconds * 1000) * 1e6;
  if (seconds >= 0 && seconds <= 0xffffffff && nanos === 0) {
    view.setUint16(pos, 0xd6ff);
    view.setUint32(pos + 2, seconds);
    writer.length = pos + 6;
  } else if (seconds >= 0 && seconds < 2 ** 34) {
    view.setUint16(pos, 0xd7ff);
    view.setUint32(pos + 2, nanos * 4 + Math.floor(seconds / 2 ** 32));
    view.setUint32(pos + 6, seconds % 2 ** 32);
    writer.length = pos + 10;
  } else {
    view.setUint16(pos, 0xc70c);
    view.setUint8(pos + 2, EXT_TIMESTAMP);
    view.setUint32(pos + 3, nanos);
    view.setInt32(pos + 7, Math.floor(seconds / 2 ** 32));
    view.setUint32(pos + 11, seconds);
    writer.length = pos + 15;
  }
}

/**
 * The ms of a timestamp extension's `size` payload bytes at `pos`, or NaN when they are none that a Date can hold.
 * What is finer than a ms is cut off.
 */
export function readTimestamp(bytes: Uint8Array, pos: number, size: number): number {
  let nanos = 0;
  let seconds: number;
  if (size === 4) {
    seconds = readU32(bytes, pos);
  } else if (size === 8) {
    const high = readU32(bytes, pos);
    nanos = high >>> 2;
    seconds = (high & 3) * 2 ** 32 + readU32(bytes, pos + 4);
  } else if (size === 12) {
    nanos = readU32(bytes, pos);
    seconds = (readU32(bytes, pos + 4) | 0) * 2 ** 32 + readU32(bytes, pos + 8);
  } else {
    return Number.NaN;
  }
  const ms = seconds * 1000 + Math.floor(nanos / 1e6);
  return nanos < 1e9 && Math.abs(ms) <= MAX_DATE_MS ? ms : Number.NaN;
}

export function writeBigint(writer: ByteWriter, value: bigint): void {
  writer.reserve(9);
  const pos = writer.length;
  if (BigInt.asIntN(64, value) === value) {
    writer.bytes[pos] = 0xd3;
    writer.view.setBigInt64(pos + 1, value);
    writer.length = pos + 9;
  } else if (BigInt.asUintN(64, value) === value) {
    writer.bytes[pos] = 0xcf;
    writer.view.setBigUint64(pos + 1, value);
    writer.length = pos + 9;
  } else {
    writeWideBigint(writer, value);
  }
}

function writeWideBigint(writer: ByteWriter, value: bigint): void {
  const hex = (value < 0n ? -value : value).toString(16);
  const digits = hex.length % 2 === 0 ? hex : `0${hex}`;
  const size = digits.length / 2 + 1;
  writer.reserve(6 + size);
  const { view } = writer;
  let pos = writer.length;
  if (size < 0x100) {
    view.setUint8(pos, 0xc7);
    view.setUint8(pos + 1, size);
    pos += 2;
  } else if (size < 0x10000) {
    view.setUint8(pos, 0xc8);
    view.setUint16(pos + 1, size);
    pos += 3;
  } else {
    view.setUint8(pos, 0xc9);
    view.setUint32(pos + 1, size);
    pos += 5;
  }
  view.setUint8(pos++, EXT_BIGINT);
  view.setUint8(pos++, value < 0n ? 1 : 0);
  for (let i = 0; i < digits.length; i += 2) view.setUint8(pos++, Number.parseInt(digits.slice(i, i + 2), 16));
  writer.length = pos;
}

/** Whether `size` payload bytes at `pos` are a wide bigint in its only spelling: no zeros in front, wider than 64 bits. */
export function isWideBigint(bytes: Uint8Array, pos: number, size: number): boolean {
  const sign = bytes[pos] as number;
  if (size < 9 || sign > 1 || bytes[pos + 1] === 0) return false;
  if (size > 9) return true;
  // Eight bytes: positive ones have a format of their own, and negative ones down to -2^63 too.
  return (
    sign === 1 &&
    ((bytes[pos + 1] as number) > 0x80 || ((bytes[pos + 1] as number) === 0x80 && readLow56(bytes, pos + 2)))
  );
}

function readLow56(bytes: Uint8Array, pos: number): boolean {
  for (let i = 0; i < 7; i++) if (bytes[pos + i] !== 0) return true;
  return false;
}

export function readWideBigint(bytes: Uint8Array, pos: number, size: number): bigint {
  const digits = new Array<string>(size - 1);
  for (let i = 1; i < size; i++) digits[i - 1] = (bytes[pos + i] as number).toString(16).padStart(2, '0');
  const magnitude = BigInt(`0x${digits.join('')}`);
  return bytes[pos] === 1 ? -magnitude : magnitude;
}
