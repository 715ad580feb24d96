import {
  type EntryBatch,
  type Interner,
  judgeEntry,
  Kind,
  kindOfTag,
  mergeEntry,
  RecordTable,
} from '@topgunbuild/core';
import type { OldRow } from './OldRow.js';
import { Verdict } from './Verdict.js';

/** Who writes down what changes in a map, for those who follow it. */
export interface ChangeRecorder {
  /** Merges row `index` of `batch` into the map's table, and writes down what that changed. */
  merge(batch: EntryBatch, index: number, seq: number, maxElements: number): Verdict;
  /** The row in `slot` changed; `old` is what it was. */
  note(slot: number, old: OldRow): void;
  /** Row `index` of `batch` lost against the row in `slot`. */
  lose(slot: number, batch: EntryBatch, index: number): void;
  /** Records are about to be forgotten. */
  collecting(): void;
  /** Cursors below the map's `collectedSeq` are void from now on. */
  collected(): void;
}

/** The records of one map that live in one shard. */
export class ShardMap {
  readonly shard: number;
  readonly name: string;
  readonly table: RecordTable;
  /** The newest sequence among the changes whose tombstones were dropped: cursors below it cannot be honoured. */
  collectedSeq = 0;
  /** Collects what changes while somebody watches the map. */
  changes: ChangeRecorder | null = null;

  constructor(shard: number, name: string, replicas: Interner) {
    this.shard = shard;
    this.name = name;
    this.table = new RecordTable(name, replicas);
  }

  /** What `merge` would answer, without doing it. */
  judge(batch: EntryBatch, index: number, horizonMs: number, maxElements: number): Verdict {
    try {
      const outcome = judgeEntry(this.table, batch, index, maxElements);
      if (outcome === Verdict.LOST) this.changes?.lose(this.table.find(batch.keys[index] as string), batch, index);
      return outcome === Verdict.APPLIED && isStale(batch, index, horizonMs) ? Verdict.STALE : outcome;
    } catch {
      return Verdict.MALFORMED;
    }
  }

  merge(batch: EntryBatch, index: number, seq: number, horizonMs: number, maxElements: number): Verdict {
    if (isStale(batch, index, horizonMs)) {
      const verdict = this.judge(batch, index, horizonMs, maxElements);
      if (verdict !== Verdict.APPLIED) return verdict;
    }
    try {
      const changes = this.changes;
      if (changes === null) return mergeEntry(this.table, batch, index, seq, maxElements);
      return changes.merge(batch, index, seq, maxElements);
    } catch {
      // Merging decodes the payload before it changes anything.
      return Verdict.MALFORMED;
    }
  }
}

/** Counters know no deletion, and their totals only grow: no age makes merging one wrong. */
export function isStale(batch: EntryBatch, index: number, horizonMs: number): boolean {
  return (batch.ms[index] as number) < horizonMs && kindOfTag(batch.tags[index] as number) !== Kind.COUNTER;
}
