import { Kind, TopGunError } from '@topgunbuild/core';
import type { Stream } from '../engine/Stream.js';
import type { SyncEngine } from '../engine/SyncEngine.js';
import type { Write } from '../engine/Write.js';
import type { WaitOptions } from '../engine/withTimeout.js';
import type { ReplicaMap } from '../replica/ReplicaMap.js';
import { checkKey } from './LWWMapHandle.js';

/** A counter that many clients change at once, offline too, and that counts every change exactly once. */
export class CounterHandle {
  readonly map: string;
  readonly key: string;
  readonly #engine: SyncEngine;
  readonly #map: ReplicaMap;
  #stream: Stream | null = null;

  constructor(engine: SyncEngine, map: string, key: string) {
    checkKey(key);
    this.map = map;
    this.key = key;
    this.#engine = engine;
    this.#map = engine.map(map);
  }

  /** @throws TypeError unless `n` is a whole number; TopGunError KIND_MISMATCH, INVALID_VALUE beyond 2^53, CLOSED */
  increment(n = 1): Write {
    if (!Number.isSafeInteger(n)) throw new TypeError('A counter counts in whole numbers.');
    const kind = this.#map.kindOf(this.key);
    if (kind !== null && kind !== Kind.COUNTER) {
      throw new TopGunError('KIND_MISMATCH', 'The key holds another kind of record, not a counter.');
    }
    return this.#engine.addToCounter(this.#map, this.key, n);
  }

  decrement(n = 1): Write {
    return this.increment(-n);
  }

  get value(): number {
    this.#read();
    return this.#map.kindOf(this.key) === Kind.COUNTER ? (this.#map.read(this.key) as number) : 0;
  }

  /** Calls `listener` with the value after every change. Returns how to unsubscribe. */
  subscribe(listener: (value: number) => void): () => void {
    this.#read();
    return this.#map.subscribe((changes) => {
      if (changes.some((change) => change.key === this.key)) listener(this.value);
    });
  }

  /** Resolves when the counter's value has arrived from the server. @throws TopGunError TIMEOUT, FORBIDDEN */
  synced(options: WaitOptions = {}): Promise<void> {
    return this.#engine.completed(this.#read(), options);
  }

  #read(): Stream {
    this.#stream ??= this.#engine.openStream(this.#map, { where: { _key: this.key } });
    return this.#stream;
  }
}
