import type { ChangeIterator, RecordTable, Runtime, Timer } from '@topgunbuild/core';
import { ABSENT, rowValue } from '../shard/rowValue.js';
import type { ShardStore } from '../shard/ShardStore.js';
import type { CatchUpSource } from './CatchUp.js';
import type { ShardChanges } from './LiveGroup.js';
import { CONDITIONS_AS_ROW } from './LiveTuning.js';
import type { RowFilter } from './RowFilter.js';
import type { RecordRows } from './recordsFrame.js';
import { SortedRows, type WindowRow } from './SortedRows.js';
import type { Turns } from './Turns.js';

const NONE = -1;
const MAX_SLACK = 1_000;
const MAX_TIMER_MS = 2 ** 30;
/** Moving so many rows by one place takes as long as looking at a row. */
const ROWS_MOVED_AS_ROW = 8_192;

interface Scan {
  /** Index into the shards. */
  position: number;
  iterator: ChangeIterator | null;
  /** Rows of the current shard that changed after this came by `update`. */
  untilSeq: number;
}

export interface WindowPort {
  readonly runtime: Runtime;
  readonly turns: Turns;
  /** Whose turns the window takes to be built. */
  readonly owner: object;
  /** Delivers what has changed to all who watch the map. */
  readonly flush: () => void;
}

/** How the visible part of a window has changed. */
export interface WindowDiff {
  /** Rows that came in, or changed within. */
  readonly put: readonly WindowRow[];
  readonly left: readonly string[];
}

/** A subscriber of a window, as far as the window has to know it. */
export interface WindowMember {
  /** The window has changed by `diff`. */
  changed(diff: WindowDiff): void;
  /** There may be something to send. */
  resume(): void;
}

/**
 * The first `offset + limit` rows of a sorted query over all shards of the node, and some more (the slack), kept up to
 * date change by change and shared by all subscribers of the same query.
 *
 * Invariant: every matching row that was looked at and is not held comes after the last row held. While that is all of
 * them (nothing was cut off) the window knows everything; once rows were cut off, and the slack is used up by rows
 * that went away, the window is built anew from the tables.
 */
export class Window {
  readonly #filter: RowFilter;
  readonly #source: CatchUpSource;
  readonly #runtime: Runtime;
  readonly #turns: Turns;
  readonly #owner: object;
  readonly #flush: () => void;
  readonly #streams = new Set<WindowMember>();
  /** Rows that subscribers get: offset and limit together. */
  readonly #visible: number;
  readonly #rows: SortedRows;
  /** What subscribers that are up to date hold. */
  #shown = new Map<string, WindowRow>();
  /** Keys of versions that nobody was ever sent: where the row is outside, their authors still hold them. */
  readonly #contested = new Set<string>();
  #scan: Scan | null = null;
  /** What the present step has taken, in rows that are easily looked at. */
  #stepCost = 0;
  #expiryTimer: Timer | null = null;
  #isClosed = false;

  constructor(filter: RowFilter, source: CatchUpSource, port: WindowPort) {
    this.#filter = filter;
    this.#source = source;
    this.#runtime = port.runtime;
    this.#turns = port.turns;
    this.#owner = port.owner;
    this.#flush = port.flush;
    const { limit = 0, offset = 0 } = filter.compiled.query;
    this.#visible = limit + offset;
    const slack = Math.max(source.tuning.minWindowSlack, Math.min(MAX_SLACK, this.#visible >> 2));
    this.#rows = new SortedRows(filter.compiled, this.#visible + slack);
    this.#rebuild();
  }

  get map(): string {
    return this.#source.map;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** False while the tables are being looked through: what subscribers hold stays as it was until then. */
  get isReady(): boolean {
    return this.#scan === null;
  }

  /** The rows that a subscriber is to hold, by key. Not to be changed. */
  get shown(): ReadonlyMap<string, WindowRow> {
    return this.#shown;
  }

  /** Adds the record of `row`, as it is now, to what is being sent. */
  addTo(rows: RecordRows, row: WindowRow): void {
    const table = this.#table(row.shard);
    const slot = table?.find(row.key) ?? NONE;
    if (table !== undefined && slot !== NONE) rows.add(table, slot);
  }

  add(stream: WindowMember): void {
    this.#streams.add(stream);
  }

  remove(stream: WindowMember): void {
    this.#streams.delete(stream);
  }

  close(): void {
    this.#isClosed = true;
    this.#endScan();
    this.#turns.drop(this.#owner, this.#continueScan);
    if (this.#expiryTimer !== null) this.#runtime.clearTimer(this.#expiryTimer);
  }

  /** Brings changes that nobody was told of yet into the window. */
  flush(): void {
    this.#flush();
  }

  /** Tests that a changed row goes through at worst. */
  get conditions(): number {
    return this.#filter.conditions;
  }

  /** In place of `update`, when there is too much to do at once: what subscribers hold stays until it is built anew. */
  postpone(): void {
    this.#beginScan();
    this.#turns.later(this.#owner, this.#continueScan);
  }

  update(changes: readonly ShardChanges[]): void {
    const touched = new Set<string>();
    for (const { map, rows } of changes) {
      if (!this.#source.shards.includes(map.shard)) continue;
      for (const row of rows) {
        if (row.isContested && row.matchedBefore(this.#filter)) {
          this.#contested.add(row.key);
          touched.add(row.key);
        }
        if (!row.isChanged) continue;
        touched.add(row.key);
        if (!row.matches(this.#filter)) {
          this.#rows.remove(row.key);
          continue;
        }
        const { compiled } = this.#filter;
        const sortKey = compiled.sortKeyOf(row.key, compiled.needsValue ? row.value() : undefined);
        const { table } = map;
        this.#rows.put({
          key: row.key,
          sortKey,
          shard: map.shard,
          seq: table.seq(row.slot),
          expires: table.expires(row.slot),
        });
      }
    }
    if (touched.size > 0) this.#settle(touched);
  }

  /** Shows what changed, once everything is known again. */
  #settle(touched: ReadonlySet<string>): void {
    if (this.#scan !== null) return;
    if (this.#rows.isCut && this.#rows.length < this.#visible) {
      this.#rebuild();
      return;
    }
    this.#show(touched);
  }

  #show(touched: ReadonlySet<string> | null): void {
    const { put, left } = touched === null ? this.#wholeDiff() : this.#diffAround(touched);
    const diff = { put, left: [...left, ...this.#takeContested()] };
    for (const key of diff.left) this.#shown.delete(key);
    for (const row of diff.put) this.#shown.set(row.key, row);
    this.#armExpiry();
    if (diff.left.length === 0 && diff.put.length === 0) return;
    for (const stream of [...this.#streams]) stream.changed(diff);
  }

  #takeContested(): string[] {
    if (this.#contested.size === 0) return [];
    const outside = [...this.#contested].filter((key) => {
      const row = this.#rows.find(key);
      return !this.#shown.has(key) && (row === undefined || this.#rows.indexOf(row) >= this.#visible);
    });
    this.#contested.clear();
    return outside;
  }

  #wholeDiff(): WindowDiff {
    const put: WindowRow[] = [];
    const keys = new Set<string>();
    for (let i = 0; i < this.#visible && i < this.#rows.length; i++) {
      const row = this.#rows.at(i) as WindowRow;
      keys.add(row.key);
      if (this.#shown.get(row.key)?.seq !== row.seq) put.push(row);
    }
    const left = [...this.#shown.keys()].filter((key) => !keys.has(key));
    return { put, left };
  }

  /** Each change moves the rows behind it by one place: only the changed rows and those near the edge are looked at. */
  #diffAround(touched: ReadonlySet<string>): WindowDiff {
    const keys = new Set(touched);
    const from = Math.max(0, this.#visible - touched.size);
    const to = Math.min(this.#rows.length, this.#visible + touched.size);
    for (let i = from; i < to; i++) keys.add((this.#rows.at(i) as WindowRow).key);
    for (const key of this.#rows.takeCut()) keys.add(key);
    const put: WindowRow[] = [];
    const left: string[] = [];
    for (const key of keys) {
      const row = this.#rows.find(key);
      const isVisible = row !== undefined && this.#rows.indexOf(row) < this.#visible;
      const shown = this.#shown.get(key);
      if (isVisible && shown?.seq !== row.seq) put.push(row);
      else if (!isVisible && shown !== undefined) left.push(key);
    }
    return { put, left };
  }

  #rebuild(): void {
    this.#beginScan();
    this.#turns.run(this.#owner, this.#continueScan);
  }

  #beginScan(): void {
    this.#endScan();
    this.#rows.clear();
    this.#scan = { position: 0, iterator: null, untilSeq: 0 };
  }

  readonly #continueScan = (): number => {
    if (this.#isClosed || this.#scan === null) return 0;
    this.#stepCost = 0;
    const isDone = this.#step();
    const spent = this.#stepCost / this.#source.tuning.windowStepRows;
    if (!isDone) {
      this.#turns.later(this.#owner, this.#continueScan);
      return spent;
    }
    this.#scan = null;
    this.#rows.takeCut();
    if (this.#rows.isCut && this.#rows.length < this.#visible) {
      // Rows went away while the tables were looked through.
      this.#beginScan();
      this.#turns.later(this.#owner, this.#continueScan);
      return spent;
    }
    this.#show(null);
    for (const stream of [...this.#streams]) stream.resume();
    return spent;
  };

  /** Looks at some more rows of the tables. True when none are left. */
  #step(): boolean {
    const scan = this.#scan;
    if (scan === null) return true;
    const { map: name, stores, shards, tuning } = this.#source;
    const now = this.#runtime.now();
    while (scan.position < shards.length) {
      const store = stores[shards[scan.position] as number] as ShardStore;
      const map = store.find(name);
      if (map !== null && scan.iterator === null) {
        scan.iterator = map.table.changesSince(0);
        scan.untilSeq = store.appliedSeq;
      }
      while (map !== null && scan.iterator !== null) {
        const { slot } = scan.iterator;
        if (slot === NONE || map.table.seq(slot) > scan.untilSeq) break;
        if (this.#stepCost >= tuning.windowStepRows) return false;
        // A row has to be put among those that are there.
        this.#stepCost += 1 + this.conditions / CONDITIONS_AS_ROW + this.#rows.length / ROWS_MOVED_AS_ROW;
        map.table.next(scan.iterator);
        this.#consider(store.shard, slot, now);
      }
      this.#endScan();
      scan.position++;
    }
    return true;
  }

  #consider(shard: number, slot: number, now: number): void {
    const { compiled } = this.#filter;
    const table = this.#table(shard);
    if (table === undefined) return;
    const value = rowValue(table, slot, now);
    const key = table.key(slot);
    if (value === ABSENT || !compiled.matches(key, value)) return;
    const sortKey = compiled.sortKeyOf(key, value);
    this.#rows.put({ key, sortKey, shard, seq: table.seq(slot), expires: table.expires(slot) });
  }

  #endScan(): void {
    if (this.#scan === null || this.#scan.iterator === null) return;
    const shard = this.#source.shards[this.#scan.position] as number;
    this.#table(shard)?.closeIterator(this.#scan.iterator);
    this.#scan.iterator = null;
  }

  #table(shard: number): RecordTable | undefined {
    return this.#source.stores[shard]?.find(this.#source.map)?.table;
  }

  /** Rows beyond the window need no watching: those that have run out are not there when it is built anew. */
  #armExpiry(): void {
    if (this.#expiryTimer !== null) this.#runtime.clearTimer(this.#expiryTimer);
    this.#expiryTimer = null;
    const next = this.#rows.nextDeadline();
    if (next === 0) return;
    const delay = Math.max(1, Math.min(MAX_TIMER_MS, next - this.#runtime.now()));
    this.#expiryTimer = this.#runtime.setTimer(delay, this.#onExpiry);
  }

  readonly #onExpiry = (): void => {
    this.#expiryTimer = null;
    this.#flush();
    const expired = this.#rows.expired(this.#runtime.now());
    for (const key of expired) this.#rows.remove(key);
    if (expired.length > 0) this.#settle(new Set(expired));
    else this.#armExpiry();
  };
}
