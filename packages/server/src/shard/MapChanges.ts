import { type EntryBatch, mergeEntry } from '@topgunbuild/core';
import { OldRow } from './OldRow.js';
import type { ShardMap } from './ShardMap.js';
import { Verdict } from './Verdict.js';

/** Somebody who follows the changes of one map, over all shards. */
export interface MapWatcher {
  /** True when rows are wanted as they were before. */
  readonly needsOld: boolean;
  /** `changes` is no longer empty. The watcher takes them, and clears, when it finds the time. */
  changed(changes: MapChanges): void;
  /** Records of `map` are about to be forgotten: what changed so far must be taken now. */
  collecting(map: ShardMap): void;
  /** Cursors below `map.collectedSeq` are void from now on. */
  collected(map: ShardMap): void;
}

/** What changed in one map of one shard since the watcher last looked: each record once, with its first old version. */
export class MapChanges {
  readonly map: ShardMap;
  /** By slot. */
  readonly rows = new Map<number, OldRow>();
  readonly #watcher: MapWatcher;

  constructor(map: ShardMap, watcher: MapWatcher) {
    this.map = map;
    this.#watcher = watcher;
  }

  merge(batch: EntryBatch, index: number, seq: number, maxElements: number): Verdict {
    const { table } = this.map;
    const slot = table.find(batch.keys[index] as string);
    const known = slot < 0 ? undefined : this.rows.get(slot);
    const isNoted = known !== undefined && known !== OldRow.CONFIRMED;
    const old = isNoted || slot < 0 || !this.#watcher.needsOld ? OldRow.ABSENT : OldRow.of(table, slot);
    const verdict = mergeEntry(table, batch, index, seq, maxElements);
    if (verdict === Verdict.APPLIED) {
      if (!isNoted) this.note(slot < 0 ? table.find(batch.keys[index] as string) : slot, old);
    } else if (verdict === Verdict.LOST) {
      this.confirm(slot);
    }
    return verdict;
  }

  /** Records that a row changed. */
  note(slot: number, old: OldRow): void {
    this.rows.set(slot, old);
    if (this.rows.size === 1) this.#watcher.changed(this);
  }

  /** Records that a write lost against this row. */
  confirm(slot: number): void {
    if (this.#watcher.needsOld && !this.rows.has(slot)) this.note(slot, OldRow.CONFIRMED);
  }

  collecting(): void {
    this.#watcher.collecting(this.map);
  }

  collected(): void {
    this.#watcher.collected(this.map);
  }
}
