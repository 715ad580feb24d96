import {
  type CounterState,
  decodeCounterState,
  decodeOrState,
  decodeValue,
  Kind,
  kindOfTag,
  Tag,
} from '@topgunbuild/core';
import { idOf, stampId } from '../history/WireLog.js';
import type { Item } from '../workload/queries.js';
import type { World } from '../world/World.js';

export interface LwwRow {
  readonly ms: number;
  readonly counter: number;
  readonly replica: string;
  readonly expires: number;
  /** Null: a tombstone. */
  readonly item: Item | null;
}

export interface OrRow {
  readonly elements: ReadonlyMap<string, string>;
  readonly removed: ReadonlySet<string>;
}

/** What the servers hold, read through streams of its own. */
export interface FinalState {
  readonly lww: ReadonlyMap<string, ReadonlyMap<string, LwwRow>>;
  readonly or: ReadonlyMap<string, OrRow>;
  readonly counters: ReadonlyMap<string, CounterState>;
}

export function readFinalState(world: Pick<World, 'rows'>): FinalState {
  const lww = new Map<string, Map<string, LwwRow>>();
  for (const map of ['items', 'docs']) {
    const rows = new Map<string, LwwRow>();
    for (const batch of world.rows(map)) {
      for (let i = 0; i < batch.count; i++) {
        if (kindOfTag(batch.tags[i] as number) !== Kind.LWW) continue;
        rows.set(batch.keys[i] as string, {
          ms: batch.ms[i] as number,
          counter: batch.counters[i] as number,
          replica: batch.replicas[i] as string,
          expires: batch.expires[i] as number,
          item: batch.tags[i] === Tag.LWW_SET ? (decodeValue(batch.bytes(i)) as Item) : null,
        });
      }
    }
    lww.set(map, rows);
  }
  const or = new Map<string, OrRow>();
  for (const batch of world.rows('tags')) {
    for (let i = 0; i < batch.count; i++) {
      if (batch.tags[i] !== Tag.OR_STATE) continue;
      const state = decodeOrState(batch.bytes(i).slice());
      const elements = new Map(
        state.elements.map(({ stamp, value }) => [
          stampId(stamp.ms, stamp.counter, stamp.replica),
          idOf(decodeValue(value)) ?? '?',
        ]),
      );
      const removed = new Set(state.removed.map((stamp) => stampId(stamp.ms, stamp.counter, stamp.replica)));
      or.set(batch.keys[i] as string, { elements, removed });
    }
  }
  const counters = new Map<string, CounterState>();
  for (const batch of world.rows('hits')) {
    for (let i = 0; i < batch.count; i++) {
      if (batch.tags[i] === Tag.COUNTER_STATE)
        counters.set(batch.keys[i] as string, decodeCounterState(batch.bytes(i).slice()));
    }
  }
  return { lww, or, counters };
}

/** The values that readers see at `now`. */
export function liveItems(state: FinalState, map: string, now: number): Map<string, Item> {
  const items = new Map<string, Item>();
  for (const [key, row] of state.lww.get(map) ?? []) {
    if (row.item !== null && (row.expires === 0 || row.expires > now)) items.set(key, row.item);
  }
  return items;
}

/** A comparable text of everything that the state holds; of what readers see at `now` alone, when that is given. */
export function fingerprint(state: FinalState, now: number | null = null): string {
  const lines: string[] = [];
  for (const [map, rows] of state.lww) {
    const live = now === null ? null : liveItems(state, map, now);
    for (const [key, row] of rows) {
      if (live !== null && !live.has(key)) continue;
      lines.push(`${map}/${key} ${stampId(row.ms, row.counter, row.replica)} ${row.item?.id}`);
    }
  }
  for (const [key, row] of state.or) {
    if (now !== null && row.elements.size === 0) continue;
    const removed = now === null ? [...row.removed].sort().join() : '';
    lines.push(`tags/${key} ${[...row.elements].sort().join()} ${removed}`);
  }
  for (const [key, slots] of state.counters) lines.push(`hits/${key} ${JSON.stringify(slots)}`);
  return lines.sort().join('\n');
}
