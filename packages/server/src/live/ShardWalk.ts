import type { ChangeIterator } from '@topgunbuild/core';
import type { ShardMap } from '../shard/ShardMap.js';
import type { ShardStore } from '../shard/ShardStore.js';

const NONE = -1;

/** A walk over what changed in one map of one shard since a sequence; it may pause, and the map may change meanwhile. */
export interface ShardWalk {
  readonly map: ShardMap;
  /** The next row, or -1 at the end. */
  next(): number;
  /** Nothing is left: close the walk now, for what changes from here on is not its business. */
  readonly isDone: boolean;
  /** What a cursor may say once all rows so far were taken. */
  reached(): number;
  close(): void;
}

/** In the order of change. A row that changes during the walk moves to the end, where the walk meets it (again). */
export class ChangeWalk implements ShardWalk {
  readonly map: ShardMap;
  readonly #store: ShardStore;
  readonly #iterator: ChangeIterator;
  #seq: number;

  constructor(map: ShardMap, store: ShardStore, since: number) {
    this.map = map;
    this.#store = store;
    this.#iterator = map.table.changesSince(since);
    this.#seq = since;
  }

  next(): number {
    const slot = this.map.table.next(this.#iterator);
    if (slot !== NONE) this.#seq = this.map.table.seq(slot);
    return slot;
  }

  get isDone(): boolean {
    return this.#iterator.slot === NONE;
  }

  reached(): number {
    const next = this.#iterator.slot;
    if (next === NONE) return this.#store.appliedSeq;
    // Rows of one log record share its sequence: it is reached with the last of them.
    return this.map.table.seq(next) > this.#seq ? this.#seq : this.#seq - 1;
  }

  close(): void {
    this.map.table.closeIterator(this.#iterator);
  }
}

/** Looks at a few keys only. */
export class PinnedWalk implements ShardWalk {
  readonly map: ShardMap;
  readonly #keys: readonly string[];
  readonly #since: number;
  /** Later changes of keys that the walk has passed are left to the next walk. */
  readonly #appliedSeq: number;
  #index = 0;

  constructor(map: ShardMap, store: ShardStore, since: number, keys: readonly string[]) {
    this.map = map;
    this.#keys = keys;
    this.#since = since;
    this.#appliedSeq = store.appliedSeq;
  }

  next(): number {
    const { table } = this.map;
    while (this.#index < this.#keys.length) {
      const slot = table.find(this.#keys[this.#index++] as string);
      if (slot !== NONE && table.seq(slot) > this.#since) return slot;
    }
    return NONE;
  }

  get isDone(): boolean {
    return this.#index >= this.#keys.length;
  }

  reached(): number {
    return this.#index >= this.#keys.length ? this.#appliedSeq : this.#since;
  }

  close(): void {
    this.#index = this.#keys.length;
  }
}
