import { type EntryBatch, mergeEntry } from '@topgunbuild/core';
import { OldRow } from './OldRow.js';
import type { ChangeRecorder, ShardMap } from './ShardMap.js';
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

/**
 * What changed in one map of one shard since the watcher last looked: each record once, with the versions that it had
 * meanwhile. Authors show their own versions, also those that nobody else ever saw.
 */
export class MapChanges implements ChangeRecorder {
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
    const needsOld = slot >= 0 && this.#watcher.needsOld;
    const old = needsOld ? OldRow.of(table, slot, known) : (known ?? OldRow.ABSENT);
    const verdict = mergeEntry(table, batch, index, seq, maxElements);
    if (verdict === Verdict.APPLIED) this.note(slot < 0 ? table.find(batch.keys[index] as string) : slot, old);
    else if (verdict === Verdict.LOST) this.lose(slot, batch, index);
    return verdict;
  }

  /** Records that a row changed. */
  note(slot: number, old: OldRow): void {
    this.#put(slot, old);
  }

  /** Records that a write lost against the row in `slot`. */
  lose(slot: number, batch: EntryBatch, index: number): void {
    if (this.#watcher.needsOld) this.#put(slot, OldRow.loser(batch, index, this.rows.get(slot) ?? null));
  }

  #put(slot: number, old: OldRow): void {
    const isFirst = this.rows.size === 0;
    this.rows.set(slot, old);
    if (isFirst) this.#watcher.changed(this);
  }

  collecting(): void {
    this.#watcher.collecting(this.map);
  }

  collected(): void {
    this.#watcher.collected(this.map);
  }
}
