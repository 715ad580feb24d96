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
  readonly groups = new Map<string, LiveGroup>();
  readonly windows = new Map<string, Window>();
  readonly #stores: readonly ShardStore[];
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
    stores: readonly ShardStore[],
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
    for (const store of stores) {
      const map = store.find(name);
      if (map !== null) this.attach(map);
    }
    this.settled();
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

  detach(): void {
    for (const store of this.#stores) {
      const map = store.find(this.name);
      if (map !== null) map.changes = null;
    }
    this.#dirty = [];
  }

  addGroup(group: LiveGroup): void {
    this.groups.set(group.filter.id, group);
    this.#lookAtFilters();
  }

  removeGroup(group: LiveGroup): void {
    this.groups.delete(group.filter.id);
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
    for (const store of this.#stores) this.#delivered[store.shard] = store.appliedSeq;
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
