import { TopGunError } from '../errors.js';
import type { ByteReader } from '../wire/ByteReader.js';
import type { ByteWriter } from '../wire/ByteWriter.js';

/*
 * Columns of whole numbers as varuints, one after the other. Nearly all of them take a byte, which is read and written
 * here without a call; the rest is left to ByteWriter and ByteReader.
 */

const MAX_VARUINT_BYTES = 8;

/** Writes the numbers `column[from...]`, from 0 to 2^53 - 1. */
export function writeNumbers(writer: ByteWriter, column: readonly number[], from = 0): void {
  writer.reserve((column.length - from) * MAX_VARUINT_BYTES);
  const bytes = writer.bytes;
  let at = writer.length;
  for (let i = from; i < column.length; i++) {
    const value = column[i] as number;
    if (value >= 0 && value < 0x80) bytes[at++] = value;
    else at = writeLarge(writer, at, value);
  }
  writer.length = at;
}

/** Writes for each of `column[from...]` the difference to the one before it, for the first that to `previous`. */
export function writeDifferences(writer: ByteWriter, column: readonly number[], from = 0, previous = 0): void {
  writer.reserve((column.length - from) * MAX_VARUINT_BYTES);
  const bytes = writer.bytes;
  let at = writer.length;
  let last = previous;
  for (let i = from; i < column.length; i++) {
    const value = column[i] as number;
    const difference = value - last;
    last = value;
    // 0, -1, 1, -2, ... as 0, 1, 2, 3, ...
    const folded = difference < 0 ? -difference * 2 - 1 : difference * 2;
    if (folded < 0x80) bytes[at++] = folded;
    else at = writeLarge(writer, at, folded);
  }
  writer.length = at;
}

function writeLarge(writer: ByteWriter, at: number, value: number): number {
  writer.length = at;
  writer.writeVaruint(value);
  return writer.length;
}

/** Appends `count` numbers to `column`. Their sum may be anything: check it. @throws TopGunError BAD_FRAME */
export function readNumbers(reader: ByteReader, count: number, column: number[]): void {
  const { bytes, end } = reader;
  let at = reader.position;
  const from = column.length;
  column.length += count;
  for (let i = 0; i < count; i++) {
    const first = at < end ? (bytes[at] as number) : 0x80;
    if (first < 0x80) {
      column[from + i] = first;
      at++;
    } else {
      reader.position = at;
      column[from + i] = reader.readVaruint();
      at = reader.position;
    }
  }
  reader.position = at;
}

/** Undoes `writeDifferences`. @throws TopGunError BAD_FRAME, also for a number outside 0 to `max` */
export function readDifferences(reader: ByteReader, count: number, column: number[], max: number, previous = 0): void {
  const { bytes, end } = reader;
  let at = reader.position;
  let value = previous;
  const from = column.length;
  column.length += count;
  for (let i = 0; i < count; i++) {
    const first = at < end ? (bytes[at] as number) : 0x80;
    if (first < 0x80) {
      value += (first >>> 1) ^ -(first & 1);
      at++;
    } else {
      reader.position = at;
      value += reader.readVarint();
      at = reader.position;
    }
    if (!(value >= 0 && value <= max)) throw new TopGunError('BAD_FRAME', 'a number of the entries is out of range');
    column[from + i] = value;
  }
  reader.position = at;
}
