import { decodeOrState, encodeOrState, type OrState, pruneOrState, type RecordTable, Tag } from '@topgunbuild/core';
import { OldRow } from './OldRow.js';
import type { ShardMap } from './ShardMap.js';

/**
 * A busy OR record is pruned only when that is worth it: pruning makes every cursor from before the record's last
 * change useless.
 */
const WORTHWHILE_REMOVALS = 128;

/**
 * Drops what was deleted, or ran out, before `horizonMs`, and the removed timestamps of OR records from before it.
 * Operations that old are refused from now on, so nothing can come back; and cursors from before the deletions are
 * reset, since their holders would never hear of them.
 */
export function collect(map: ShardMap, horizonMs: number, seq: number): void {
  const { table } = map;
  const before = map.collectedSeq;
  map.changes?.collecting();
  const pruned: number[] = [];
  for (const slot of table.slots()) {
    if (isDead(table, slot, horizonMs)) {
      map.collectedSeq = Math.max(map.collectedSeq, table.seq(slot));
      table.delete(slot);
    } else if (table.tag(slot) === Tag.OR_STATE && prunedState(table, slot, horizonMs) !== null) {
      pruned.push(slot);
    }
  }
  for (const slot of pruned) {
    map.collectedSeq = Math.max(map.collectedSeq, table.seq(slot));
    const state = prunedState(table, slot, horizonMs);
    if (state === null) continue;
    if (state.elements.length === 0 && state.removed.length === 0) {
      table.delete(slot);
      continue;
    }
    // A changed state is a change like any other: it gets a sequence, and those who watch are told.
    map.changes?.note(slot, OldRow.ABSENT);
    const bytes = encodeOrState(state);
    table.put(
      table.key(slot),
      Tag.OR_STATE,
      table.ms(slot),
      table.counter(slot),
      table.replica(slot),
      0,
      bytes,
      0,
      bytes.length,
      seq,
    );
  }
  if (map.collectedSeq > before) map.changes?.collected();
}

export function isCollectable(map: ShardMap, horizonMs: number): boolean {
  const { table } = map;
  for (const slot of table.slots()) {
    if (isDead(table, slot, horizonMs)) return true;
    if (table.tag(slot) === Tag.OR_STATE && prunedState(table, slot, horizonMs) !== null) return true;
  }
  return false;
}

function isDead(table: RecordTable, slot: number, horizonMs: number): boolean {
  if (table.ms(slot) >= horizonMs) return false;
  if (table.tag(slot) === Tag.LWW_REMOVE) return true;
  const deadline = table.expires(slot);
  return deadline !== 0 && deadline < horizonMs;
}

/** Null: nothing to prune, or not yet worth it. */
function prunedState(table: RecordTable, slot: number, horizonMs: number): OrState | null {
  const state = decodeOrState(table.bytes(slot));
  const pruned = pruneOrState(state, horizonMs);
  const count = state.removed.length - pruned.removed.length;
  if (count === 0) return null;
  return table.ms(slot) < horizonMs || count >= WORTHWHILE_REMOVALS ? pruned : null;
}
