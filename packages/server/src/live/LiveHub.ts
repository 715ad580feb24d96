import { type Runtime, shardOfKey } from '@topgunbuild/core';
import type { Logger } from '../Logger.js';
import type { Stream, StreamSink, SubscribeSpec } from '../shard/DataPlane.js';
import type { ShardMap } from '../shard/ShardMap.js';
import type { MapObserver, ShardStore } from '../shard/ShardStore.js';
import type { CatchUpSource } from './CatchUp.js';
import { GuardedSink } from './GuardedSink.js';
import { LiveGroup } from './LiveGroup.js';
import { LiveMap } from './LiveMap.js';
import type { LiveTuning } from './LiveTuning.js';
import { PlainStream, type PlainStreamPort } from './PlainStream.js';
import { type RowFilter, rowFilter } from './RowFilter.js';
import { Turns } from './Turns.js';
import { Window } from './Window.js';
import { WindowStream } from './WindowStream.js';

interface LiveStream {
  readonly shards: readonly number[];
  readonly onMoved: () => void;
}

/** Live queries over the shards that this node serves. */
export class LiveHub implements MapObserver {
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  readonly #tuning: LiveTuning;
  readonly #turns: Turns;
  readonly #maps = new Map<string, LiveMap>();
  readonly #streams = new Map<Stream, LiveStream>();
  readonly #sinks = new WeakMap<StreamSink, GuardedSink>();
  /** By shard; null: not served here. */
  readonly #stores: (ShardStore | null)[];
  #logId = '';
  #dirty: LiveMap[] = [];
  #windows = 0;

  constructor(runtime: Runtime, logger: Logger, tuning: LiveTuning, shardCount: number) {
    this.#runtime = runtime;
    this.#logger = logger;
    this.#tuning = tuning;
    this.#turns = new Turns(runtime);
    this.#stores = new Array<null>(shardCount).fill(null);
  }

  /** Must come before the first subscription. */
  start(logId: string): void {
    this.#logId = logId;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get windowCount(): number {
    return this.#windows;
  }

  mapCreated(map: ShardMap): void {
    const store = this.#stores[map.shard];
    // Another store of the shard may be in the making.
    if (store?.find(map.name) === map) this.#maps.get(map.name)?.attach(map);
  }

  /** The store's shard can be subscribed to from here on. */
  serves(store: ShardStore): void {
    this.#stores[store.shard] = store;
    for (const live of this.#maps.values()) live.join(store);
  }

  /** Ends every stream that has rows of the shard, once it was sent what is known. */
  ends(shard: number): void {
    const store = this.#stores[shard];
    if (store === null || store === undefined) return;
    for (const live of [...this.#maps.values()]) live.flush();
    const moved: (() => void)[] = [];
    for (const [stream, { shards, onMoved }] of [...this.#streams]) {
      if (!shards.includes(shard)) continue;
      stream.close();
      moved.push(onMoved);
    }
    for (const live of this.#maps.values()) live.part(store);
    this.#stores[shard] = null;
    for (const onMoved of moved) this.#tellMoved(onMoved);
  }

  /** Where rows of a stream can be, ascending. @throws TopGunError INVALID_QUERY */
  shardsOf(spec: SubscribeSpec): readonly number[] {
    return this.#shardsOf(spec, rowFilter(spec.query, spec.restriction));
  }

  subscribe(spec: SubscribeSpec, sink: StreamSink): Stream {
    const filter = rowFilter(spec.query, spec.restriction);
    const live = this.#liveMap(spec.map);
    // A newcomer must not be told of changes that it will find in the tables.
    live.flush();
    const guarded = this.#guarded(sink);
    return spec.query.limit === undefined
      ? this.#subscribePlain(spec, filter, live, guarded)
      : this.#subscribeWindow(spec, filter, live, guarded);
  }

  closeAll(): void {
    for (const stream of [...this.#streams.keys()]) stream.close();
  }

  #subscribePlain(spec: SubscribeSpec, filter: RowFilter, live: LiveMap, sink: StreamSink): Stream {
    const source = this.#sourceOf(spec, filter);
    const id = this.#idOf(filter, source);
    let group = live.groups.get(id);
    if (group === undefined) {
      group = new LiveGroup(id, filter, source);
      live.addGroup(group);
    }
    const owner = group;
    const port: PlainStreamPort = {
      runtime: this.#runtime,
      turns: this.#turns,
      logId: this.#logId,
      flush: () => live.flush(),
      settled: () => live.settled(),
      closed: (stream) => {
        this.#streams.delete(stream);
        if (owner.size === 0) live.removeGroup(owner);
        this.#release(live);
      },
    };
    const { cursors, resets } = this.#startOf(spec, owner);
    const stream = new PlainStream(spec.queryId, owner, port, sink, cursors, resets);
    this.#streams.set(stream, { shards: source.shards, onMoved: spec.onMoved });
    return stream;
  }

  #subscribeWindow(spec: SubscribeSpec, filter: RowFilter, live: LiveMap, sink: StreamSink): Stream {
    const source = this.#sourceOf(spec, filter);
    const id = this.#idOf(filter, source);
    let window = live.windows.get(id);
    if (window === undefined) {
      const port = { runtime: this.#runtime, turns: this.#turns, owner: sink, flush: () => live.flush() };
      window = new Window(filter, source, port);
      live.windows.set(id, window);
      this.#windows++;
    }
    const owner = window;
    const reset = { logId: this.#logId, shards: spec.shards ?? this.#stores.map((_, shard) => shard) };
    const stream = new WindowStream(spec.queryId, owner, reset, sink, (closed) => {
      this.#streams.delete(closed);
      if (owner.size === 0 && live.windows.delete(id)) {
        owner.close();
        this.#windows--;
      }
      this.#release(live);
    });
    this.#streams.set(stream, { shards: source.shards, onMoved: spec.onMoved });
    return stream;
  }

  #tellMoved(onMoved: () => void): void {
    try {
      onMoved();
    } catch (error) {
      this.#logger.error({ error }, 'a subscriber could not be told that its stream has ended');
    }
  }

  /** Where each shard of the stream begins, and which of the subscriber's cursors cannot be honoured. */
  #startOf(spec: SubscribeSpec, group: LiveGroup): { cursors: Float64Array; resets: number[] } {
    const cursors = new Float64Array(this.#stores.length);
    const resets: number[] = [];
    if (spec.logId === null) return { cursors, resets };
    const { source, filter } = group;
    // A restricted subscriber cannot be told which rows it lost while nobody kept track of what it holds.
    if (spec.logId !== this.#logId || filter.isRestricted) return { cursors, resets: [...source.shards] };
    for (let i = 0; i + 1 < spec.cursors.length; i += 2) {
      const shard = spec.cursors[i] as number;
      if (shard < cursors.length) cursors[shard] = spec.cursors[i + 1] as number;
    }
    for (const shard of source.shards) {
      const store = this.#stores[shard] as ShardStore;
      const map = store.find(spec.map);
      const seq = cursors[shard] as number;
      // A subscriber without a cursor may still hold rows of the shard: those of a message that came before its first one.
      const isHonoured = seq > 0 ? seq >= (map?.collectedSeq ?? 0) && seq <= store.appliedSeq : map === null;
      if (isHonoured) continue;
      cursors[shard] = 0;
      resets.push(shard);
    }
    return { cursors, resets };
  }

  #sourceOf(spec: SubscribeSpec, filter: RowFilter): CatchUpSource {
    return { map: spec.map, stores: this.#stores, shards: this.#shardsOf(spec, filter), tuning: this.#tuning };
  }

  #shardsOf(spec: SubscribeSpec, filter: RowFilter): number[] {
    const count = this.#stores.length;
    const possible = filter.keys === null ? null : new Set(filter.keys.map((key) => shardOfKey(key, count)));
    const wanted = spec.shards === null ? null : new Set(spec.shards);
    const shards: number[] = [];
    for (let shard = 0; shard < count; shard++) {
      if (possible?.has(shard) !== false && wanted?.has(shard) !== false) shards.push(shard);
    }
    return shards;
  }

  /** Equal for streams of the same rows of a map. */
  #idOf(filter: RowFilter, { shards }: CatchUpSource): string {
    return `${shards.length === this.#stores.length ? 'all' : shards.join()} ${filter.id}`;
  }

  /** One guard a sink, so that the streams of a session are known as such. */
  #guarded(sink: StreamSink): GuardedSink {
    let guarded = this.#sinks.get(sink);
    if (guarded === undefined) {
      guarded = new GuardedSink(sink, this.#logger);
      this.#sinks.set(sink, guarded);
    }
    return guarded;
  }

  #liveMap(name: string): LiveMap {
    let live = this.#maps.get(name);
    if (live === undefined) {
      live = new LiveMap(name, this.#stores, this.#runtime, this.#tuning, this.#onDirty);
      this.#maps.set(name, live);
    }
    return live;
  }

  #release(live: LiveMap): void {
    if (!live.isIdle || this.#maps.get(live.name) !== live) return;
    live.detach();
    this.#maps.delete(live.name);
  }

  /**
   * Changes are told at the end of the turn: shards whose records became durable together make one message a
   * subscriber, not one each.
   */
  readonly #onDirty = (live: LiveMap): void => {
    if (this.#dirty.push(live) === 1) queueMicrotask(this.#flush);
  };

  readonly #flush = (): void => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const live of dirty) live.flush();
  };
}
