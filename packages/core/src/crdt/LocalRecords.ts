import type { HLC } from '../clock/HLC.js';
import { TopGunError } from '../errors.js';
import { RecordTable } from '../table/RecordTable.js';
import { isWellFormed } from '../wire/utf8.js';
import { type Kind, kindOfTag, Tag } from './Entry.js';
import { EntryBatch } from './EntryBatch.js';
import { mergeEntry } from './merge.js';
import { Outcome } from './Outcome.js';

const UNLIMITED = Number.MAX_SAFE_INTEGER;

/** Records of one kind that this replica changes itself and merges with those of others: what LWWMap, ORMap and PNCounter share. */
export class LocalRecords {
  readonly table: RecordTable;
  readonly clock: HLC;
  readonly #kind: Kind;
  #seq = 0;

  constructor(map: string, kind: Kind, clock: HLC) {
    this.table = new RecordTable(map);
    this.clock = clock;
    this.#kind = kind;
  }

  /** Applies an operation of this replica and returns it as a row for other replicas. */
  apply(tag: Tag, key: string, value: Uint8Array, ttlMs = 0): EntryBatch {
    if (!isWellFormed(key)) throw new TopGunError('INVALID_VALUE', 'The key has half of a surrogate pair; repair it.');
    const { clock } = this;
    clock.advance();
    const operation = new EntryBatch();
    const expires = ttlMs > 0 ? clock.ms + Math.ceil(ttlMs) : 0;
    operation.add(this.table.map, key, tag, clock.ms, clock.counter, clock.replica, expires, value);
    mergeEntry(this.table, operation, 0, ++this.#seq, UNLIMITED);
    return operation;
  }

  /** See `LWWMap.merge`. */
  merge(rows: EntryBatch): string[] {
    const changed = new Set<string>();
    for (let i = 0; i < rows.count; i++) {
      const tag = rows.tags[i] as Tag;
      if (rows.maps[i] !== this.table.map || tag === Tag.LEFT || kindOfTag(tag) !== this.#kind) continue;
      this.clock.receive(rows.ms[i] as number, rows.counters[i] as number);
      if (mergeEntry(this.table, rows, i, ++this.#seq, UNLIMITED) === Outcome.APPLIED)
        changed.add(rows.keys[i] as string);
    }
    return [...changed];
  }

  toEntries(): EntryBatch {
    const rows = new EntryBatch();
    for (const slot of this.table.slots()) {
      const index = this.table.addTo(rows, slot);
      // The table's own bytes change with it; whoever asked may keep the batch.
      rows.sources[index] = new Uint8Array(this.table.bytes(slot));
      rows.starts[index] = 0;
      rows.ends[index] = (rows.sources[index] as Uint8Array).length;
    }
    return rows;
  }
}
