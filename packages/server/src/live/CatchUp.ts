import { shardOfKey, Tag } from '@topgunbuild/core';
import type { ShardMap } from '../shard/ShardMap.js';
import type { ShardStore } from '../shard/ShardStore.js';
import { slotMatches } from './ChangedRow.js';
import type { LiveTuning } from './LiveTuning.js';
import type { RowFilter } from './RowFilter.js';
import { RecordRows } from './recordsFrame.js';
import { ChangeWalk, PinnedWalk, type ShardWalk } from './ShardWalk.js';

const NONE = -1;

export interface Chunk {
  readonly rows: RecordRows;
  readonly cursors: readonly number[];
  /** The subscriber now has everything. */
  readonly isComplete: boolean;
  /** Rows looked at. */
  readonly walked: number;
}

/** The part of the world that a catch-up reads. */
export interface CatchUpSource {
  readonly map: string;
  /** By shard; those of `shards` are there. */
  readonly stores: readonly (ShardStore | null)[];
  /** Shards that can hold rows of the query, ascending. */
  readonly shards: readonly number[];
  readonly tuning: LiveTuning;
}

/**
 * Brings a subscriber from its cursors to the present, shard by shard, as fast as it takes the rows. Nothing is queued
 * for it meanwhile: shards that have changed again since are walked again, until one uninterrupted run finds them all
 * at their ends.
 *
 * A row that does not pass the filter but has changed since the subscriber last saw it may be one that it holds:
 * - where keys are no secret, such a row is sent as gone (its tombstone, or LEFT). So is one that somebody wrote to in
 *   vain, which changed nothing: its author shows what he wrote. It comes by `lose`;
 * - in a restricted stream only rows that are known to have passed before may be named: they come by `lose`.
 */
export class CatchUp {
  readonly #source: CatchUpSource;
  readonly #filter: RowFilter;
  /** By shard: what the subscriber knows. */
  readonly cursors: Float64Array;
  /** By shard: rows not changed since this sequence, and not passing, are no rows that the subscriber holds. */
  readonly #bases: Float64Array;
  /** Keys of rows that the subscriber may hold and must lose, and that the walk would not name. */
  readonly #lost = new Set<string>();
  #walk: ShardWalk | null = null;
  #position = 0;

  /** `cursors`, by shard, are taken over; 0 = from the beginning. */
  constructor(source: CatchUpSource, filter: RowFilter, cursors: Float64Array) {
    this.#source = source;
    this.#filter = filter;
    this.cursors = cursors;
    this.#bases = cursors.slice();
    for (const shard of source.shards) if (cursors[shard] === 0) this.#bases[shard] = this.#store(shard).appliedSeq;
  }

  get lostCount(): number {
    return this.#lost.size;
  }

  /** The subscriber is told of `key`, if its row does not pass. */
  lose(key: string): void {
    this.#lost.add(key);
  }

  /** For a stream that starts again: it holds nothing that it could lose. */
  forgetLost(): void {
    this.#lost.clear();
  }

  /** True when the shard has to be sent from the beginning, because what was forgotten there was still to be told. */
  collected(shard: number, collectedSeq: number): boolean {
    const isWalking = this.#walk !== null && this.#walk.map.shard === shard;
    const cursor = this.cursors[shard] as number;
    if (cursor >= collectedSeq || (cursor === 0 && !isWalking)) return false;
    this.restart(shard);
    return true;
  }

  restart(shard: number): void {
    if (this.#walk !== null && this.#walk.map.shard === shard) this.close();
    this.cursors[shard] = 0;
    this.#bases[shard] = this.#store(shard).appliedSeq;
  }

  close(): void {
    this.#walk?.close();
    this.#walk = null;
  }

  next(now: number): Chunk {
    const rows = new RecordRows();
    const cursors: number[] = [];
    const { chunkBytes, chunkRows } = this.#source.tuning;
    this.#addLost(rows, now);
    let walked = 0;
    for (;;) {
      this.#walk ??= this.#nextWalk();
      if (this.#walk === null) return { rows, cursors: this.#finish(), isComplete: true, walked };
      const walk = this.#walk;
      const slot = walk.next();
      if (slot !== NONE) {
        walked++;
        this.#addRow(rows, walk.map, slot, now);
      }
      const isFull = rows.bytes >= chunkBytes || walked >= chunkRows;
      const { isDone } = walk;
      if (!isDone && !isFull) continue;
      const { shard } = walk.map;
      this.cursors[shard] = Math.max(this.cursors[shard] as number, walk.reached());
      cursors.push(shard, this.cursors[shard] as number);
      if (isDone) this.close();
      if (isFull) return { rows, cursors, isComplete: false, walked };
    }
  }

  #addRow(rows: RecordRows, map: ShardMap, slot: number, now: number): void {
    const { table } = map;
    if (this.#filter.isOpen || slotMatches(this.#filter, table, slot, now)) rows.add(table, slot);
    else if (!this.#filter.isRestricted && table.seq(slot) > (this.#bases[map.shard] as number)) {
      if (table.tag(slot) === Tag.LWW_REMOVE) rows.add(table, slot);
      else rows.left(map.name, table.key(slot));
    }
  }

  #addLost(rows: RecordRows, now: number): void {
    for (const key of this.#lost) {
      const map = this.#store(shardOfKey(key, this.#source.stores.length)).find(this.#source.map);
      const slot = map === null ? NONE : map.table.find(key);
      // What passes again is met by the walk, since it changed.
      if (map === null || slot === NONE || !slotMatches(this.#filter, map.table, slot, now)) {
        rows.left(this.#source.map, key);
      }
    }
    this.#lost.clear();
  }

  /** Starts on the next shard that has news; null when none has. */
  #nextWalk(): ShardWalk | null {
    const { shards, map: name } = this.#source;
    for (let tried = 0; tried < shards.length; tried++) {
      const shard = shards[this.#position] as number;
      this.#position = (this.#position + 1) % shards.length;
      const store = this.#store(shard);
      const map = store.find(name);
      const since = this.cursors[shard] as number;
      if (map === null || map.table.newestSeq <= since) continue;
      const { keys } = this.#filter;
      if (keys === null) return new ChangeWalk(map, store, since);
      const own = keys.filter((key) => shardOfKey(key, this.#source.stores.length) === shard);
      return new PinnedWalk(map, store, since, own);
    }
    return null;
  }

  /** Every shard is at its end: the cursors say so, those of shards without a change included. */
  #finish(): number[] {
    const cursors: number[] = [];
    for (const shard of this.#source.shards) {
      this.cursors[shard] = this.#store(shard).appliedSeq;
      cursors.push(shard, this.cursors[shard] as number);
    }
    return cursors;
  }

  #store(shard: number): ShardStore {
    return this.#source.stores[shard] as ShardStore;
  }
}
