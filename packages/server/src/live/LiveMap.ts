import type { Runtime } from '@topgunbuild/core';
import { MapChanges, type MapWatcher } from '../shard/MapChanges.js';
import type { ShardMap } from '../shard/ShardMap.js';
import type { ShardStore } from '../shard/ShardStore.js';
import { ChangedRow } from './ChangedRow.js';
import type { LiveGroup, ShardChanges } from './LiveGroup.js';
import type { LiveTuning } from './LiveTuning.js';
import type { Window } from './Window.js';

/** All that watches one map. Exists while somebody does. */
export class LiveMap implements MapWatcher {
  readonly name: string;
  /** By the rows that they stand for: filter and shards. */
  readonly groups = new Map<string, LiveGroup>();
  readonly windows = new Map<string, Window>();
  /** By shard; null: not served here. */
  readonly #stores: readonly (ShardStore | null)[];
  readonly #runtime: Runtime;
  readonly #tuning: LiveTuning;
  readonly #onDirty: (map: LiveMap) => void;
  /** What changed since the last flush. */
  #dirty: MapChanges[] = [];
  /** By shard: the sequence up to which live streams were told. */
  readonly #delivered: Float64Array;
  #needsOld = false;

  constructor(
    name: string,
    stores: readonly (ShardStore | null)[],
    runtime: Runtime,
    tuning: LiveTuning,
    onDirty: (map: LiveMap) => void,
  ) {
    this.name = name;
    this.#stores = stores;
    this.#runtime = runtime;
    this.#tuning = tuning;
    this.#onDirty = onDirty;
    this.#delivered = new Float64Array(stores.length);
    for (const store of stores) if (store !== null) this.join(store);
  }

  get needsOld(): boolean {
    return this.#needsOld || this.windows.size > 0;
  }

  get isIdle(): boolean {
    return this.groups.size === 0 && this.windows.size === 0;
  }

  attach(map: ShardMap): void {
    map.changes = new MapChanges(map, this);
  }

  /** A shard is served from here on: nobody follows it yet. */
  join(store: ShardStore): void {
    const map = store.find(this.name);
    if (map !== null) this.attach(map);
    this.#delivered[store.shard] = store.appliedSeq;
  }

  /** A shard is no longer served, and nobody follows it any more. */
  part(store: ShardStore): void {
    const map = store.find(this.name);
    if (map !== null) map.changes = null;
    this.#dirty = this.#dirty.filter((changes) => changes.map !== map);
  }

  detach(): void {
    for (const store of this.#stores) if (store !== null) this.part(store);
    this.#dirty = [];
  }

  addGroup(group: LiveGroup): void {
    this.groups.set(group.id, group);
    this.#lookAtFilters();
  }

  removeGroup(group: LiveGroup): void {
    this.groups.delete(group.id);
    this.#lookAtFilters();
  }

  changed(changes: MapChanges): void {
    if (this.#dirty.push(changes) === 1) this.#onDirty(this);
  }

  collecting(): void {
    this.flush();
  }

  collected(map: ShardMap): void {
    for (const group of this.groups.values()) group.collected(map);
  }

  /** Tells everybody what changed since the last time. */
  flush(): void {
    if (this.#dirty.length === 0) return;
    const changes = this.#take();
    let rows = 0;
    for (const shard of changes) rows += shard.rows.length;
    let tests = 0;
    for (const group of [...this.groups.values()]) {
      if (tests > this.#tuning.flushTests) group.postpone(changes, this.#delivered);
      else group.deliver(changes, this.#delivered);
      if (!group.filter.isOpen) tests += rows * group.filter.conditions;
    }
    for (const window of [...this.windows.values()]) {
      if (tests > this.#tuning.flushTests) window.postpone();
      else window.update(changes);
      tests += rows * window.conditions;
    }
    for (const { map, seq } of changes) this.#delivered[map.shard] = seq;
  }

  /** Nothing is undelivered: the present is what live streams know. */
  settled(): void {
    for (const store of this.#stores) if (store !== null) this.#delivered[store.shard] = store.appliedSeq;
  }

  #take(): ShardChanges[] {
    const now = this.#runtime.now();
    const taken = this.#dirty.map(({ map, rows }) => {
      const changed: ChangedRow[] = [];
      const inVain: string[] = [];
      for (const [slot, old] of rows) {
        const row = new ChangedRow(map.table, map.shard, slot, old, now);
        changed.push(row);
        if (!row.isChanged) inVain.push(row.key);
      }
      rows.clear();
      return { map, seq: (this.#stores[map.shard] as ShardStore).appliedSeq, rows: changed, inVain };
    });
    this.#dirty = [];
    return taken;
  }

  #lookAtFilters(): void {
    this.#needsOld = false;
    for (const { filter } of this.groups.values()) if (!filter.isOpen) this.#needsOld = true;
  }
}
