import type { HLC } from '../clock/HLC.js';
import { TopGunError } from '../errors.js';
import { decodeValue } from '../value/decodeValue.js';
import { encodeValue } from '../value/encodeValue.js';
import { Kind, Tag } from './Entry.js';
import type { EntryBatch } from './EntryBatch.js';
import { LocalRecords } from './LocalRecords.js';

const NO_BYTES = new Uint8Array(0);

/**
 * A map in which the latest write of a key wins, by hybrid logical clock: the CRDT under TopGun's maps, for use without
 * client or server. Replicas that have merged the same operations, in any order and any number of times, are equal.
 *
 * ```ts
 * const a = new LWWMap<number>(new HLC('a', Date.now));
 * const b = new LWWMap<number>(new HLC('b', Date.now));
 * b.merge(a.set('x', 1)); // operation by operation
 * b.merge(a.toEntries()); // or everything
 * ```
 */
export class LWWMap<V = unknown> {
  readonly #records: LocalRecords;

  /** `clock` names the replica; no two replicas may share a name. `name` is what rows call the map. */
  constructor(clock: HLC, name = '') {
    this.#records = new LocalRecords(name, Kind.LWW, clock);
  }

  /**
   * Returns the operation, to be merged by others. The value is copied.
   * @throws ValueTypeError for a value that cannot be encoded, TopGunError INVALID_VALUE for such a key or `ttlMs`
   */
  set(key: string, value: V, options: { readonly ttlMs?: number } = {}): EntryBatch {
    const { ttlMs = 0 } = options;
    if (!(ttlMs >= 0 && ttlMs <= MAX_TTL))
      throw new TopGunError('INVALID_VALUE', 'ttlMs must be 0 (for ever) or more.');
    return this.#records.apply(Tag.LWW_SET, key, encodeValue(value), ttlMs);
  }

  /** Leaves a tombstone, which wins over older writes. Returns the operation. */
  remove(key: string): EntryBatch {
    return this.#records.apply(Tag.LWW_REMOVE, key, NO_BYTES);
  }

  /** A new copy of the value; undefined when there is none or its time is over. */
  get(key: string): V | undefined {
    const slot = this.#live(key);
    if (slot < 0) return undefined;
    const { table } = this.#records;
    return decodeValue(table.source(slot), table.start(slot), table.end(slot)) as V;
  }

  has(key: string): boolean {
    return this.#live(key) >= 0;
  }

  /** Counted anew each time. */
  get size(): number {
    let size = 0;
    for (const _ of this.keys()) size++;
    return size;
  }

  *keys(): IterableIterator<string> {
    for (const key of this.#records.table.keys()) if (this.has(key)) yield key;
  }

  *entries(): IterableIterator<[string, V]> {
    for (const key of this.keys()) yield [key, this.get(key) as V];
  }

  [Symbol.iterator](): IterableIterator<[string, V]> {
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

  /** All records, tombstones included: what another replica merges to know all that this one knows. */
  toEntries(): EntryBatch {
    return this.#records.toEntries();
  }

  #live(key: string): number {
    const { table, clock } = this.#records;
    const slot = table.find(key);
    if (slot < 0) return -1;
    return table.isTombstone(slot, table.hasDeadlines ? clock.wallMs : 0) ? -1 : slot;
  }
}

/** About 10,000 years. */
const MAX_TTL = 2 ** 48;
