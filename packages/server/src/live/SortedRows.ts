import type { CompiledQuery } from '@topgunbuild/core';

/** A row of a window: what it takes to sort it, and where to find the rest. */
export interface WindowRow {
  readonly key: string;
  readonly sortKey: readonly unknown[];
  readonly shard: number;
  /** The log sequence of the version that was looked at. */
  readonly seq: number;
  /** Deadline in ms since 1970, 0 = none. */
  readonly expires: number;
}

/** The first `capacity` of the rows put in, in the order of a query. */
export class SortedRows {
  readonly #query: CompiledQuery;
  readonly #capacity: number;
  readonly #rows: WindowRow[] = [];
  readonly #byKey = new Map<string, WindowRow>();
  #isCut = false;
  #cut: string[] = [];
  #withDeadline = 0;

  constructor(query: CompiledQuery, capacity: number) {
    this.#query = query;
    this.#capacity = capacity;
  }

  get length(): number {
    return this.#rows.length;
  }

  /** True once a row was left out: there may be more rows than are held, all of them after the last one. */
  get isCut(): boolean {
    return this.#isCut;
  }

  at(index: number): WindowRow | undefined {
    return this.#rows[index];
  }

  find(key: string): WindowRow | undefined {
    return this.#byKey.get(key);
  }

  /** The place of a row that is held. */
  indexOf(row: WindowRow): number {
    return this.#search(row);
  }

  put(row: WindowRow): void {
    this.remove(row.key);
    const index = this.#search(row);
    if (index >= this.#capacity || (this.#isCut && index === this.#rows.length)) {
      this.#isCut = true;
      return;
    }
    this.#rows.splice(index, 0, row);
    this.#byKey.set(row.key, row);
    if (row.expires !== 0) this.#withDeadline++;
    if (this.#rows.length <= this.#capacity) return;
    const last = this.#rows.at(-1) as WindowRow;
    this.remove(last.key);
    this.#isCut = true;
    this.#cut.push(last.key);
  }

  remove(key: string): void {
    const row = this.#byKey.get(key);
    if (row === undefined) return;
    this.#rows.splice(this.#search(row), 1);
    this.#byKey.delete(key);
    if (row.expires !== 0) this.#withDeadline--;
  }

  clear(): void {
    this.#rows.length = 0;
    this.#byKey.clear();
    this.#cut = [];
    this.#isCut = false;
    this.#withDeadline = 0;
  }

  /** Keys of rows that fell off the end since the last call. */
  takeCut(): string[] {
    const cut = this.#cut;
    this.#cut = [];
    return cut;
  }

  /** The earliest deadline of the rows held, 0 = none. */
  nextDeadline(): number {
    if (this.#withDeadline === 0) return 0;
    let next = Number.POSITIVE_INFINITY;
    for (const row of this.#rows) if (row.expires !== 0 && row.expires < next) next = row.expires;
    return next;
  }

  expired(now: number): string[] {
    return this.#rows.filter((row) => row.expires !== 0 && row.expires <= now).map((row) => row.key);
  }

  /** The index of the first row that does not come before `row`. */
  #search(row: WindowRow): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#rows[middle] as WindowRow;
      if (this.#query.compareSortKeys(other.key, other.sortKey, row.key, row.sortKey) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
