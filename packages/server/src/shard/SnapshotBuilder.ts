import { type ChangeIterator, EntryBatch, encodeEntries } from '@topgunbuild/core';
import type { Snapshot } from '../backbone/Backbone.js';
import type { ShardMap } from './ShardMap.js';
import type { ShardStore } from './ShardStore.js';
import { encodeSnapshotHead } from './snapshotFormat.js';

const NONE = -1;
const CHUNK_BYTES = 512 * 1024;
const ROW_OVERHEAD = 24;

/** How far a map was walked: everything with a sequence up to `seq` is written, and what `iterator` has passed. */
interface Progress {
  readonly map: ShardMap;
  seq: number;
  iterator: ChangeIterator | null;
}

/**
 * Builds a snapshot of a shard in steps, while the shard goes on changing.
 *
 * Each map is walked in its order of change. A record that changes moves to the end, so it is met again, and what was
 * written of it before is superseded by what comes later in the snapshot. The step in which every map is found walked
 * to its end runs without interruption; so the snapshot is the exact state at the sequence applied by then.
 * Only forgetting records would escape it: a move of the horizon makes the work void.
 */
export class SnapshotBuilder {
  readonly #store: ShardStore;
  readonly #shardCount: number;
  readonly #horizonMs: number;
  readonly #chunks: Uint8Array[] = [];
  readonly #progress = new Map<string, Progress>();
  #rows = new EntryBatch();
  #rowBytes = 0;

  constructor(store: ShardStore, shardCount: number) {
    this.#store = store;
    this.#shardCount = shardCount;
    this.#horizonMs = store.horizonMs;
  }

  /** Writes about `maxRows` rows. The snapshot once it is complete, 'void' when it can never be, else null. */
  step(maxRows: number): Snapshot | 'void' | null {
    if (this.#store.horizonMs !== this.#horizonMs) {
      this.abandon();
      return 'void';
    }
    let budget = maxRows;
    for (const map of this.#store.maps()) {
      budget = this.#walk(this.#progressOf(map), budget);
      if (budget <= 0) break;
    }
    // The rows point into the tables: they must be written before these change.
    this.#flush();
    if (budget <= 0) return null;
    const head = encodeSnapshotHead(this.#store, this.#shardCount);
    return { seq: this.#store.appliedSeq, chunks: [head, ...this.#chunks] };
  }

  abandon(): void {
    for (const progress of this.#progress.values()) {
      if (progress.iterator !== null) progress.map.table.closeIterator(progress.iterator);
      progress.iterator = null;
    }
  }

  #progressOf(map: ShardMap): Progress {
    let progress = this.#progress.get(map.name);
    if (progress === undefined) {
      progress = { map, seq: 0, iterator: null };
      this.#progress.set(map.name, progress);
    }
    return progress;
  }

  #walk(progress: Progress, maxRows: number): number {
    const { table } = progress.map;
    if (progress.iterator === null) {
      if (table.newestSeq <= progress.seq) return maxRows;
      progress.iterator = table.changesSince(progress.seq);
    }
    let budget = maxRows;
    while (budget > 0 && progress.iterator.slot !== NONE) {
      const slot = table.next(progress.iterator);
      table.addTo(this.#rows, slot);
      this.#rows.seqs.push(table.seq(slot));
      this.#rowBytes += table.key(slot).length + table.end(slot) - table.start(slot) + ROW_OVERHEAD;
      budget--;
      if (this.#rowBytes >= CHUNK_BYTES) this.#flush();
    }
    if (progress.iterator.slot === NONE) {
      // At the end an iterator sees nothing more: what changes from here on is for the next walk.
      table.closeIterator(progress.iterator);
      progress.iterator = null;
      progress.seq = this.#store.appliedSeq;
    }
    return budget;
  }

  #flush(): void {
    if (this.#rows.count === 0) return;
    this.#chunks.push(encodeEntries(this.#rows));
    this.#rows = new EntryBatch();
    this.#rowBytes = 0;
  }
}
