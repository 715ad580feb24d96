import type { CompiledQuery } from '@topgunbuild/core';
import type { RowChange } from '../replica/MapListeners.js';
import type { ReplicaMap } from '../replica/ReplicaMap.js';

/** One row of a query's result. */
export interface Row<T> {
  readonly key: string;
  readonly value: T;
}

/**
 * The result of a query over what this client holds, in order and kept up to date change by change. With a limit it
 * still orders all matching rows, and shows those of the window.
 */
export class LiveRows<T> {
  readonly #map: ReplicaMap;
  readonly #compiled: CompiledQuery;
  readonly #ordered: Row<T>[] = [];
  /** Matching rows by key: the very objects in `#ordered`. */
  readonly #byKey = new Map<string, Row<T>>();
  readonly #counts: (key: string) => boolean;
  #window: readonly Row<T>[] | null = null;

  /** `counts`: whether a record that matches may count as a row; asked whenever the record changes or is checked again. */
  constructor(map: ReplicaMap, compiled: CompiledQuery, counts: (key: string) => boolean = () => true) {
    this.#map = map;
    this.#compiled = compiled;
    this.#counts = counts;
    for (const key of map.table.keys()) {
      const value = map.read(key) as T;
      if (value === undefined || !compiled.matches(key, value) || !counts(key)) continue;
      const row = { key, value };
      this.#byKey.set(key, row);
      this.#ordered.push(row);
    }
    this.#ordered.sort((a, b) => compiled.compare(a.key, a.value, b.key, b.value));
  }

  /** The rows of the window. The array is never changed: another result is another array. */
  get rows(): readonly Row<T>[] {
    if (this.#window === null) {
      const { offset = 0, limit } = this.#compiled.query;
      this.#window = this.#ordered.slice(offset, limit === undefined ? undefined : offset + limit);
    }
    return this.#window;
  }

  /** Takes in changes of the map; false when they do not concern the query. */
  apply(changes: readonly RowChange[]): boolean {
    return this.check(changes.map((change) => change.key));
  }

  /** Looks at `keys` (all: null) again; false when nothing has changed for the query. */
  check(keys: Iterable<string> | null): boolean {
    let changed = false;
    for (const key of keys ?? [...this.#map.table.keys()]) if (this.#update(key)) changed = true;
    if (changed) this.#window = null;
    return changed;
  }

  #update(key: string): boolean {
    const value = this.#map.read(key) as T;
    const old = this.#byKey.get(key);
    const matches = value !== undefined && this.#compiled.matches(key, value) && this.#counts(key);
    if (old === undefined ? !matches : matches && old.value === value) return false;
    if (old !== undefined) {
      this.#ordered.splice(this.#position(old), 1);
      this.#byKey.delete(key);
    }
    if (matches) {
      const row = { key, value };
      this.#ordered.splice(this.#position(row), 0, row);
      this.#byKey.set(key, row);
    }
    return true;
  }

  /** Where `row` is, or belongs: the order is total, its last criterion being the key. */
  #position(row: Row<T>): number {
    const { compare } = this.#compiled;
    let low = 0;
    let high = this.#ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#ordered[middle] as Row<T>;
      if (compare(other.key, other.value, row.key, row.value) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
