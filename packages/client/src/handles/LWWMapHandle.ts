import { isWellFormed, Kind, Tag, TopGunError } from '@topgunbuild/core';
import type { Stream } from '../engine/Stream.js';
import type { SyncEngine } from '../engine/SyncEngine.js';
import type { Write } from '../engine/Write.js';
import type { WaitOptions } from '../engine/withTimeout.js';
import type { Origin } from '../replica/MapListeners.js';
import type { ReplicaMap } from '../replica/ReplicaMap.js';

/** One change of a map. Without a value the key is gone; without a previous value it is new. */
export interface MapChange<T> {
  readonly key: string;
  readonly value?: T;
  readonly previous?: T;
  readonly origin: Origin;
}

export interface MapChangeEvent<T> {
  readonly changes: readonly MapChange<T>[];
}

export interface SetOptions {
  /** The record disappears everywhere so many ms after the write. */
  readonly ttlMs?: number;
}

const NO_BYTES = new Uint8Array(0);

/**
 * A map of last-writer-wins records. Reads and writes work on this client's memory and return at once; storing and
 * syncing go on behind them. The first read or subscription starts to sync the map; a handle that only writes never
 * downloads it. Values that it returns are shared: treat them as immutable.
 */
export class LWWMapHandle<T = unknown> {
  readonly name: string;
  readonly #engine: SyncEngine;
  readonly #map: ReplicaMap;
  #stream: Stream | null = null;

  constructor(engine: SyncEngine, name: string) {
    this.name = name;
    this.#engine = engine;
    this.#map = engine.map(name);
  }

  /**
   * Writes `value`, anything that MessagePack carries (also Date, bigint, Uint8Array).
   * @throws TypeError for undefined, functions, cycles and what else cannot be stored, saying where it is
   * @throws TopGunError KIND_MISMATCH when the key is known to hold a counter or an OR set, CLOSED
   */
  set(key: string, value: T, options?: SetOptions): Write {
    const ttlMs = options?.ttlMs ?? 0;
    if (!(ttlMs >= 0 && ttlMs <= Number.MAX_SAFE_INTEGER) || options?.ttlMs === 0) {
      throw new TypeError('ttlMs must be a positive number of milliseconds.');
    }
    checkKey(key);
    this.#checkKind(key);
    return this.#engine.write(this.#map, key, Tag.LWW_SET, this.#engine.encode(value), Math.ceil(ttlMs));
  }

  /** Writes what `change` makes of the current value. */
  update(key: string, change: (old: T | undefined) => T): Write {
    return this.set(key, change(this.get(key)));
  }

  remove(key: string): Write {
    checkKey(key);
    this.#checkKind(key);
    return this.#engine.write(this.#map, key, Tag.LWW_REMOVE, NO_BYTES);
  }

  get(key: string): T | undefined {
    if (this.#stream === null) this.#read();
    return this.#map.get(key) as T | undefined;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  get size(): number {
    this.#read();
    return this.#map.size;
  }

  keys(): IterableIterator<string> {
    this.#read();
    return this.#map.liveKeys();
  }

  *values(): IterableIterator<T> {
    for (const key of this.keys()) yield this.get(key) as T;
  }

  *entries(): IterableIterator<[string, T]> {
    for (const key of this.keys()) yield [key, this.get(key) as T];
  }

  [Symbol.iterator](): IterableIterator<[string, T]> {
    return this.entries();
  }

  /** Calls `listener` after every change, local ones at once. Returns how to unsubscribe. */
  subscribe(listener: (event: MapChangeEvent<T>) => void): () => void {
    this.#read();
    return this.#map.subscribe((changes) => {
      const own: MapChange<T>[] = [];
      for (const { key, kind, value, previous, origin } of changes) {
        if (kind !== Kind.LWW || (value === undefined && previous === undefined)) continue;
        own.push({
          key,
          ...(value === undefined ? {} : { value: value as T }),
          ...(previous === undefined ? {} : { previous: previous as T }),
          origin,
        });
      }
      if (own.length > 0) listener({ changes: own });
    });
  }

  /** Resolves when the first full state of the map has arrived from the server. @throws TopGunError TIMEOUT, FORBIDDEN */
  synced(options: WaitOptions = {}): Promise<void> {
    return this.#engine.completed(this.#read(), options);
  }

  #read(): Stream {
    this.#stream ??= this.#engine.openStream(this.#map, {});
    return this.#stream;
  }

  #checkKind(key: string): void {
    const kind = this.#map.kindOf(key);
    if (kind === null || kind === Kind.LWW) return;
    throw new TopGunError(
      'KIND_MISMATCH',
      `The key holds ${kind === Kind.OR ? 'an OR set' : 'a counter'}, not a value.`,
    );
  }
}

/** @throws TypeError for keys that cannot be carried as they are. */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new TypeError('A key must be a string.');
  if (!isWellFormed(key)) throw new TypeError('A key must not have half of a surrogate pair: UTF-8 cannot carry it.');
}
