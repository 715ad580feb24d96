import {
  type CompiledQuery,
  canonicalQuery,
  compileQuery,
  decodeValue,
  type EntryBatch,
  encodeValue,
  type Query,
  type QueryRecordsMessage,
  type QueryResetMessage,
  type QuerySubMessage,
  shardOfKey,
  Tag,
  type TopGunError,
} from '@topgunbuild/core';
import type { ReplicaMap } from '../replica/ReplicaMap.js';
import type { PendingOp } from './PendingOp.js';

type Waiter = { readonly resolve: () => void; readonly reject: (error: TopGunError) => void };

/** What the other streams of a map know of its keys. */
export interface StreamsBeside {
  /** Whether one of them keeps the record of `key` up to date. */
  cover(key: string): boolean;
  /** Whether one of them has brought the record of `key`, by a change behind `seq` of its shard. */
  toldSince(key: string, seq: number): boolean;
}

/**
 * What one map, or the part of it that matches a query, is to this client: a desired state that outlives connections.
 * It knows how far each shard was received, and so where to go on.
 *
 * While a shard is sent in full (first time, or after a reset) the keys that come are noted; when everything has come,
 * what the server did not name does not exist any more. A query with a limit is sent in full after every connect.
 */
export class Stream {
  /** What the subscription goes by at the server. */
  id: number;
  readonly map: ReplicaMap;
  readonly query: Query;
  readonly compiled: CompiledQuery;
  /** Users of the stream. None: it is not subscribed, and stands for no row. */
  users = 0;
  readonly isWindow: boolean;
  /** A window's rows at the server. */
  readonly #members = new Set<string>();
  /**
   * Keys that have left a query without limit and are here all the same, because another stream stood for them or an
   * operation on them is pending. Until the record is brought up to date it still looks as if it matched.
   */
  readonly #left = new Set<string>();
  #logId: string | null = null;
  readonly #cursors = new Map<number, number>();
  /** Shards that are being sent in full. */
  #full: 'none' | 'all' | Set<number> = 'all';
  /** Keys received in full shards; null where nothing was here before that could turn out not to exist. */
  #seen: Set<string> | null = null;
  /** Keys of which the server has acked an operation, and which it has not named, while shards are sent in full. */
  readonly #acked = new Set<string>();
  #complete = false;
  /** Windows: the members are those that the server has told since the last (re)connect. */
  #isCurrent = false;
  #error: TopGunError | null = null;
  #waiters: Waiter[] = [];
  readonly #onProgress = new Set<() => void>();
  readonly #onRows = new Set<(keys: readonly string[]) => void>();

  constructor(id: number, map: ReplicaMap, query: Query) {
    this.id = id;
    this.map = map;
    this.query = query;
    this.compiled = compileQuery(query);
    this.isWindow = query.limit !== undefined;
  }

  /** Equal for streams of the same rows in the same window. */
  get identity(): string {
    return streamIdentity(this.map.name, this.query);
  }

  /** All rows of the map. */
  get isWholeMap(): boolean {
    return !this.isWindow && Object.keys(this.query.where ?? {}).length === 0;
  }

  /** Every row that the server had at the time of the last (re)connect has arrived at least once. */
  get isComplete(): boolean {
    return this.#complete;
  }

  /** Why the server refuses the stream, null when it does not. */
  get error(): TopGunError | null {
    return this.#error;
  }

  /** Resolves when complete, rejects when the server refuses. */
  completed(): Promise<void> {
    if (this.#complete) return Promise.resolve();
    if (this.#error !== null) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Calls `listener` whenever `isComplete` may have changed. */
  onProgress(listener: () => void): () => void {
    this.#onProgress.add(listener);
    return () => this.#onProgress.delete(listener);
  }

  // --- protocol ----------------------------------------------------------------------------------------------------

  /** The request that goes on where the stream stands. */
  subscription(): QuerySubMessage {
    this.#error = null;
    if (this.isWindow) this.#clearMembers();
    else if (this.#full === 'all') this.#beginFull();
    const cursors: number[] = [];
    for (const [shard, seq] of this.#cursors) cursors.push(shard, seq);
    return {
      type: 'QUERY_SUB',
      queryId: this.id,
      map: this.map.name,
      query: { ...this.query },
      logId: cursors.length === 0 ? null : this.#logId,
      cursors,
      shards: null,
    };
  }

  /** Some cursors could not be honoured: those shards come in full. */
  onReset(message: QueryResetMessage, shardCount: number): void {
    if (this.isWindow) {
      this.#forgetMembers(new Set(message.shards), shardCount);
      return;
    }
    if (this.#logId !== null && this.#logId !== message.logId) {
      this.#cursors.clear();
      this.#full = 'all';
      this.#seen = new Set();
    } else {
      // Without notes, what has come so far came into an empty map: only these shards need any.
      if (this.#full === 'none' || this.#seen === null) this.#full = new Set();
      this.#seen ??= new Set();
      const reset = new Set(message.shards);
      for (const shard of reset) {
        this.#cursors.delete(shard);
        if (this.#full !== 'all') this.#full.add(shard);
      }
      // What was seen of these shards before may be gone by now.
      for (const key of this.#seen) if (reset.has(shardOfKey(key, shardCount))) this.#seen.delete(key);
    }
    this.#logId = message.logId;
  }

  /**
   * Takes in rows. `beside` tells of the other streams; `logId` names the log of the connection; `shardCount` is its number
   * of shards. Returns whether to ask again, under another id.
   */
  onRecords(message: QueryRecordsMessage, logId: string, shardCount: number, beside: StreamsBeside): boolean {
    this.#note(message.records);
    const isWhole = (key: string): boolean => message.initial && this.#isSentInFull(key, shardCount);
    const stays = (key: string): boolean => beside.cover(key) || this.#isNotOurs(key);
    this.map.applyRemote(message.records, logId, stays, isWhole);
    if (this.#left.size > 0) this.#forgetLeft();
    if (!this.isWindow) {
      this.#logId = logId;
      for (let i = 0; i + 1 < message.cursors.length; i += 2) {
        this.#cursors.set(message.cursors[i] as number, message.cursors[i + 1] as number);
      }
    }
    if (this.isWindow) for (const listener of [...this.#onRows]) listener(message.records.keys);
    if (!message.last) return false;
    this.#isCurrent = true;
    const isInDoubt = this.#dropUnseen(shardCount, beside);
    this.#complete = true;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.resolve();
    this.#progressed();
    return isInDoubt;
  }

  /** A server has acked `op`, which counts as pending yet. Returns whether to ask again, under another id. */
  onAcked(op: PendingOp, shardCount: number): boolean {
    const { key } = op;
    if (this.isWindow) return false;
    if (!this.#isSentInFull(key, shardCount)) return this.#doubts(op, shardCount);
    // In a map that was empty the record below the operation is one that has come.
    const isNamed = this.#seen === null ? this.map.baseStamp(key) !== null : this.#seen.has(key);
    if (!isNamed) this.#acked.add(key);
    return false;
  }

  /** The server refuses the stream. What may not be read any more is forgotten, unless another stream stands for it. */
  onRefused(error: TopGunError, isCovered: (key: string) => boolean): void {
    if (error.code === 'FORBIDDEN') {
      const own = this.isWindow ? [...this.#members] : [...this.map.table.keys()].filter((key) => this.matches(key));
      this.forget();
      this.map.drop(own.filter((key) => !isCovered(key)));
    }
    this.#error = error;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
    this.#progressed();
  }

  /** Whether this stream, while somebody uses it, keeps the record of `key` as it is now up to date. */
  covers(key: string): boolean {
    if (this.users === 0 || this.#error !== null) return false;
    if (this.isWindow) return this.#members.has(key);
    if (this.#left.has(key)) return false;
    return this.map.newestPending(key) === null ? this.matches(key) : this.#baseMatches(key);
  }

  /** Whether this stream has told the record of `key`, as it is now, of a change behind `seq` in the log `logId`. */
  hasToldSince(key: string, seq: number, logId: string, shardCount: number): boolean {
    if (this.isWindow || this.#logId !== logId || !this.covers(key)) return false;
    if ((this.#cursors.get(shardOfKey(key, shardCount)) ?? 0) <= seq) return false;
    return this.#seen === null || this.#seen.has(key) || !this.#isSentInFull(key, shardCount);
  }

  /** Whether the record of `key`, as it is here, belongs to the query, window aside. */
  matches(key: string): boolean {
    const slot = this.map.table.find(key);
    if (slot < 0) return false;
    if (this.isWholeMap) return true;
    const value = this.map.valueAt(slot);
    return value !== undefined && this.compiled.matches(key, value);
  }

  /** Windows: whether the server has told which rows are in the window, so that others may be beyond it. */
  get knowsMembers(): boolean {
    return this.isWindow && this.#isCurrent;
  }

  /** Windows: calls `listener` with the keys of rows that have come, changed or not. */
  onRows(listener: (keys: readonly string[]) => void): () => void {
    this.#onRows.add(listener);
    return () => this.#onRows.delete(listener);
  }

  /** Tells listeners that what the stream stands for may have changed. */
  recheck(): void {
    this.#progressed();
  }

  /** Keys that only this window stands for; they mean nothing once it is closed. */
  get members(): ReadonlySet<string> {
    return this.#members;
  }

  // --- storage -----------------------------------------------------------------------------------------------------

  /** How far the stream is, for storage; null while it would be wrong to go on from there. */
  encodeState(): Uint8Array | null {
    if (this.isWindow || this.#full !== 'none' || this.#logId === null) return null;
    return encodeValue([this.#logId, [...this.#cursors].flat()]);
  }

  /** Goes on from a stored state. Whatever cannot be read counts as nothing. */
  restoreState(bytes: Uint8Array): void {
    const state = decodeValue(bytes);
    if (this.isWindow || !Array.isArray(state) || typeof state[0] !== 'string' || !Array.isArray(state[1])) return;
    this.#logId = state[0];
    for (let i = 0; i + 1 < state[1].length; i += 2) this.#cursors.set(Number(state[1][i]), Number(state[1][i + 1]));
    this.#full = 'none';
  }

  /** Starts over, as if nothing had ever been received. */
  forget(): void {
    this.#logId = null;
    this.#cursors.clear();
    this.#members.clear();
    this.#left.clear();
    this.#full = 'all';
    this.#seen = null;
    this.#acked.clear();
    this.#complete = false;
    this.#error = null;
    this.#progressed();
  }

  // --- inside ------------------------------------------------------------------------------------------------------

  /** Everything is to come, but for shards that have come already, before a connection broke. */
  #beginFull(): void {
    if (this.#cursors.size === 0) {
      this.#seen = this.map.table.size > 0 ? new Set() : null;
    } else if (this.#seen === null) {
      // Those came into an empty map. The others will be reset, and are noted from then on.
      this.#full = new Set();
      this.#seen = new Set();
    }
  }

  #note(rows: EntryBatch): void {
    const keys = this.isWindow ? this.#members : this.#seen;
    for (let i = 0; i < rows.count; i++) {
      const key = rows.keys[i] as string;
      if (rows.tags[i] !== Tag.LEFT) {
        keys?.add(key);
        if (this.#acked.size > 0) this.#acked.delete(key);
        if (this.#left.size > 0) this.#left.delete(key);
      } else if (this.isWindow) {
        this.#members.delete(key);
      } else {
        this.#left.add(key);
      }
    }
  }

  /**
   * The row of an operation is told before its ack, but to a reader that is slow. Where the last that was told is that the
   * key has left, and what `op` has made of it belongs here, that may be of before `op`, and its row on the way; or `op` has
   * lost, and nothing will come. Sent in full once more, the shard will tell. Returns whether it is to be.
   */
  #doubts(op: PendingOp, shardCount: number): boolean {
    const isLast = this.map.newestPending(op.key) === op && op.older === null;
    if (!isLast || this.users === 0 || !this.#left.has(op.key) || !this.matches(op.key)) return false;
    const shard = shardOfKey(op.key, shardCount);
    this.#left.delete(op.key);
    this.#cursors.delete(shard);
    this.#seen ??= new Set();
    this.#full = this.#full instanceof Set ? this.#full.add(shard) : new Set([shard]);
    return true;
  }

  /** Only keys that look as if they matched need remembering. */
  #forgetLeft(): void {
    for (const key of this.#left) if (this.#isNotOurs(key)) this.#left.delete(key);
  }

  /**
   * Whether the record of `key` is none that a query without limit has brought, and so is not taken away by its leaving. It
   * may be one that a stream which is closed now has brought, further on than this one, and will not bring again.
   */
  #isNotOurs(key: string): boolean {
    return !this.isWindow && this.map.newestPending(key) === null && !this.matches(key);
  }

  /**
   * Forgets rows that would belong here but were not among those that the server has. Of one that was acked meanwhile nobody
   * knows: rows by another connection may be from before, or from after somebody else has removed it. It stays, and its
   * shard is sent in full once more, which will tell. Returns whether there are such shards.
   */
  #dropUnseen(shardCount: number, beside: StreamsBeside): boolean {
    const seen = this.isWindow ? this.#members : this.#seen;
    const gone: string[] = [];
    const doubtful = new Set<number>();
    for (const key of seen === null ? this.#acked : this.map.table.keys()) {
      if (seen?.has(key) === true || !this.#isSentInFull(key, shardCount) || !this.#isGone(key, beside)) continue;
      if (beside.toldSince(key, this.#cursors.get(shardOfKey(key, shardCount)) ?? 0)) continue;
      if (this.#acked.has(key)) doubtful.add(shardOfKey(key, shardCount));
      else gone.push(key);
    }
    const isInDoubt = doubtful.size > 0;
    for (const shard of doubtful) this.#cursors.delete(shard);
    this.#acked.clear();
    this.#seen = isInDoubt ? new Set() : null;
    this.#full = isInDoubt ? doubtful : 'none';
    if (!this.isWindow) for (const key of gone) if (this.map.newestPending(key) !== null) this.#left.add(key);
    this.map.drop(gone, (key) => this.matches(key));
    return isInDoubt;
  }

  /**
   * Whether `key`, which the server did not name, is to be forgotten. A record that matches is not what the server had,
   * or it would have been named: no other stream can stand for it, unless it is further on, or two that both start over
   * would each wait for the other. Only beyond a window are there records that match and are not named.
   */
  #isGone(key: string, beside: StreamsBeside): boolean {
    const isPending = this.map.newestPending(key) !== null;
    const matches = isPending ? this.#baseMatches(key) : this.matches(key);
    if (matches && !this.isWindow) return true;
    // The record of another query, closed maybe, that will not bring it again, with nothing on top that belongs here.
    if (isPending && !this.isWindow && this.map.baseStamp(key) !== null && !this.matches(key)) return false;
    // A pending operation that the server has taken in meanwhile, and that won, would have been named.
    return (isPending || matches) && !beside.cover(key);
  }

  #baseMatches(key: string): boolean {
    return this.isWholeMap || this.map.baseMatches(key, this.compiled.matches);
  }

  #isSentInFull(key: string, shardCount: number): boolean {
    if (this.isWindow || this.#full === 'all') return true;
    return this.#full !== 'none' && this.#full.has(shardOfKey(key, shardCount));
  }

  /** What the window has of these shards comes anew; of the others it stays. */
  #forgetMembers(shards: ReadonlySet<number>, shardCount: number): void {
    for (const key of this.#members) if (shards.has(shardOfKey(key, shardCount))) this.#members.delete(key);
    this.#isCurrent = false;
  }

  #clearMembers(): void {
    this.#members.clear();
    this.#isCurrent = false;
  }

  #progressed(): void {
    for (const listener of [...this.#onProgress]) listener();
  }
}

export function streamIdentity(map: string, query: Query): string {
  return `${map}\u0000${canonicalQuery(query)}`;
}
