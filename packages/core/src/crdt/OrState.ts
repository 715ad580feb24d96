import { compareTimestamps, MAX_COUNTER, MAX_MS, type Timestamp } from '../clock/Timestamp.js';
import { TopGunError } from '../errors.js';
import { ByteReader } from '../wire/ByteReader.js';
import { ByteWriter } from '../wire/ByteWriter.js';

/** An element of an observed-remove set: its value's bytes and the timestamp of the operation that added it. */
export interface OrElement {
  readonly stamp: Timestamp;
  readonly value: Uint8Array;
}

/**
 * The state of one OR-map key: the elements that are there, and the timestamps of those that were removed, each named by
 * the timestamp of its addition. Both in ascending order, so equal states are equal byte by byte.
 * Source: Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types" (2011), OR-Set.
 */
export interface OrState {
  readonly elements: readonly OrElement[];
  readonly removed: readonly Timestamp[];
}

export const EMPTY_OR_STATE: OrState = { elements: [], removed: [] };

/** The join of two states: an element is there when one side has it and none has removed it. */
export function joinOrStates(a: OrState, b: OrState): OrState {
  const removed = mergeSorted(a.removed, b.removed, (stamp) => stamp);
  const elements = mergeSorted(a.elements, b.elements, (element) => element.stamp);
  return { elements: without(elements, removed), removed };
}

/** Elements not named in `removed`; both ascending. */
function without(elements: readonly OrElement[], removed: readonly Timestamp[]): OrElement[] {
  const kept: OrElement[] = [];
  let r = 0;
  for (const element of elements) {
    while (r < removed.length && compareTimestamps(removed[r] as Timestamp, element.stamp) < 0) r++;
    const next = removed[r];
    if (next === undefined || compareTimestamps(next, element.stamp) !== 0) kept.push(element);
  }
  return kept;
}

function mergeSorted<T>(a: readonly T[], b: readonly T[], stampOf: (item: T) => Timestamp): T[] {
  const merged: T[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    const order =
      left === undefined ? 1 : right === undefined ? -1 : compareTimestamps(stampOf(left), stampOf(right));
    if (order <= 0) {
      merged.push(left as T);
      i++;
      if (order === 0) j++;
    } else {
      merged.push(right as T);
      j++;
    }
  }
  return merged;
}

/** Drops removed timestamps older than `horizonMs`: operations that old are refused, so nothing can bring them back. */
export function pruneOrState(state: OrState, horizonMs: number): OrState {
  const removed = state.removed.filter((stamp) => stamp.ms >= horizonMs);
  return removed.length === state.removed.length ? state : { elements: state.elements, removed };
}

export function encodeOrState(state: OrState): Uint8Array {
  const writer = new ByteWriter();
  const replicas = new StampDictionary();
  for (const element of state.elements) replicas.add(element.stamp.replica);
  for (const stamp of state.removed) replicas.add(stamp.replica);
  replicas.write(writer);
  writer.writeVaruint(state.elements.length);
  for (const { stamp, value } of state.elements) {
    replicas.writeStamp(writer, stamp);
    writer.writeBytes(value);
  }
  writer.writeVaruint(state.removed.length);
  for (const stamp of state.removed) replicas.writeStamp(writer, stamp);
  return writer.toBytes();
}

/** @throws TopGunError BAD_FRAME for bytes that are no state. Values are views of `bytes`. */
export function decodeOrState(bytes: Uint8Array): OrState {
  const reader = new ByteReader(bytes);
  const replicas = readDictionary(reader);
  const elements: OrElement[] = [];
  for (let n = reader.readCount(4); n > 0; n--) {
    const stamp = readStamp(reader, replicas);
    elements.push({ stamp, value: reader.readBytes() });
  }
  const removed = readStamps(reader, replicas);
  reader.expectEnd();
  if (!isAscending(elements.map((element) => element.stamp)) || !isAscending(removed)) {
    throw new TopGunError('BAD_FRAME', 'An OR-set state must list its elements in ascending order of their timestamps.');
  }
  return { elements, removed };
}

/** The payload of OR_REMOVE: the timestamps of the elements to remove. */
export function encodeStamps(stamps: readonly Timestamp[]): Uint8Array {
  const writer = new ByteWriter();
  const replicas = new StampDictionary();
  for (const stamp of stamps) replicas.add(stamp.replica);
  replicas.write(writer);
  writer.writeVaruint(stamps.length);
  for (const stamp of stamps) replicas.writeStamp(writer, stamp);
  return writer.toBytes();
}

/** The timestamps of an OR_REMOVE payload, ascending. @throws TopGunError BAD_FRAME */
export function decodeStamps(bytes: Uint8Array): Timestamp[] {
  const reader = new ByteReader(bytes);
  const stamps = readStamps(reader, readDictionary(reader));
  reader.expectEnd();
  return stamps.sort(compareTimestamps);
}

function readStamps(reader: ByteReader, replicas: readonly string[]): Timestamp[] {
  const stamps: Timestamp[] = [];
  for (let n = reader.readCount(3); n > 0; n--) stamps.push(readStamp(reader, replicas));
  return stamps;
}

function readDictionary(reader: ByteReader): string[] {
  const replicas: string[] = [];
  for (let n = reader.readCount(1); n > 0; n--) replicas.push(reader.readString());
  return replicas;
}

function readStamp(reader: ByteReader, replicas: readonly string[]): Timestamp {
  const ms = reader.readVaruint();
  const counter = reader.readVaruint();
  const replica = replicas[reader.readVaruint()];
  if (ms > MAX_MS || counter > MAX_COUNTER || replica === undefined) {
    throw new TopGunError('BAD_FRAME', 'A timestamp is out of range.');
  }
  return { ms, counter, replica };
}

function isAscending(stamps: readonly Timestamp[]): boolean {
  for (let i = 1; i < stamps.length; i++) {
    if (compareTimestamps(stamps[i - 1] as Timestamp, stamps[i] as Timestamp) >= 0) return false;
  }
  return true;
}

class StampDictionary {
  readonly #numbers = new Map<string, number>();

  add(replica: string): void {
    if (!this.#numbers.has(replica)) this.#numbers.set(replica, this.#numbers.size);
  }

  write(writer: ByteWriter): void {
    writer.writeVaruint(this.#numbers.size);
    for (const replica of this.#numbers.keys()) writer.writeString(replica);
  }

  writeStamp(writer: ByteWriter, stamp: Timestamp): void {
    writer.writeVaruint(stamp.ms);
    writer.writeVaruint(stamp.counter);
    writer.writeVaruint(this.#numbers.get(stamp.replica) as number);
  }
}
