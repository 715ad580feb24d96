import {
  decodeCounterState,
  EntryBatch,
  Kind,
  kindOfTag,
  mergeEntry,
  Outcome,
  RecordTable,
  Tag,
} from '@topgunbuild/core';
import type { PendingOp } from '../engine/PendingOp.js';
import { type ChangeListener, MapListeners, type Origin, type RecordState, type RowChange } from './MapListeners.js';
import { decodeRecord, isOlderRow, isSameRow, isSameValue } from './rows.js';

/** Local state is never refused for its size; the server is who enforces limits. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;
const UNDECODED = Symbol('undecoded');
const NOTHING: RecordState = { kind: null, value: undefined };
const never = (): boolean => false;

/** Where a map tells of deadlines and of rows that storage should know. */
export interface ReplicaMapOwner {
  now(): number;
  onDeadline(map: ReplicaMap, key: string, deadline: number): void;
  onBaseChanged(map: ReplicaMap, key: string): void;
  /** Whether a stream keeps the record of `key`, as it is now, up to date. */
  isCovered(map: ReplicaMap, key: string): boolean;
  /** A listener of the application threw. */
  onThrow(error: unknown): void;
}

/**
 * One map as this client sees it: what the server said (the base), and on top of it the operations that the server
 * has not answered. For keys with pending operations the base is kept apart, so that a refused operation can
 * be taken back; for all others what is shown is the base.
 */
export class ReplicaMap {
  readonly name: string;
  readonly table: RecordTable;
  readonly #owner: ReplicaMapOwner;
  readonly #base: RecordTable;
  /** The newest pending operation of a key; older ones hang on it. */
  readonly #pending = new Map<string, PendingOp>();
  /** Keys whose row left the streams while operations on them were pending. */
  readonly #left = new Set<string>();
  /** The log in which the rows stand that servers send now; null before that is known. */
  #logId: string | null = null;
  /** Keys whose records may be of another log: what servers hold now may well be older. */
  readonly #foreign = new Set<string>();
  readonly #listeners: MapListeners;
  readonly #onSettled = new Set<(key: string) => void>();
  readonly #row = new EntryBatch();
  readonly #decoded: unknown[] = [];
  /** By slot: an LWW record that listeners know of. Its deadline may have come without their having been told yet. */
  readonly #counted: boolean[] = [];
  #live = 0;

  constructor(name: string, owner: ReplicaMapOwner) {
    this.name = name;
    this.#owner = owner;
    this.table = new RecordTable(name);
    this.#base = new RecordTable(name);
    this.#listeners = new MapListeners((error) => owner.onThrow(error));
  }

  // --- reading -----------------------------------------------------------------------------------------------------

  /** The value of an LWW record, undefined when there is none. Treat it as immutable: it is shared. */
  get(key: string): unknown {
    const slot = this.table.find(key);
    return slot < 0 || this.table.tag(slot) !== Tag.LWW_SET ? undefined : this.valueAt(slot);
  }

  /** The value of a record of any kind: an OR set's elements as an array, a counter's sum. */
  read(key: string): unknown {
    const slot = this.table.find(key);
    return slot < 0 ? undefined : this.valueAt(slot);
  }

  kindOf(key: string): Kind | null {
    const slot = this.table.find(key);
    return slot < 0 ? null : this.table.kind(slot);
  }

  /** The value in `slot`; undefined for a tombstone. */
  valueAt(slot: number): unknown {
    if (this.table.hasDeadlines && this.table.isTombstone(slot, this.#owner.now())) return undefined;
    return this.#decode(slot);
  }

  /** Live LWW records. */
  get size(): number {
    return this.#live;
  }

  /** Keys of live LWW records, in the order in which they first appeared. */
  *liveKeys(): IterableIterator<string> {
    for (const slot of this.table.slots()) {
      if (this.table.tag(slot) === Tag.LWW_SET && this.valueAt(slot) !== undefined) yield this.table.key(slot);
    }
  }

  subscribe(listener: ChangeListener): () => void {
    return this.#listeners.add(listener);
  }

  /** Listeners hear of nothing until `release`. */
  hold(): void {
    this.#listeners.hold();
  }

  release(): void {
    this.#listeners.release((key) => this.#state(key));
  }

  /** Calls `listener` with a key when nothing is pending on it any more. */
  onSettled(listener: (key: string) => void): () => void {
    this.#onSettled.add(listener);
    return () => this.#onSettled.delete(listener);
  }

  // --- local operations --------------------------------------------------------------------------------------------

  newestPending(key: string): PendingOp | null {
    return this.#pending.get(key) ?? null;
  }

  /** The timestamp of the record below the pending operations on `key`. */
  baseStamp(key: string): { readonly ms: number; readonly counter: number } | null {
    const table = this.#pending.has(key) ? this.#base : this.table;
    const slot = table.find(key);
    return slot < 0 ? null : { ms: table.ms(slot), counter: table.counter(slot) };
  }

  /** Whether the record below the pending operations on `key` has a value that passes `matches`. */
  baseMatches(key: string, matches: (key: string, value: unknown) => boolean): boolean {
    const slot = this.#base.find(key);
    if (slot < 0 || this.#base.isTombstone(slot, this.#owner.now())) return false;
    const value = decodeRecord(this.#base, slot);
    return value !== undefined && matches(key, value);
  }

  /** What the server has accepted of `replica`'s slot in the counter `key`, as far as this client knows. */
  baseTotals(key: string, replica: string): { readonly added: number; readonly removed: number } {
    const table = this.#pending.has(key) ? this.#base : this.table;
    const slot = table.find(key);
    const state = slot >= 0 && table.tag(slot) === Tag.COUNTER_STATE ? decodeCounterState(table.bytes(slot)) : [];
    const { added, removed } = state.find((own) => own.replica === replica) ?? { added: 0, removed: 0 };
    return { added, removed };
  }

  /**
   * Applies an operation of this client and shows it at once. `replaced`, never sent, is the key's newest pending
   * operation, and `op` says the same and more.
   */
  applyLocal(op: PendingOp, replaced: PendingOp | null): void {
    const before = this.#listeners.areThere ? this.#state(op.key) : NOTHING;
    if (replaced === null) {
      this.#push(op);
    } else {
      op.older = replaced.older;
      this.#pending.set(op.key, op);
    }
    this.#merge(this.table, op);
    if (this.#listeners.areThere) this.#listeners.tell([this.#change(op.key, before, 'local')]);
  }

  /** Adds an operation from storage, on top of a base that is already there. */
  restore(op: PendingOp): void {
    const before = this.#listeners.areThere ? this.#state(op.key) : NOTHING;
    this.#push(op);
    this.#merge(this.table, op);
    if (this.#listeners.areThere) this.#listeners.tell([this.#change(op.key, before, 'local')]);
  }

  /** Takes back an operation that was never sent. */
  withdraw(op: PendingOp): void {
    this.#undo(op, 'local');
  }

  /** The server has made `op` durable: it belongs to the base from now on. */
  accept(op: PendingOp): void {
    if (kindOfTag(op.tag) === Kind.LWW) for (const older of op.older?.line() ?? []) older.isOvertaken = true;
    this.#unlink(op);
    if (this.#pending.has(op.key)) {
      if (!op.isOvertaken) this.#merge(this.#base, op);
    } else {
      this.#forgetBase(op.key);
      // A stream said that the row is not its own any more: had the operation won, its row would follow. Unless another
      // stream stands for the record, which may be behind and yet to tell.
      if (this.#left.delete(op.key) && !this.#owner.isCovered(this, op.key)) this.drop([op.key]);
      for (const listener of [...this.#onSettled]) listener(op.key);
    }
    // The log that it stands in is the one of now.
    const base = this.baseStamp(op.key);
    if (base?.ms === op.ms && base.counter === op.counter) this.#foreign.delete(op.key);
    this.#owner.onBaseChanged(this, op.key);
  }

  /** The server has refused `op`: what is shown becomes the base and what else is pending. */
  revert(op: PendingOp): void {
    this.#undo(op, 'remote');
  }

  /** The pending operations on `key` have changed: what is shown is computed anew. */
  rebuild(key: string): void {
    const before = this.#listeners.areThere ? this.#state(key) : NOTHING;
    this.#rebuild(key);
    if (!this.#listeners.areThere) return;
    const change = this.#change(key, before, 'local');
    if (!isSameValue(change.value, before.value)) this.#listeners.tell([change]);
  }

  // --- records from servers ----------------------------------------------------------------------------------------

  /**
   * Takes in rows of a stream, which stand in the log `logId`. `isCovered` tells whether another stream still stands for a
   * key that left this one; `isWhole` whether the row of a key is all that the server has of it, and not what changed since
   * the client knew it.
   */
  applyRemote(
    rows: EntryBatch,
    logId: string,
    isCovered: (key: string) => boolean,
    isWhole: (key: string) => boolean = never,
  ): void {
    if (logId !== this.#logId) this.#changeLog(logId);
    const listening = this.#listeners.areThere;
    const changes: RowChange[] = [];
    for (let i = 0; i < rows.count; i++) {
      const key = rows.keys[i] as string;
      const before = listening ? this.#state(key) : NOTHING;
      let changed: boolean;
      if (rows.tags[i] === Tag.LEFT) changed = !isCovered(key) && this.#leave(key);
      else changed = isWhole(key) ? this.#replace(rows, i, key) : this.#arrive(rows, i, key);
      if (changed && listening) changes.push(this.#change(key, before, 'remote'));
    }
    this.#listeners.tell(changes);
  }

  /** Forgets rows that the server does not have. `mayFollow`: those of operations that are under way may yet come. */
  drop(keys: readonly string[], mayFollow: (key: string) => boolean = never): void {
    const changes: RowChange[] = [];
    for (const key of keys) {
      const before = this.#listeners.areThere ? this.#state(key) : NOTHING;
      if (this.#leave(key, mayFollow) && before.value !== undefined) changes.push(this.#change(key, before, 'remote'));
    }
    this.#listeners.tell(changes);
  }

  /** Takes over rows from storage, below operations that are pending already. */
  load(rows: EntryBatch): void {
    const listening = this.#listeners.areThere;
    const changes: RowChange[] = [];
    for (let i = 0; i < rows.count; i++) {
      const key = rows.keys[i] as string;
      const before = listening ? this.#state(key) : NOTHING;
      if (this.#pending.has(key)) {
        // What is shown is made again on top of it.
        this.#mergeRow(this.#base, rows, i);
        continue;
      }
      const outcome = this.#mergeRow(this.table, rows, i);
      this.#applied(key, outcome);
      if (listening && outcome === Outcome.APPLIED) changes.push(this.#change(key, before, 'remote'));
    }
    this.#listeners.tell(changes);
  }

  /** What was loaded stands in the log `logId`. */
  standsIn(logId: string): void {
    this.#logId = logId;
  }

  /** Adds the row that storage should hold for `key` to `batch`; false when it should hold none. */
  addBaseTo(batch: EntryBatch, key: string): boolean {
    const table = this.#pending.has(key) ? this.#base : this.table;
    const slot = table.find(key);
    if (slot < 0) return false;
    table.addTo(batch, slot);
    return true;
  }

  /** The deadline of `key` has come: tells listeners, if the record still has that deadline. */
  expire(key: string, deadline: number): void {
    const slot = this.table.find(key);
    if (slot < 0 || this.table.expires(slot) !== deadline || this.#counted[slot] !== true) return;
    const previous = this.#decode(slot);
    this.#count(slot, false);
    this.#listeners.tell([{ key, kind: Kind.LWW, value: undefined, previous, origin: 'remote' }]);
  }

  /** The clock was set back: records whose deadlines had come, and now lie ahead again, are there again. */
  revive(): void {
    if (!this.table.hasDeadlines) return;
    const now = this.#owner.now();
    const changes: RowChange[] = [];
    for (const slot of this.table.slots()) {
      const deadline = this.table.expires(slot);
      if (deadline <= now || this.#counted[slot] === true) continue;
      const key = this.table.key(slot);
      this.#count(slot, true);
      this.#owner.onDeadline(this, key, deadline);
      changes.push({ key, kind: Kind.LWW, value: this.valueAt(slot), previous: undefined, origin: 'remote' });
    }
    this.#listeners.tell(changes);
  }

  /** Empties the map and tells listeners. */
  clear(): void {
    this.#pending.clear();
    this.#left.clear();
    this.#foreign.clear();
    this.#logId = null;
    const keys = [...this.table.keys()];
    for (const key of [...this.#base.keys()]) this.#base.delete(this.#base.find(key));
    this.drop(keys);
  }

  // --- inside ------------------------------------------------------------------------------------------------------

  #undo(op: PendingOp, origin: Origin): void {
    const before = this.#state(op.key);
    this.#unlink(op);
    this.#rebuild(op.key);
    if (!this.#pending.has(op.key)) {
      this.#forgetBase(op.key);
      // What is below was accepted before it, from a row that is in no stream any more.
      if (this.#left.delete(op.key)) this.#remove(op.key);
    }
    if (this.#listeners.areThere) this.#listeners.tell([this.#change(op.key, before, origin)]);
  }

  #rebuild(key: string): void {
    const base = this.#base.find(key);
    if (base >= 0) {
      const row = this.#row;
      this.#base.putIn(row, base);
      this.#put(row);
    } else {
      this.#remove(key);
    }
    const ops = this.#pending.get(key)?.line() ?? [];
    for (const op of ops.reverse()) if (!op.isOvertaken) this.#merge(this.table, op);
  }

  #arrive(rows: EntryBatch, index: number, key: string): boolean {
    if (this.#pending.has(key)) {
      this.#hear(key);
      if (this.#mergeAuthoritative(this.#base, rows, index) === Outcome.APPLIED) this.#owner.onBaseChanged(this, key);
    }
    const outcome = this.#pending.has(key)
      ? this.#mergeRow(this.table, rows, index)
      : this.#mergeAuthoritative(this.table, rows, index);
    this.#applied(key, outcome);
    if (outcome !== Outcome.APPLIED) return false;
    if (!this.#pending.has(key)) this.#owner.onBaseChanged(this, key);
    return true;
  }

  /** Until a server tells a record anew it is of the log before. */
  #changeLog(logId: string): void {
    this.#logId = logId;
    for (const key of this.table.keys()) this.#foreign.add(key);
  }

  /**
   * Merging would keep what the server has forgotten: elements whose removal is no longer remembered, or records that a
   * server restored from a backup does not have. But an owner that was succeeded and does not know sends what is no longer
   * true: in one log nothing gives way to what is older.
   */
  #replace(rows: EntryBatch, index: number, key: string): boolean {
    const isPending = this.#pending.has(key);
    const table = isPending ? this.#base : this.table;
    if (isPending) this.#hear(key);
    if (!this.#foreign.delete(key) && isOlderRow(table, rows, index)) return false;
    if (isSameRow(table, rows, index)) return false;
    this.#owner.onBaseChanged(this, key);
    if (isPending) {
      this.#forgetBase(key);
      this.#mergeRow(this.#base, rows, index);
      this.#rebuild(key);
    } else {
      this.#remove(key);
      this.#applied(key, this.#mergeRow(this.table, rows, index));
    }
    return true;
  }

  /** A row of `key`, which has pending operations, has come. */
  #hear(key: string): void {
    this.#left.delete(key);
    for (const op of this.#pending.get(key)?.line() ?? []) op.isInDoubt = false;
  }

  #leave(key: string, mayFollow: (key: string) => boolean = never): boolean {
    this.#owner.onBaseChanged(this, key);
    if (this.#pending.has(key)) {
      this.#forgetBase(key);
      if (!mayFollow(key)) this.#left.add(key);
      else for (const op of this.#pending.get(key)?.line() ?? []) op.isInDoubt = op.state === 'sent';
      // Of a set or a counter the pending operations alone are something else than with the record below them.
      if (this.kindOf(key) === Kind.LWW) return false;
      this.#rebuild(key);
      return true;
    }
    return this.#remove(key);
  }

  #remove(key: string): boolean {
    const slot = this.table.find(key);
    if (slot < 0) return false;
    this.#count(slot, false);
    this.#decoded[slot] = UNDECODED;
    this.table.delete(slot);
    return true;
  }

  #forgetBase(key: string): void {
    const slot = this.#base.find(key);
    if (slot >= 0) this.#base.delete(slot);
  }

  #push(op: PendingOp): void {
    const newest = this.#pending.get(op.key);
    if (newest === undefined) {
      const slot = this.table.find(op.key);
      if (slot >= 0) {
        this.table.putIn(this.#row, slot);
        this.#mergeRow(this.#base, this.#row, 0);
      }
    }
    op.older = newest ?? null;
    this.#pending.set(op.key, op);
  }

  #unlink(op: PendingOp): void {
    const newest = this.#pending.get(op.key);
    if (newest === op) {
      if (op.older === null) this.#pending.delete(op.key);
      else this.#pending.set(op.key, op.older);
      return;
    }
    for (let other = newest; other !== undefined && other !== null; other = other.older ?? undefined) {
      if (other.older === op) other.older = op.older;
    }
  }

  #merge(table: RecordTable, op: PendingOp): void {
    const row = this.#row;
    op.putIn(row);
    const outcome = this.#mergeRow(table, row, 0);
    if (table === this.table) this.#applied(op.key, outcome);
  }

  #mergeRow(table: RecordTable, rows: EntryBatch, index: number): Outcome {
    return mergeEntry(table, rows, index, 0, UNLIMITED);
  }

  /** As `mergeRow`, for rows whose kind is beyond doubt: a key that was collected may come back as another kind. */
  #mergeAuthoritative(table: RecordTable, rows: EntryBatch, index: number): Outcome {
    const outcome = this.#mergeRow(table, rows, index);
    if (outcome !== Outcome.KIND_MISMATCH) return outcome;
    const key = rows.keys[index] as string;
    if (table === this.table) this.#remove(key);
    else this.#forgetBase(key);
    return this.#mergeRow(table, rows, index);
  }

  /** Stores row 0 of `row` as the shown record, whatever was there. */
  #put(row: EntryBatch): void {
    const key = row.keys[0] as string;
    this.#remove(key);
    this.#applied(key, this.#mergeRow(this.table, row, 0));
  }

  #applied(key: string, outcome: Outcome): void {
    if (outcome !== Outcome.APPLIED) return;
    const slot = this.table.newest;
    this.#decoded[slot] = UNDECODED;
    const deadline = this.table.expires(slot);
    const now = deadline === 0 ? 0 : this.#owner.now();
    this.#count(slot, this.table.kind(slot) === Kind.LWW && !this.table.isTombstone(slot, now));
    if (deadline > now) this.#owner.onDeadline(this, key, deadline);
  }

  #count(slot: number, live: boolean): void {
    const was = this.#counted[slot] === true;
    if (was !== live) this.#live += live ? 1 : -1;
    this.#counted[slot] = live;
  }

  /** The value in `slot`, even if its deadline has come. */
  #decode(slot: number): unknown {
    const cached = this.#decoded[slot];
    if (cached !== UNDECODED && cached !== undefined) return cached;
    const value = decodeRecord(this.table, slot);
    this.#decoded[slot] = value;
    return value;
  }

  /** What listeners know of `key`, or are about to hear. */
  #state(key: string): RecordState {
    const slot = this.table.find(key);
    if (slot < 0) return NOTHING;
    const kind = this.table.kind(slot);
    return { kind, value: kind === Kind.LWW && this.#counted[slot] !== true ? undefined : this.#decode(slot) };
  }

  #change(key: string, before: RecordState, origin: Origin): RowChange {
    const { kind, value } = this.#state(key);
    return { key, kind: kind ?? before.kind ?? Kind.LWW, value, previous: before.value, origin };
  }
}
