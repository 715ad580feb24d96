import { compareTimestamps, type Timestamp } from '../clock/Timestamp.js';
import { TopGunError } from '../errors.js';
import { ByteReader } from '../wire/ByteReader.js';
import { ByteWriter } from '../wire/ByteWriter.js';
import { readU16, readU24, readU32, readU48, writeU24, writeU32, writeU48 } from './fixedWidth.js';
import { readNames, writeNames } from './NameColumn.js';

/** An element of an observed-remove set: its value's bytes and the timestamp of the operation that added it. */
export interface OrElement {
  readonly stamp: Timestamp;
  readonly value: Uint8Array;
}

/**
 * The state of one OR-map key: the elements that are there, and the timestamps of those that were removed, each named by
 * the timestamp of its addition. Both in ascending order, so equal states are equal byte by byte.
 * Source: Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types" (2011), OR-Set.
 *
 * As bytes, for OrView to search and OrMerge to edit without decoding:
 *
 *   counts     three varuints: replicas, elements, removed
 *   replicas   see NameColumn; just those that a timestamp names
 *   elements   timestamps, STAMP_BYTES each: ms (6 bytes), counter (2), number of the replica (3)
 *   ends       4 bytes an element: where its value ends, counted from the first value
 *   removed    timestamps
 *   values     one behind the other
 */
export interface OrState {
  readonly elements: readonly OrElement[];
  readonly removed: readonly Timestamp[];
}

export const EMPTY_OR_STATE: OrState = { elements: [], removed: [] };

export const STAMP_BYTES = 11;
/** Where in a timestamp the number of its replica stands. */
export const REPLICA_AT = 8;
export const END_BYTES = 4;

/** Drops removed timestamps older than `horizonMs`: operations that old are refused, so nothing can bring them back. */
export function pruneOrState(state: OrState, horizonMs: number): OrState {
  const removed = state.removed.filter((stamp) => stamp.ms >= horizonMs);
  return removed.length === state.removed.length ? state : { elements: state.elements, removed };
}

export function encodeOrState(state: OrState): Uint8Array<ArrayBuffer> {
  const { elements, removed } = state;
  const numbers = numberReplicas(state);
  const writer = new ByteWriter(64 + numbers.size * 40 + elements.length * 48 + removed.length * STAMP_BYTES);
  writer.writeVaruint(numbers.size);
  writer.writeVaruint(elements.length);
  writer.writeVaruint(removed.length);
  writeNames(writer, [...numbers.keys()]);
  for (const { stamp } of elements) writeStamp(writer, stamp, numbers.get(stamp.replica) as number);
  let end = 0;
  for (const { value } of elements) {
    end += value.length;
    writer.reserve(END_BYTES);
    writeU32(writer.bytes, writer.length, end);
    writer.length += END_BYTES;
  }
  for (const stamp of removed) writeStamp(writer, stamp, numbers.get(stamp.replica) as number);
  for (const { value } of elements) writer.writeRaw(value);
  return writer.toBytes();
}

function numberReplicas(state: OrState): ReadonlyMap<string, number> {
  const replicas = new Set<string>();
  for (const { stamp } of state.elements) replicas.add(stamp.replica);
  for (const { replica } of state.removed) replicas.add(replica);
  // The order of Array.sort without a comparator is that of timestamps: by UTF-16 code units.
  return new Map([...replicas].sort().map((replica, number) => [replica, number]));
}

export function writeStamp(writer: ByteWriter, stamp: Timestamp, replica: number): void {
  writer.reserve(STAMP_BYTES);
  const { bytes, length: at } = writer;
  writeU48(bytes, at, stamp.ms);
  bytes[at + 6] = stamp.counter >>> 8;
  bytes[at + 7] = stamp.counter;
  writeU24(bytes, at + REPLICA_AT, replica);
  writer.length = at + STAMP_BYTES;
}

/** @throws TopGunError BAD_FRAME for bytes that are no state. Values are views of `bytes`. */
export function decodeOrState(bytes: Uint8Array): OrState {
  const reader = new ByteReader(bytes);
  const replicaCount = reader.readCount(END_BYTES);
  const elementCount = reader.readCount(STAMP_BYTES + END_BYTES);
  const removedCount = reader.readCount(STAMP_BYTES);
  const names = readNames(reader, replicaCount);
  const used = new Uint8Array(replicaCount);
  const stamps = readStamps(reader, elementCount, names, used);
  const endsAt = reader.skip(elementCount * END_BYTES);
  const removed = readStamps(reader, removedCount, names, used);
  const elements: OrElement[] = [];
  let start = 0;
  for (let i = 0; i < elementCount; i++) {
    const end = readU32(bytes, endsAt + i * END_BYTES);
    if (end < start) throw invalid('the values overlap');
    elements.push({ stamp: stamps[i] as Timestamp, value: reader.readRaw(end - start) });
    start = end;
  }
  reader.expectEnd();
  if (used.includes(0)) throw invalid('it lists a replica in vain');
  if (haveCommon(stamps, removed)) throw invalid('an element is there and removed');
  return { elements, removed };
}

function readStamps(reader: ByteReader, count: number, names: readonly string[], used: Uint8Array): Timestamp[] {
  const stamps: Timestamp[] = [];
  let previous: Timestamp | null = null;
  for (let i = 0; i < count; i++) {
    const at = reader.skip(STAMP_BYTES);
    const number = readU24(reader.bytes, at + REPLICA_AT);
    const replica = names[number];
    if (replica === undefined) throw invalid('a replica is missing');
    used[number] = 1;
    const stamp = { ms: readU48(reader.bytes, at), counter: readU16(reader.bytes, at + 6), replica };
    if (previous !== null && compareTimestamps(previous, stamp) >= 0) throw invalid('timestamps must ascend');
    stamps.push(stamp);
    previous = stamp;
  }
  return stamps;
}

function haveCommon(a: readonly Timestamp[], b: readonly Timestamp[]): boolean {
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const order = compareTimestamps(a[i] as Timestamp, b[j] as Timestamp);
    if (order === 0) return true;
    if (order < 0) i++;
    else j++;
  }
  return false;
}

function invalid(problem: string): TopGunError {
  return new TopGunError('BAD_FRAME', `The state of an OR-set is malformed: ${problem}.`);
}
