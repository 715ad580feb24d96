import { type RecordTable, Tag } from '@topgunbuild/core';
import type { OldRow } from '../shard/OldRow.js';
import { ABSENT, decodeRowValue, rowValue } from '../shard/rowValue.js';
import type { RowFilter } from './RowFilter.js';

const UNREAD: unique symbol = Symbol('unread');

interface OldValue {
  readonly value: unknown;
  readonly isLoser: boolean;
}

/** One record that changed, for all who watch its map: values are decoded at most once, and only when asked for. */
export class ChangedRow {
  readonly table: RecordTable;
  readonly shard: number;
  readonly slot: number;
  readonly key: string;
  readonly #old: OldRow;
  readonly #now: number;
  #value: unknown = UNREAD;
  #oldValues: OldValue[] | null = null;

  constructor(table: RecordTable, shard: number, slot: number, old: OldRow, now: number) {
    this.table = table;
    this.shard = shard;
    this.slot = slot;
    this.key = table.key(slot);
    this.#old = old;
    this.#now = now;
  }

  /** False: the row is as it was, but somebody wrote to it in vain. */
  get isChanged(): boolean {
    for (let old: OldRow | null = this.#old; old !== null; old = old.older) if (!old.isLoser) return true;
    return false;
  }

  /** Somebody wrote a version that was never delivered: it lost, or was overtaken at once. */
  get isContested(): boolean {
    return this.#old.isLoser || this.#old.older !== null;
  }

  get isRemoved(): boolean {
    return this.table.tag(this.slot) === Tag.LWW_REMOVE;
  }

  /** The value, or ABSENT. */
  value(): unknown {
    if (this.#value === UNREAD) this.#value = rowValue(this.table, this.slot, this.#now);
    return this.#value;
  }

  matches(filter: RowFilter): boolean {
    if (!filter.compiled.filterNeedsValue && isPlainSet(this.table, this.slot, this.#now)) {
      return filter.compiled.matches(this.key, undefined);
    }
    const value = this.value();
    return value !== ABSENT && filter.compiled.matches(this.key, value);
  }

  /**
   * Whether a version of the record passes that subscribers, or its author alone, may hold. In a restricted stream
   * nobody is told of a write in vain: that would tell of a row that he may not see.
   */
  matchedBefore(filter: RowFilter): boolean {
    this.#oldValues ??= this.#readOldValues();
    for (const { value, isLoser } of this.#oldValues) {
      if (isLoser && filter.isRestricted) continue;
      if (filter.compiled.matches(this.key, value)) return true;
    }
    return false;
  }

  #readOldValues(): OldValue[] {
    const values: OldValue[] = [];
    for (let old: OldRow | null = this.#old; old !== null; old = old.older) {
      const value = old.tag === null ? ABSENT : decodeRowValue(old.tag, old.expires, old.bytes, this.#now);
      if (value !== ABSENT) values.push({ value, isLoser: old.isLoser });
    }
    return values;
  }
}

/** Whether the record at `slot` passes, for walks over a table. */
export function slotMatches(filter: RowFilter, table: RecordTable, slot: number, now: number): boolean {
  if (!filter.compiled.filterNeedsValue && isPlainSet(table, slot, now)) {
    return filter.compiled.matches(table.key(slot), undefined);
  }
  const value = rowValue(table, slot, now);
  return value !== ABSENT && filter.compiled.matches(table.key(slot), value);
}

/** True: the row is there, which nothing needs to be decoded for. */
function isPlainSet(table: RecordTable, slot: number, now: number): boolean {
  return table.tag(slot) === Tag.LWW_SET && !table.isTombstone(slot, now);
}
