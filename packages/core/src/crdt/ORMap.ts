import type { HLC } from '../clock/HLC.js';
import { valueEquals } from '../query/valueEquals.js';
import { decodeValue } from '../value/decodeValue.js';
import { encodeValue } from '../value/encodeValue.js';
import { Kind, Tag } from './Entry.js';
import type { EntryBatch } from './EntryBatch.js';
import { LocalRecords } from './LocalRecords.js';
import { decodeOrState, EMPTY_OR_STATE, type OrState } from './OrState.js';
import { encodeStamps } from './stamps.js';

/**
 * A map of keys to several values, in which a removal takes away just the additions that its replica had seen: whoever
 * adds a value at the same time keeps it. The CRDT under TopGun's OR-maps, for use without client or server.
 */
export class ORMap<V = unknown> {
  readonly #records: LocalRecords;

  /** `clock` names the replica; no two replicas may share a name. `name` is what rows call the map. */
  constructor(clock: HLC, name = '') {
    this.#records = new LocalRecords(name, Kind.OR, clock);
  }

  /**
   * Returns the operation, to be merged by others. The value is copied. Adding a value twice makes two elements.
   * @throws ValueTypeError for a value that cannot be encoded, TopGunError INVALID_VALUE for such a key
   */
  add(key: string, value: V): EntryBatch {
    return this.#records.apply(Tag.OR_ADD, key, encodeValue(value));
  }

  /** Removes every element that this replica knows and that equals `value`. Returns the operation, or null for none. */
  remove(key: string, value: V): EntryBatch | null {
    return this.#removeWhere(key, (element) => valueEquals(element, value));
  }

  /** Removes every element of `key` that this replica knows. Returns the operation, or null for none. */
  clear(key: string): EntryBatch | null {
    return this.#removeWhere(key, () => true);
  }

  /** New copies of the values, in the order in which they were added. */
  get(key: string): V[] {
    return this.#state(key).elements.map((element) => decodeValue(element.value) as V);
  }

  /** Keys that have a value. */
  *keys(): IterableIterator<string> {
    for (const key of this.#records.table.keys()) if (this.#state(key).elements.length > 0) yield key;
  }

  *entries(): IterableIterator<[string, V[]]> {
    for (const key of this.keys()) yield [key, this.get(key)];
  }

  [Symbol.iterator](): IterableIterator<[string, V[]]> {
    return this.entries();
  }

  /**
   * Merges operations or whole records of other replicas; rows of other maps or kinds are passed over. Returns the keys
   * that changed.
   * @throws TopGunError BAD_FRAME when a row's payload is malformed; the rows before it are merged
   */
  merge(rows: EntryBatch): string[] {
    return this.#records.merge(rows);
  }

  /** All records, with what was removed: what another replica merges to know all that this one knows. */
  toEntries(): EntryBatch {
    return this.#records.toEntries();
  }

  #removeWhere(key: string, matches: (value: unknown) => boolean): EntryBatch | null {
    const stamps = this.#state(key)
      .elements.filter((element) => matches(decodeValue(element.value)))
      .map((element) => element.stamp);
    return stamps.length === 0 ? null : this.#records.apply(Tag.OR_REMOVE, key, encodeStamps(stamps));
  }

  #state(key: string): OrState {
    const { table } = this.#records;
    const slot = table.find(key);
    return slot < 0 ? EMPTY_OR_STATE : decodeOrState(table.bytes(slot));
  }
}
