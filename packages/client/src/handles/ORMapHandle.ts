import { decodeOrState, encodeValue, Kind, type OrElement, Tag, TopGunError } from '@topgunbuild/core';
import type { Stream } from '../engine/Stream.js';
import type { SyncEngine } from '../engine/SyncEngine.js';
import type { Write } from '../engine/Write.js';
import type { WaitOptions } from '../engine/withTimeout.js';
import type { Origin } from '../replica/MapListeners.js';
import type { ReplicaMap } from '../replica/ReplicaMap.js';
import { checkKey } from './LWWMapHandle.js';

/** One change of a set: all of its elements, after and before. */
export interface SetChange<V> {
  readonly key: string;
  readonly values: readonly V[];
  readonly previous: readonly V[];
  readonly origin: Origin;
}

/**
 * A map of observed-remove sets: every key holds several values, concurrent additions all stay, and a removal takes away
 * just what its author has seen. Values are equal when their encodings are.
 */
export class ORMapHandle<V = unknown> {
  readonly name: string;
  readonly #engine: SyncEngine;
  readonly #map: ReplicaMap;
  #stream: Stream | null = null;

  constructor(engine: SyncEngine, name: string) {
    this.name = name;
    this.#engine = engine;
    this.#map = engine.map(name);
  }

  /** Adds `value` under `key`. @throws TypeError for what cannot be stored; TopGunError KIND_MISMATCH, CLOSED */
  add(key: string, value: V): Write {
    checkKey(key);
    this.#checkKind(key);
    return this.#engine.write(this.#map, key, Tag.OR_ADD, encodeValue(value));
  }

  /** Removes every element equal to `value` that this client has seen. */
  remove(key: string, value: V): Write {
    checkKey(key);
    this.#checkKind(key);
    this.#read();
    const wanted = encodeValue(value);
    const stamps = this.#elements(key)
      .filter((element) => sameBytes(element.value, wanted))
      .map((element) => element.stamp);
    return this.#engine.removeElements(this.#map, key, stamps);
  }

  /** The values under `key`, oldest first; none: an empty array. Equal values that were added apart stand once. */
  get(key: string): V[] {
    this.#read();
    const values = this.#map.kindOf(key) === Kind.OR ? (this.#map.read(key) as V[]) : [];
    return distinct(values);
  }

  has(key: string, value: V): boolean {
    this.#read();
    const wanted = encodeValue(value);
    return this.#elements(key).some((element) => sameBytes(element.value, wanted));
  }

  /** Keys with at least one value. */
  *keys(): IterableIterator<string> {
    this.#read();
    for (const key of this.#map.table.keys()) if (this.get(key).length > 0) yield key;
  }

  /** Calls `listener` after every change, local ones at once. Returns how to unsubscribe. */
  subscribe(listener: (event: { readonly changes: readonly SetChange<V>[] }) => void): () => void {
    this.#read();
    return this.#map.subscribe((changes) => {
      const own: SetChange<V>[] = [];
      for (const { key, value, previous, origin } of changes) {
        if (!Array.isArray(value) && !Array.isArray(previous)) continue;
        own.push({ key, values: asValues<V>(value), previous: asValues<V>(previous), origin });
      }
      if (own.length > 0) listener({ changes: own });
    });
  }

  /** Resolves when the first full state of the map has arrived from the server. @throws TopGunError TIMEOUT, FORBIDDEN */
  synced(options: WaitOptions = {}): Promise<void> {
    return this.#engine.completed(this.#read(), options);
  }

  #elements(key: string): readonly OrElement[] {
    const { table } = this.#map;
    const slot = table.find(key);
    return slot >= 0 && table.kind(slot) === Kind.OR ? decodeOrState(table.bytes(slot).slice()).elements : [];
  }

  #read(): Stream {
    this.#stream ??= this.#engine.openStream(this.#map, {});
    return this.#stream;
  }

  #checkKind(key: string): void {
    const kind = this.#map.kindOf(key);
    if (kind === null || kind === Kind.OR) return;
    throw new TopGunError(
      'KIND_MISMATCH',
      `The key holds ${kind === Kind.LWW ? 'a value' : 'a counter'}, not an OR set.`,
    );
  }
}

function asValues<V>(value: unknown): V[] {
  return Array.isArray(value) ? distinct(value as V[]) : [];
}

function distinct<V>(values: readonly V[]): V[] {
  if (values.length < 2) return [...values];
  const known = new Set<string>();
  return values.filter((value) => {
    const identity = encodeValue(value).join();
    return !known.has(identity) && known.add(identity);
  });
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
