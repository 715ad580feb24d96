import { type Kind, kindOfTag, Tag } from '../crdt/Entry.js';
import type { EntryBatch } from '../crdt/EntryBatch.js';
import { ByteArena } from './ByteArena.js';
import { flatCopy } from './flatCopy.js';
import { Interner } from './Interner.js';

const FIRST_CAPACITY = 8;
const NONE = -1;
/** Bytes; less is not worth the trouble. */
const MIN_DEAD = 1024;
/** Bytes: visiting a record costs about as much as copying that many. */
const DEAD_PER_RECORD = 8;
const NO_BYTES = new Uint8Array(0);

/**
 * A position in a table's order of change. Stays valid while the table changes: when its record moves to the end or
 * disappears, it stands at the record that came next. Until `next` has answered -1 it also reaches every record that
 * changes meanwhile; from then on it is at its end for good, so that whoever goes on with live changes at that very
 * moment neither misses one nor sees one twice.
 */
export interface ChangeIterator {
  /** The slot to be read next, -1 while there is none. */
  slot: number;
  /** `next` has answered -1. */
  ended: boolean;
}

/**
 * The records of one map, flat: one number per record (its slot) into typed columns, values packed in an arena. Records
 * are threaded in the order of their last change, so that "what changed since sequence s" costs what changed and
 * not what exists.
 *
 * The table stores rows as told. What wins is decided by `mergeEntry`.
 */
export class RecordTable {
  readonly map: string;
  readonly #slots = new Map<string, number>();
  readonly #replicas: Interner;
  readonly #iterators: ChangeIterator[] = [];
  #keys: (string | undefined)[] = [];
  #arena = new ByteArena();
  #capacity = 0;
  #tags = new Uint8Array(0);
  #ms = new Float64Array(0);
  #counters = new Uint16Array(0);
  #replica = new Uint32Array(0);
  #seqs = new Float64Array(0);
  #slabs = new Uint32Array(0);
  #starts = new Uint32Array(0);
  #lengths = new Uint32Array(0);
  #older = new Int32Array(0);
  #newer = new Int32Array(0);
  /** Only there once a record with a deadline came. */
  #expires: Float64Array | null = null;
  #free = NONE;
  #used = 0;
  #oldest = NONE;
  #newest = NONE;
  /** What was found last: a key is mostly looked up before it is put. */
  #lastFound = NONE;

  constructor(map: string, replicas: Interner = new Interner()) {
    this.map = map;
    this.#replicas = replicas;
  }

  /** Records, tombstones included. */
  get size(): number {
    return this.#slots.size;
  }

  /** Slots are below this number; use it to size columns of your own beside the table. */
  get slotLimit(): number {
    return this.#used;
  }

  /** The slot of `key`, or -1. */
  find(key: string): number {
    const slot = this.#slots.get(key);
    if (slot === undefined) return NONE;
    this.#lastFound = slot;
    return slot;
  }

  /** The slot of the latest change, or -1. */
  get newest(): number {
    return this.#newest;
  }

  keys(): IterableIterator<string> {
    return this.#slots.keys();
  }

  slots(): IterableIterator<number> {
    return this.#slots.values();
  }

  key(slot: number): string {
    return this.#keys[slot] as string;
  }

  tag(slot: number): Tag {
    return this.#tags[slot] as Tag;
  }

  kind(slot: number): Kind {
    return kindOfTag(this.#tags[slot] as number);
  }

  ms(slot: number): number {
    return this.#ms[slot] as number;
  }

  counter(slot: number): number {
    return this.#counters[slot] as number;
  }

  replica(slot: number): string {
    return this.#replicas.get(this.#replica[slot] as number);
  }

  /** Deadline in ms since 1970, 0 = none. */
  expires(slot: number): number {
    return this.#expires === null ? 0 : (this.#expires[slot] as number);
  }

  get hasDeadlines(): boolean {
    return this.#expires !== null;
  }

  /** The log sequence of the record's last change. */
  seq(slot: number): number {
    return this.#seqs[slot] as number;
  }

  /** Deleted, or past its deadline. */
  isTombstone(slot: number, now: number): boolean {
    if (this.#tags[slot] === Tag.LWW_REMOVE) return true;
    if (this.#expires === null) return false;
    const deadline = this.#expires[slot] as number;
    return deadline !== 0 && deadline <= now;
  }

  /** The array that holds the record's value; see `start` and `end`. Valid until the table changes. */
  source(slot: number): Uint8Array {
    return this.#lengths[slot] === 0 ? NO_BYTES : this.#arena.slab(this.#slabs[slot] as number);
  }

  start(slot: number): number {
    return this.#starts[slot] as number;
  }

  end(slot: number): number {
    return (this.#starts[slot] as number) + (this.#lengths[slot] as number);
  }

  /** The value's bytes as a view that is valid until the table changes. */
  bytes(slot: number): Uint8Array {
    return this.source(slot).subarray(this.start(slot), this.end(slot));
  }

  /** True when the record's value equals `source[start, end)`. */
  hasValue(slot: number, source: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (this.#lengths[slot] !== length) return false;
    const own = this.source(slot);
    const offset = this.start(slot);
    for (let i = 0; i < length; i++) if (own[offset + i] !== source[start + i]) return false;
    return true;
  }

  /** Stores a row under `key`, new or in place of the old one, as the newest change. Bytes are copied. */
  put(
    key: string,
    tag: Tag,
    ms: number,
    counter: number,
    replica: string,
    expires: number,
    source: Uint8Array,
    start: number,
    end: number,
    seq: number,
  ): number {
    const found = this.#lastFound !== NONE && this.#keys[this.#lastFound] === key ? this.#lastFound : this.find(key);
    const isNew = found === NONE;
    const slot = isNew ? this.#allocate() : found;
    if (isNew) {
      const own = flatCopy(key);
      this.#keys[slot] = own;
      this.#slots.set(own, slot);
      this.#replica[slot] = this.#replicas.acquire(replica);
      this.#storeValue(slot, source, start, end);
    } else {
      this.#setReplica(slot, replica);
      this.#replaceValue(slot, source, start, end);
    }
    this.#tags[slot] = tag;
    this.#ms[slot] = ms;
    this.#counters[slot] = counter;
    this.#seqs[slot] = seq;
    if (expires !== 0 && this.#expires === null) this.#expires = new Float64Array(this.#capacity);
    if (this.#expires !== null) this.#expires[slot] = expires;
    this.#makeNewest(slot, isNew);
    this.#tidy();
    return slot;
  }

  /**
   * Restamps the record as the newest change, and returns the array that holds its value (from `start` to `end`), to be
   * edited in place.
   */
  edit(slot: number, ms: number, counter: number, replica: string, seq: number): Uint8Array {
    this.#setReplica(slot, replica);
    this.#ms[slot] = ms;
    this.#counters[slot] = counter;
    this.#seqs[slot] = seq;
    this.#makeNewest(slot, false);
    return this.source(slot);
  }

  /** Forgets the record altogether: no tombstone stays. */
  delete(slot: number): void {
    this.#unlink(slot);
    this.#slots.delete(this.key(slot));
    this.#keys[slot] = undefined;
    this.#replicas.release(this.#replica[slot] as number);
    this.#arena.forget(this.#lengths[slot] as number);
    this.#lengths[slot] = 0;
    this.#newer[slot] = this.#free;
    this.#free = slot;
    this.#tidy();
  }

  /** Adds the record to `batch` as a row. Its bytes are a view: encode the batch before the table changes. */
  addTo(batch: EntryBatch, slot: number): number {
    return batch.add(
      this.map,
      this.key(slot),
      this.tag(slot),
      this.ms(slot),
      this.counter(slot),
      this.replica(slot),
      this.expires(slot),
      this.source(slot),
      this.start(slot),
      this.end(slot),
    );
  }

  /** Makes the record the only row of `batch`; otherwise as `addTo`. */
  putIn(batch: EntryBatch, slot: number): void {
    batch.setOnly(
      this.map,
      this.key(slot),
      this.tag(slot),
      this.ms(slot),
      this.counter(slot),
      this.replica(slot),
      this.expires(slot),
      this.source(slot),
      this.start(slot),
      this.end(slot),
    );
  }

  /** Bytes of memory that values take up, those that wait for compaction included. */
  get valueCapacity(): number {
    return this.#arena.capacity;
  }

  /** The newest log sequence of any record, 0 when empty. */
  get newestSeq(): number {
    return this.#newest === NONE ? 0 : (this.#seqs[this.#newest] as number);
  }

  /**
   * An iterator at the oldest record changed after `seq`. Costs the number of records that changed since.
   * Close it with `closeIterator`.
   */
  changesSince(seq: number): ChangeIterator {
    let slot: number = NONE;
    if (seq <= 0) {
      slot = this.#oldest;
    } else {
      let candidate = this.#newest;
      while (candidate !== NONE && (this.#seqs[candidate] as number) > seq) {
        slot = candidate;
        candidate = this.#older[candidate] as number;
      }
    }
    const iterator = { slot, ended: false };
    this.#iterators.push(iterator);
    return iterator;
  }

  /** The iterator's slot, and moves it on; -1 at the end, once and for all. */
  next(iterator: ChangeIterator): number {
    const slot = iterator.slot;
    if (slot === NONE) iterator.ended = true;
    else iterator.slot = this.#newer[slot] as number;
    return slot;
  }

  closeIterator(iterator: ChangeIterator): void {
    const index = this.#iterators.indexOf(iterator);
    if (index >= 0) this.#iterators.splice(index, 1);
  }

  #setReplica(slot: number, replica: string): void {
    const old = this.#replica[slot] as number;
    if (this.#replicas.get(old) === replica) return;
    this.#replica[slot] = this.#replicas.acquire(replica);
    this.#replicas.release(old);
  }

  #allocate(): number {
    if (this.#free !== NONE) {
      const slot = this.#free;
      this.#free = this.#newer[slot] as number;
      return slot;
    }
    if (this.#used === this.#capacity) this.#grow();
    return this.#used++;
  }

  #grow(): void {
    const capacity = this.#capacity === 0 ? FIRST_CAPACITY : Math.ceil(this.#capacity * 1.5);
    this.#tags = grown(this.#tags, new Uint8Array(capacity));
    this.#ms = grown(this.#ms, new Float64Array(capacity));
    this.#counters = grown(this.#counters, new Uint16Array(capacity));
    this.#replica = grown(this.#replica, new Uint32Array(capacity));
    this.#seqs = grown(this.#seqs, new Float64Array(capacity));
    this.#slabs = grown(this.#slabs, new Uint32Array(capacity));
    this.#starts = grown(this.#starts, new Uint32Array(capacity));
    this.#lengths = grown(this.#lengths, new Uint32Array(capacity));
    this.#older = grown(this.#older, new Int32Array(capacity));
    this.#newer = grown(this.#newer, new Int32Array(capacity));
    if (this.#expires !== null) this.#expires = grown(this.#expires, new Float64Array(capacity));
    this.#capacity = capacity;
  }

  #storeValue(slot: number, source: Uint8Array, start: number, end: number): void {
    this.#slabs[slot] = end === start ? 0 : this.#arena.add(source, start, end);
    this.#starts[slot] = end === start ? 0 : this.#arena.lastOffset;
    this.#lengths[slot] = end - start;
  }

  #replaceValue(slot: number, source: Uint8Array, start: number, end: number): void {
    const old = this.#lengths[slot] as number;
    if (old > 0 && end > start) {
      if (this.#arena.replace(this.#slabs[slot] as number, this.#starts[slot] as number, old, source, start, end)) {
        this.#lengths[slot] = end - start;
        return;
      }
    }
    this.#arena.forget(old);
    this.#storeValue(slot, source, start, end);
  }

  /** Compacts when more than half of the arena is dead and copying the rest costs no more than making it dead did. */
  #tidy(): void {
    const { dead, used } = this.#arena;
    if (dead > MIN_DEAD && dead * 2 > used && dead > this.size * DEAD_PER_RECORD) this.#compact();
  }

  #compact(): void {
    const old = this.#arena;
    this.#arena = new ByteArena();
    for (const slot of this.#slots.values()) {
      const start = this.start(slot);
      const end = this.end(slot);
      if (end > start) this.#storeValue(slot, old.slab(this.#slabs[slot] as number), start, end);
    }
  }

  #makeNewest(slot: number, isNew: boolean): void {
    if (slot !== this.#newest) {
      if (!isNew) this.#unlink(slot);
      this.#older[slot] = this.#newest;
      this.#newer[slot] = NONE;
      if (this.#newest === NONE) this.#oldest = slot;
      else this.#newer[this.#newest] = slot;
      this.#newest = slot;
    }
    for (const iterator of this.#iterators) if (iterator.slot === NONE && !iterator.ended) iterator.slot = slot;
  }

  #unlink(slot: number): void {
    const older = this.#older[slot] as number;
    const newer = this.#newer[slot] as number;
    for (const iterator of this.#iterators) if (iterator.slot === slot) iterator.slot = newer;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
  }
}

function grown<T extends { set(source: T): void }>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
