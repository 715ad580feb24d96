import { type EntryBatch, type Interner, Kind, kindOfTag } from '@topgunbuild/core';
import { collect, isCollectable } from './collect.js';
import { isStale, ShardMap } from './ShardMap.js';
import { Verdict } from './Verdict.js';

/** Told of every map that a shard holds, as it appears. */
export interface MapObserver {
  mapCreated(map: ShardMap): void;
}

/** Who owns a shard from a point of its log on. */
export interface EpochMark {
  readonly epoch: number;
  readonly nodeId: string;
  /** The sequence of the mark. */
  readonly seq: number;
}

/**
 * The state of one shard: what its log says, merged. Changes only through `apply`, `applyHorizon` and `applyEpoch`, in
 * the order of the log, or by loading a snapshot; so every replay ends in the same state.
 */
export class ShardStore {
  readonly shard: number;
  /** Sequence of the last log record whose changes are in. */
  appliedSeq = 0;
  /** Ops older than this are refused unless they change nothing; tombstones older than this are gone. */
  horizonMs = 0;
  /** The latest timestamp that was ever merged or loaded, ms. */
  latestMs = 0;
  /** The last node that took the shard over, as its log says. Epoch 0: nobody did yet. */
  epoch: EpochMark = { epoch: 0, nodeId: '', seq: 0 };
  readonly #maps = new Map<string, ShardMap>();
  readonly #replicas: Interner;
  readonly #maxElements: number;
  readonly #observer: MapObserver;
  /** Batches are mostly of one map. */
  #last: ShardMap | null = null;

  constructor(shard: number, replicas: Interner, maxElements: number, observer: MapObserver) {
    this.shard = shard;
    this.#replicas = replicas;
    this.#maxElements = maxElements;
    this.#observer = observer;
  }

  /** Records, tombstones included. */
  get size(): number {
    let size = 0;
    for (const map of this.#maps.values()) size += map.table.size;
    return size;
  }

  maps(): IterableIterator<ShardMap> {
    return this.#maps.values();
  }

  find(name: string): ShardMap | null {
    if (this.#last !== null && this.#last.name === name) return this.#last;
    const map = this.#maps.get(name) ?? null;
    if (map !== null) this.#last = map;
    return map;
  }

  mapOf(name: string): ShardMap {
    const known = this.find(name);
    if (known !== null) return known;
    const map = new ShardMap(this.shard, name, this.#replicas);
    this.#maps.set(name, map);
    this.#last = map;
    this.#observer.mapCreated(map);
    return map;
  }

  /** What `apply` would answer now. A write that loses is shown to the watchers of the record that it lost against. */
  judge(batch: EntryBatch, index: number): Verdict {
    const map = this.find(batch.maps[index] as string);
    if (map === null) return isStale(batch, index, this.horizonMs) ? Verdict.STALE : Verdict.APPLIED;
    return map.judge(batch, index, this.horizonMs, this.#maxElements);
  }

  /** How many bytes of the record that is there merging an op writes anew. */
  rewrites(batch: EntryBatch, index: number): number {
    if (kindOfTag(batch.tags[index] as number) === Kind.LWW) return 0;
    const table = this.find(batch.maps[index] as string)?.table;
    const slot = table?.find(batch.keys[index] as string) ?? -1;
    return table === undefined || slot < 0 ? 0 : table.end(slot) - table.start(slot);
  }

  /** Merges an op as part of log record `seq`. `appliedSeq` is the caller's to move, once the whole record is in. */
  apply(batch: EntryBatch, index: number, seq: number): Verdict {
    this.latestMs = Math.max(this.latestMs, batch.ms[index] as number);
    return this.mapOf(batch.maps[index] as string).merge(batch, index, seq, this.horizonMs, this.#maxElements);
  }

  /** Forgets deletions older than `horizonMs`, as log record `seq`. */
  applyHorizon(horizonMs: number, seq: number): void {
    if (horizonMs <= this.horizonMs) return;
    this.horizonMs = horizonMs;
    for (const map of this.#maps.values()) collect(map, horizonMs, seq);
  }

  /** A node took over, as log record `seq`. */
  applyEpoch(epoch: number, nodeId: string, seq: number): void {
    if (epoch >= this.epoch.epoch) this.epoch = { epoch, nodeId, seq };
  }

  /** Whether a horizon at `horizonMs` would let anything be forgotten. Costs a pass over all records at worst. */
  hasCollectable(horizonMs: number): boolean {
    if (horizonMs <= this.horizonMs) return false;
    for (const map of this.#maps.values()) if (isCollectable(map, horizonMs)) return true;
    return false;
  }
}
