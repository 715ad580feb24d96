import { EntryBatch, encodeEntries, type Runtime, type Timer, TopGunError } from '@topgunbuild/core';
import type { PendingOp } from '../engine/PendingOp.js';
import type { ReplicaMap } from '../replica/ReplicaMap.js';
import type { IStorageAdapter, StorageChange } from './StorageAdapter.js';

/** A meta value is encoded when it is written, so that whatever changes often is encoded once per commit. */
export type MetaSource = () => Uint8Array | null;

/**
 * Collects what changed and writes it, one atomic commit at a time: an operation's answer and the record that
 * includes it, records and the cursors that speak of them, are always in the same commit. While a commit is under way
 * changes gather for the next one. A failed commit is tried again, with backoff, for as long as it takes.
 */
export class StorageWriter {
  readonly #adapter: IStorageAdapter;
  readonly #runtime: Runtime;
  readonly #onError: (error: TopGunError) => void;
  readonly #onCommitted: () => void;
  #ops = new Map<number, PendingOp | null>();
  #bases = new Map<ReplicaMap, Set<string>>();
  #meta = new Map<string, MetaSource>();
  #scheduled = false;
  #writing: Promise<void> | null = null;
  #retry: Timer | null = null;
  #failures = 0;
  #closed = false;

  constructor(
    adapter: IStorageAdapter,
    runtime: Runtime,
    onError: (error: TopGunError) => void,
    onCommitted: () => void,
  ) {
    this.#adapter = adapter;
    this.#runtime = runtime;
    this.#onError = onError;
    this.#onCommitted = onCommitted;
  }

  putOp(op: PendingOp): void {
    this.#ops.set(op.number, op);
    this.#schedule();
  }

  removeOp(op: PendingOp): void {
    this.#ops.set(op.number, null);
    this.#schedule();
  }

  putBase(map: ReplicaMap, key: string): void {
    let keys = this.#bases.get(map);
    if (keys === undefined) {
      keys = new Set();
      this.#bases.set(map, keys);
    }
    keys.add(key);
    this.#schedule();
  }

  putMeta(name: string, source: MetaSource): void {
    this.#meta.set(name, source);
    this.#schedule();
  }

  /** Resolves when everything so far is stored, or the storage has failed to take it. */
  async flush(): Promise<void> {
    while (this.#isDirty && this.#retry === null) await this.#write();
    if (this.#writing !== null) await this.#writing;
  }

  /** Writes what is left, once, and stops. */
  async close(): Promise<void> {
    if (this.#retry !== null) this.#runtime.clearTimer(this.#retry);
    this.#retry = null;
    await this.flush();
    this.#closed = true;
    if (this.#retry !== null) this.#runtime.clearTimer(this.#retry);
  }

  get #isDirty(): boolean {
    return this.#ops.size > 0 || this.#bases.size > 0 || this.#meta.size > 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing !== null || this.#retry !== null || this.#closed) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.#retry === null && !this.#closed) void this.#write();
    });
  }

  #write(): Promise<void> {
    if (this.#writing !== null) return this.#writing;
    if (!this.#isDirty) return Promise.resolve();
    this.#writing = this.#commit().finally(() => {
      this.#writing = null;
      if (this.#isDirty) this.#schedule();
    });
    return this.#writing;
  }

  async #commit(): Promise<void> {
    const ops = this.#ops;
    const bases = this.#bases;
    const meta = this.#meta;
    this.#ops = new Map();
    this.#bases = new Map();
    this.#meta = new Map();
    const revisions = [...ops.values()].map((op) => op?.revision);
    try {
      await this.#adapter.commit(encodeChanges(ops, bases, meta));
    } catch (cause) {
      this.#failed(cause, ops, bases, meta);
      return;
    }
    this.#failures = 0;
    let index = 0;
    // What has changed since is stored by the next commit.
    for (const op of ops.values()) if (revisions[index++] === op?.revision) op?.markStored();
    this.#onCommitted();
  }

  #failed(
    cause: unknown,
    ops: Map<number, PendingOp | null>,
    bases: Map<ReplicaMap, Set<string>>,
    meta: Map<string, MetaSource>,
  ): void {
    const error =
      cause instanceof TopGunError
        ? cause
        : new TopGunError('STORAGE_FAILED', 'The storage adapter failed to commit.', { cause });
    for (const [number, op] of ops) {
      if (!this.#ops.has(number)) this.#ops.set(number, op);
      op?.markStorageFailed(error);
    }
    for (const [map, keys] of bases) for (const key of keys) this.#putBaseAgain(map, key);
    for (const [name, source] of meta) if (!this.#meta.has(name)) this.#meta.set(name, source);
    const ceiling = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures++);
    this.#retry = this.#runtime.setTimer(ceiling * (0.5 + this.#runtime.random() / 2), () => {
      this.#retry = null;
      void this.#write();
    });
    this.#onError(error);
  }

  #putBaseAgain(map: ReplicaMap, key: string): void {
    const keys = this.#bases.get(map) ?? new Set();
    keys.add(key);
    this.#bases.set(map, keys);
  }
}

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;

function encodeChanges(
  ops: ReadonlyMap<number, PendingOp | null>,
  bases: ReadonlyMap<ReplicaMap, ReadonlySet<string>>,
  meta: ReadonlyMap<string, MetaSource>,
): StorageChange[] {
  const changes: StorageChange[] = [];
  const row = new EntryBatch();
  for (const [number, op] of ops) {
    changes.push({ table: 'ops', key: [opKey(number)], value: op === null ? null : encodeOp(op, row) });
  }
  for (const [map, keys] of bases) {
    for (const key of keys) {
      row.clear();
      const value = map.addBaseTo(row, key) ? encodeEntries(row) : null;
      changes.push({ table: 'records', key: [map.name, key], value });
    }
  }
  for (const [name, source] of meta) changes.push({ table: 'meta', key: [name], value: source() });
  return changes;
}

/** Numbers as text that sorts like the numbers. */
function opKey(number: number): string {
  return number.toString().padStart(16, '0');
}

/** One byte that tells whether the timestamp is trusted, then the operation as a row. */
function encodeOp(op: PendingOp, row: EntryBatch): Uint8Array {
  row.clear();
  op.addTo(row);
  const entry = encodeEntries(row);
  const bytes = new Uint8Array(entry.length + 1);
  bytes[0] = op.trusted ? 1 : 0;
  bytes.set(entry, 1);
  return bytes;
}
