import { Tag } from '@topgunbuild/core';
import type { ShardMap } from '../shard/ShardMap.js';
import type { ShardStore } from '../shard/ShardStore.js';
import type { CatchUpSource } from './CatchUp.js';
import type { ChangedRow } from './ChangedRow.js';
import type { RowFilter } from './RowFilter.js';
import { RecordRows, SharedFrame } from './recordsFrame.js';

/** What one shard contributed to a flush. */
export interface ShardChanges {
  readonly map: ShardMap;
  readonly seq: number;
  readonly rows: readonly ChangedRow[];
  /** Keys of those that are as they were, because somebody wrote to them in vain. */
  readonly inVain: readonly string[];
}

/** A plain stream, as far as its group has to know it. */
export interface GroupMember {
  readonly queryId: number;
  readonly hasRoom: boolean;
  /** Sends a frame that the group has made for this query. */
  sendLive(frame: Uint8Array): void;
  /** Takes a frame less than the others got: it goes on from `cursors`, by shard, by itself. */
  fallBehind(cursors: Float64Array): void;
  /** As `fallBehind`, for a group that has too much to do at once. */
  postpone(cursors: Float64Array): void;
  /** Everything has to be sent anew. */
  startOver(): void;
  /** The row of `key` is not part of the stream, though the subscriber may have it. */
  lose(key: string): void;
  /** Cursors of `shard` below `seq` are void. */
  collected(shard: number, seq: number): void;
  close(): void;
}

/** All plain streams of one map with the same filter and shards: what changes is judged and encoded once for them. */
export class LiveGroup {
  /** Equal for groups of the same rows. */
  readonly id: string;
  readonly filter: RowFilter;
  readonly source: CatchUpSource;
  /** Streams that are up to date. */
  readonly #live = new Set<GroupMember>();
  /** Streams that catch up. */
  readonly #behind = new Set<GroupMember>();
  readonly #covers: (shard: number) => boolean;
  #quietRows = 0;
  readonly #quietShards = new Set<number>();

  constructor(id: string, filter: RowFilter, source: CatchUpSource) {
    this.id = id;
    this.filter = filter;
    this.source = source;
    const shards = new Set(source.shards);
    this.#covers = (shard) => shards.has(shard);
  }

  get size(): number {
    return this.#live.size + this.#behind.size;
  }

  store(shard: number): ShardStore {
    return this.source.stores[shard] as ShardStore;
  }

  /** The stream is behind, and says so itself. */
  addBehind(stream: GroupMember): void {
    this.#live.delete(stream);
    this.#behind.add(stream);
  }

  addLive(stream: GroupMember): void {
    this.#behind.delete(stream);
    this.#live.add(stream);
  }

  remove(stream: GroupMember): void {
    this.#behind.delete(stream);
    this.#live.delete(stream);
  }

  streams(): GroupMember[] {
    return [...this.#live, ...this.#behind];
  }

  collected(map: ShardMap): void {
    for (const stream of [...this.#behind]) stream.collected(map.shard, map.collectedSeq);
  }

  /** `delivered`: by shard, what live streams were sent before this. */
  deliver(changes: readonly ShardChanges[], delivered: Float64Array): void {
    if (this.#live.size === 0 && !(this.#behind.size > 0 && this.#mayLose(changes))) return;
    const lost: string[] = [];
    const frames = this.#frames(changes, delivered, lost);
    for (const stream of [...this.#behind]) for (const key of lost) stream.lose(key);
    for (const stream of [...this.#live]) this.#send(stream, frames, delivered, lost);
  }

  /** In place of `deliver`, when there is too much to do at once. */
  postpone(changes: readonly ShardChanges[], delivered: Float64Array): void {
    for (const stream of [...this.#live]) stream.postpone(delivered.slice());
    if (!this.#mayLose(changes)) return;
    const lost = changes.flatMap(({ map, inVain }) => (this.#covers(map.shard) ? inVain : []));
    for (const stream of [...this.#behind]) {
      // Nobody finds out here which rows a restricted stream has lost.
      if (this.filter.isRestricted) stream.startOver();
      else for (const key of lost) stream.lose(key);
    }
  }

  /**
   * Whether streams that catch up may hold rows that their walks would not name: those that a restricted stream has lost,
   * and those of authors who wrote in vain, which are not the server's although nothing has changed.
   */
  #mayLose(changes: readonly ShardChanges[]): boolean {
    if (this.filter.isRestricted) return true;
    return !this.filter.isOpen && changes.some(({ inVain }) => inVain.length > 0);
  }

  #send(stream: GroupMember, frames: readonly SharedFrame[], delivered: Float64Array, lost: readonly string[]): void {
    for (let i = 0; i < frames.length; i++) {
      if (stream.hasRoom) {
        stream.sendLive((frames[i] as SharedFrame).forQuery(stream.queryId));
        continue;
      }
      const cursors = delivered.slice();
      for (const { cursors: sent } of frames.slice(0, i)) {
        for (let c = 0; c < sent.length; c += 2) cursors[sent[c] as number] = sent[c + 1] as number;
      }
      stream.fallBehind(cursors);
      for (const key of lost) stream.lose(key);
      return;
    }
  }

  #frames(changes: readonly ShardChanges[], delivered: Float64Array, lost: string[]): SharedFrame[] {
    const { frameBytes, quietRows } = this.source.tuning;
    const frames: SharedFrame[] = [];
    let rows = new RecordRows();
    let cursors: number[] = [];
    for (const { map, seq, rows: changed } of changes) {
      if (!this.#covers(map.shard)) continue;
      const before = rows.batch.count;
      for (const row of changed) {
        this.#addRow(rows, map, row, lost);
        if (rows.bytes < frameBytes) continue;
        frames.push(new SharedFrame(rows, cursors));
        rows = new RecordRows();
        cursors = [];
      }
      cursors.push(map.shard, seq);
      if (rows.batch.count === before) this.#quietShards.add(map.shard);
      else this.#quietShards.delete(map.shard);
      this.#quietRows += changed.length;
    }
    if (rows.batch.count > 0 || frames.length > 0 || this.#quietRows >= quietRows) {
      this.#addQuietCursors(cursors, delivered);
      if (cursors.length > 0) frames.push(new SharedFrame(rows, cursors));
    }
    return frames;
  }

  #addQuietCursors(cursors: number[], delivered: Float64Array): void {
    if (this.#quietRows < this.source.tuning.quietRows) return;
    for (let i = 0; i < cursors.length; i += 2) this.#quietShards.delete(cursors[i] as number);
    for (const shard of this.#quietShards) cursors.push(shard, delivered[shard] as number);
    this.#quietShards.clear();
    this.#quietRows = 0;
  }

  #addRow(rows: RecordRows, map: ShardMap, row: ChangedRow, lost: string[]): void {
    if (this.filter.isOpen) {
      if (row.isChanged) rows.add(map.table, row.slot);
      return;
    }
    if (row.matches(this.filter)) {
      if (row.isChanged) rows.add(map.table, row.slot);
      return;
    }
    if (this.filter.isRestricted) {
      if (!row.matchedBefore(this.filter)) return;
      rows.left(map.name, row.key);
      lost.push(row.key);
    } else if (!row.isChanged || row.matchedBefore(this.filter)) {
      if (!row.isChanged) lost.push(row.key);
      if (map.table.tag(row.slot) === Tag.LWW_REMOVE) rows.add(map.table, row.slot);
      else rows.left(map.name, row.key);
    }
  }
}
