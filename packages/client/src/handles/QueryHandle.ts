import { type Query, validateQuery } from '@topgunbuild/core';
import type { Stream } from '../engine/Stream.js';
import type { SyncEngine } from '../engine/SyncEngine.js';
import type { WaitOptions } from '../engine/withTimeout.js';
import { LiveRows, type Row } from '../query/LiveRows.js';
import type { MapChange } from './LWWMapHandle.js';

export interface QueryInfo<T> {
  /** Everything that the server had when the query was subscribed is part of the rows. */
  readonly complete: boolean;
  /** What changed in the map since the last call, as far as the query's rows are concerned; empty at first. */
  readonly changes: readonly MapChange<T>[];
}

export type QueryListener<T> = (rows: readonly Row<T>[], info: QueryInfo<T>) => void;

/** A live query: its rows from local data at once, then kept up to date by servers and by this client's own writes. */
export class QueryHandle<T = unknown> {
  readonly map: string;
  readonly query: Query;
  readonly #engine: SyncEngine;
  readonly #stream: Stream;
  readonly #rows: LiveRows<T>;
  readonly #listeners = new Set<QueryListener<T>>();
  readonly #stop: (() => void)[];
  #closed = false;

  /** @throws TopGunError INVALID_QUERY, saying where */
  constructor(engine: SyncEngine, map: string, query: Query) {
    this.map = map;
    this.query = validateQuery(query);
    this.#engine = engine;
    const replica = engine.map(map);
    this.#stream = engine.openStream(replica, this.query);
    const stream = this.#stream;
    this.#rows = new LiveRows(replica, stream.compiled, (key) => engine.standsFor(stream, key));
    this.#stop = [
      replica.subscribe((changes) => {
        if (this.#rows.apply(changes)) this.#notify(changes as readonly MapChange<T>[]);
      }),
      stream.onProgress(() => {
        if (stream.isWindow) this.#rows.check(null);
        this.#notify([]);
      }),
    ];
    if (!stream.isWindow) return;
    const recheck = (keys: readonly string[]): void => {
      if (this.#rows.check(keys)) this.#notify([]);
    };
    this.#stop.push(
      stream.onRows(recheck),
      replica.onSettled((key) => recheck([key])),
    );
  }

  /** The rows in order. The array is never changed: another result is another array. */
  get rows(): readonly Row<T>[] {
    return this.#rows.rows;
  }

  get isComplete(): boolean {
    return this.#stream.isComplete;
  }

  /** Calls `listener` at once with what is there, then after every change. Returns how to unsubscribe. */
  subscribe(listener: QueryListener<T>): () => void {
    this.#listeners.add(listener);
    listener(this.rows, { complete: this.isComplete, changes: [] });
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when everything that the server has is part of the rows. @throws TopGunError TIMEOUT, FORBIDDEN */
  complete(options: WaitOptions = {}): Promise<void> {
    return this.#engine.completed(this.#stream, options);
  }

  /** Stops the query. Its rows stay readable as they are. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listeners.clear();
    for (const stop of this.#stop) stop();
    this.#engine.closeStream(this.#stream);
  }

  #notify(changes: readonly MapChange<T>[]): void {
    const info = { complete: this.isComplete, changes };
    for (const listener of [...this.#listeners]) listener(this.rows, info);
  }
}
