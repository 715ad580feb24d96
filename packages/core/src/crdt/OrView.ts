import { ByteReader } from '../wire/ByteReader.js';
import { readU16, readU24, readU32, readU48 } from './fixedWidth.js';
import { NameColumn } from './NameColumn.js';
import { END_BYTES, REPLICA_AT, STAMP_BYTES } from './OrState.js';

/** The bytes of an OrState, searched in place. For bytes that are known to be right; `decodeOrState` is for others. */
export class OrView {
  readonly bytes: Uint8Array;
  readonly names: NameColumn;
  readonly elementCount: number;
  readonly removedCount: number;
  /** Where the columns begin, see OrState. */
  readonly elementsAt: number;
  readonly endsAt: number;
  readonly removedAt: number;
  readonly #start: number;
  readonly #valuesAt: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    const reader = new ByteReader(bytes, start, end);
    const replicaCount = reader.readVaruint();
    this.bytes = bytes;
    this.#start = start;
    this.elementCount = reader.readVaruint();
    this.removedCount = reader.readVaruint();
    this.names = new NameColumn(bytes, reader.position, replicaCount);
    this.elementsAt = this.names.end;
    this.endsAt = this.elementsAt + this.elementCount * STAMP_BYTES;
    this.removedAt = this.endsAt + this.elementCount * END_BYTES;
    this.#valuesAt = this.removedAt + this.removedCount * STAMP_BYTES;
  }

  /**
   * The number of the element with this timestamp, or `-1 - p` with `p` the number that it would get. `replica` is the
   * number of its replica; for one that `names` does not hold, a number between those of its neighbours.
   */
  findElement(ms: number, counter: number, replica: number): number {
    return this.#find(this.elementsAt, this.elementCount, ms, counter, replica);
  }

  /** The same among the removed timestamps. */
  findRemoved(ms: number, counter: number, replica: number): number {
    return this.#find(this.removedAt, this.removedCount, ms, counter, replica);
  }

  /** Bytes in total. */
  get byteLength(): number {
    return this.valueStart(this.elementCount) - this.#start;
  }

  /** Where the value of an element begins; that of number `elementCount` is the end of all values. */
  valueStart(element: number): number {
    return this.#valuesAt + (element === 0 ? 0 : readU32(this.bytes, this.endsAt + (element - 1) * END_BYTES));
  }

  #find(at: number, count: number, ms: number, counter: number, replica: number): number {
    const { bytes } = this;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const stampAt = at + middle * STAMP_BYTES;
      let order = readU48(bytes, stampAt) - ms;
      if (order === 0) order = readU16(bytes, stampAt + 6) - counter;
      if (order === 0) order = readU24(bytes, stampAt + REPLICA_AT) - replica;
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1 - low;
  }
}
