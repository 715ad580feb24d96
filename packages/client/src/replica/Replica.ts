import type { EntryBatch } from '@topgunbuild/core';
import { ReplicaMap, type ReplicaMapOwner } from './ReplicaMap.js';

/** Every map that this client holds. */
export class Replica {
  readonly #maps = new Map<string, ReplicaMap>();
  readonly #owner: ReplicaMapOwner;

  constructor(owner: ReplicaMapOwner) {
    this.#owner = owner;
  }

  map(name: string): ReplicaMap {
    let map = this.#maps.get(name);
    if (map === undefined) {
      map = new ReplicaMap(name, this.#owner);
      this.#maps.set(name, map);
    }
    return map;
  }

  maps(): IterableIterator<ReplicaMap> {
    return this.#maps.values();
  }

  load(map: string, rows: EntryBatch): void {
    this.map(map).load(rows);
  }

  /** All records so far stand in the log `logId`. */
  standsIn(logId: string): void {
    for (const map of this.#maps.values()) map.standsIn(logId);
  }

  /** Nobody is told of changes until `release`, and then of what is different in the end. */
  hold(): void {
    for (const map of this.#maps.values()) map.hold();
  }

  release(): void {
    for (const map of this.#maps.values()) map.release();
  }

  /** The clock was set back. */
  revive(): void {
    for (const map of this.#maps.values()) map.revive();
  }

  clear(): void {
    for (const map of this.#maps.values()) map.clear();
  }
}
