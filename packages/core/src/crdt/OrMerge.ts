import type { Timestamp } from '../clock/Timestamp.js';
import { ByteWriter } from '../wire/ByteWriter.js';
import { readU24, readU32, writeU24, writeU32 } from './fixedWidth.js';
import { END_BYTES, type OrElement, type OrState, REPLICA_AT, STAMP_BYTES, writeStamp } from './OrState.js';
import type { OrView } from './OrView.js';

interface Replicas {
  /** Those that the state does not name yet, ascending, and before which present one each comes. */
  readonly texts: readonly string[];
  readonly places: readonly number[];
  /** The new number of each present one; null when they keep theirs. */
  readonly renumbering: Uint32Array | null;
  /** The number of any of both in the new state. */
  readonly numberOf: (replica: string) => number;
}

/**
 * The join of a state, in bytes, with a change, most often a single element: an element is there when one side has it
 * and none has removed it. Made first, then judged, then written; what does not change is copied in whole runs.
 */
export class OrMerge {
  /** An element of the change is there already, with another value. */
  readonly conflicts: boolean;
  readonly #view: OrView;
  /** Elements to insert, and before which present element each. */
  readonly #added: OrElement[] = [];
  readonly #addedAt: number[] = [];
  /** Removed timestamps to insert, likewise. */
  readonly #removed: Timestamp[] = [];
  readonly #removedAt: number[] = [];
  /** Present elements to drop. */
  readonly #dropped: number[] = [];

  constructor(view: OrView, change: OrState) {
    this.#view = view;
    const numberOf = replicaNumbers(view);
    for (const stamp of change.removed) {
      const replica = numberOf(stamp.replica);
      const place = view.findRemoved(stamp.ms, stamp.counter, replica);
      if (place >= 0) continue;
      this.#removed.push(stamp);
      this.#removedAt.push(-1 - place);
      const element = view.findElement(stamp.ms, stamp.counter, replica);
      if (element >= 0) this.#dropped.push(element);
    }
    let conflicts = false;
    for (const element of change.elements) {
      const { ms, counter } = element.stamp;
      const replica = numberOf(element.stamp.replica);
      if (view.findRemoved(ms, counter, replica) >= 0) continue;
      const place = view.findElement(ms, counter, replica);
      if (place >= 0) {
        conflicts ||= !hasValue(view, place, element.value);
      } else {
        this.#added.push(element);
        this.#addedAt.push(-1 - place);
      }
    }
    this.conflicts = conflicts;
  }

  get changesAnything(): boolean {
    return this.#added.length + this.#removed.length > 0;
  }

  /** Elements of the join, removed ones included. */
  get size(): number {
    return this.#elementCount + this.#removedCount;
  }

  get #elementCount(): number {
    return this.#view.elementCount - this.#dropped.length + this.#added.length;
  }

  get #removedCount(): number {
    return this.#view.removedCount + this.#removed.length;
  }

  /** The bytes of the join. */
  encode(): Uint8Array {
    const view = this.#view;
    const replicas = this.#replicas();
    const writer = new ByteWriter(this.#estimate(replicas.texts.length));
    writer.writeVaruint(view.names.count + replicas.texts.length);
    writer.writeVaruint(this.#elementCount);
    writer.writeVaruint(this.#removedCount);
    view.names.writeWith(writer, replicas.places, replicas.texts);

    const stamps = this.#added.map((element) => element.stamp);
    forEachRun(view.elementCount, this.#dropped, this.#addedAt, (from, to, inserted) => {
      this.#writeStamps(writer, view.elementsAt, from, to, replicas, stamps[inserted]);
    });
    this.#writeEnds(writer);
    forEachRun(view.removedCount, [], this.#removedAt, (from, to, inserted) => {
      this.#writeStamps(writer, view.removedAt, from, to, replicas, this.#removed[inserted]);
    });
    forEachRun(view.elementCount, this.#dropped, this.#addedAt, (from, to, inserted) => {
      writer.writeRaw(view.bytes, view.valueStart(from), view.valueStart(to));
      const element = this.#added[inserted];
      if (element !== undefined) writer.writeRaw(element.value);
    });
    return writer.bytes.subarray(0, writer.length);
  }

  #estimate(newReplicas: number): number {
    let bytes = this.#view.byteLength + newReplicas * 100 + this.#removed.length * STAMP_BYTES + 32;
    for (const { value } of this.#added) bytes += value.length + STAMP_BYTES + END_BYTES;
    return bytes;
  }

  #replicas(): Replicas {
    const { names } = this.#view;
    const found = new Set<string>();
    for (const { stamp } of this.#added) if (names.find(stamp.replica) < 0) found.add(stamp.replica);
    for (const { replica } of this.#removed) if (names.find(replica) < 0) found.add(replica);
    const texts = [...found].sort();
    const places = texts.map((text) => -1 - names.find(text));
    const newNumbers = new Map(texts.map((text, i) => [text, (places[i] as number) + i]));
    if (texts.length === 0) return { texts, places, renumbering: null, numberOf: (replica) => names.find(replica) };
    const renumbering = new Uint32Array(names.count);
    for (let number = 0, shift = 0; number < names.count; number++) {
      while (shift < places.length && (places[shift] as number) <= number) shift++;
      renumbering[number] = number + shift;
    }
    const numberOf = (replica: string): number =>
      newNumbers.get(replica) ?? (renumbering[names.find(replica)] as number);
    return { texts, places, renumbering, numberOf };
  }

  /** Writes the timestamps [from, to) of the column at `at`, and then `stamp`. */
  #writeStamps(
    writer: ByteWriter,
    at: number,
    from: number,
    to: number,
    replicas: Replicas,
    stamp: Timestamp | undefined,
  ): void {
    const start = writer.length;
    writer.writeRaw(this.#view.bytes, at + from * STAMP_BYTES, at + to * STAMP_BYTES);
    if (replicas.renumbering !== null) renumber(writer.bytes, start, writer.length, replicas.renumbering);
    if (stamp !== undefined) writeStamp(writer, stamp, replicas.numberOf(stamp.replica));
  }

  #writeEnds(writer: ByteWriter): void {
    const view = this.#view;
    let end = 0;
    forEachRun(view.elementCount, this.#dropped, this.#addedAt, (from, to, inserted) => {
      const size = view.valueStart(to) - view.valueStart(from);
      const shift = end - (view.valueStart(from) - view.valueStart(0));
      const start = writer.length;
      writer.writeRaw(view.bytes, view.endsAt + from * END_BYTES, view.endsAt + to * END_BYTES);
      if (shift !== 0) shiftEnds(writer.bytes, start, writer.length, shift);
      end += size;
      const element = this.#added[inserted];
      if (element === undefined) return;
      end += element.value.length;
      writer.reserve(END_BYTES);
      writeU32(writer.bytes, writer.length, end);
      writer.length += END_BYTES;
    });
  }
}

/**
 * Walks a column of `count` items, without those in `drop`, and with insertions before those in `places` (both
 * ascending): runs [from, to) that stay together, each followed by insertion number `inserted` or, where
 * `inserted` is -1, by nothing.
 */
function forEachRun(
  count: number,
  drop: readonly number[],
  places: readonly number[],
  visit: (from: number, to: number, inserted: number) => void,
): void {
  let from = 0;
  let dropped = 0;
  let inserted = 0;
  while (from < count || inserted < places.length) {
    const nextDrop = drop[dropped] ?? count;
    const nextPlace = places[inserted] ?? count;
    if (inserted < places.length && nextPlace <= nextDrop) {
      visit(from, nextPlace, inserted++);
      from = nextPlace;
    } else {
      if (nextDrop > from) visit(from, nextDrop, -1);
      from = dropped < drop.length ? nextDrop + 1 : count;
      dropped++;
    }
  }
}

/** The numbers of replicas in `view`; unknown ones get a number between their neighbours'. */
function replicaNumbers(view: OrView): (replica: string) => number {
  let last = '';
  let lastNumber = Number.NaN;
  return (replica) => {
    if (replica === last && !Number.isNaN(lastNumber)) return lastNumber;
    const found = view.names.find(replica);
    last = replica;
    lastNumber = found >= 0 ? found : -1 - found - 0.5;
    return lastNumber;
  };
}

/** Gives the replicas in the timestamps `bytes[start, end)` their new numbers. */
function renumber(bytes: Uint8Array, start: number, end: number, renumbering: Uint32Array): void {
  for (let at = start + REPLICA_AT; at < end; at += STAMP_BYTES) {
    writeU24(bytes, at, renumbering[readU24(bytes, at)] as number);
  }
}

function shiftEnds(bytes: Uint8Array, start: number, end: number, shift: number): void {
  for (let at = start; at < end; at += END_BYTES) writeU32(bytes, at, readU32(bytes, at) + shift);
}

function hasValue(view: OrView, element: number, value: Uint8Array): boolean {
  const start = view.valueStart(element);
  if (view.valueStart(element + 1) - start !== value.length) return false;
  for (let i = 0; i < value.length; i++) if (view.bytes[start + i] !== value[i]) return false;
  return true;
}
