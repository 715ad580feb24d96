import { join } from 'node:path';
import type { IStorageAdapter, StorageChange, StorageKey, StorageTable } from '@topgunbuild/client';
import { TopGunError } from '@topgunbuild/core';
import { Store } from '@topgunbuild/store';
import { decodeStorageKey, encodeStorageKey } from './storageKey.js';

export interface LmdbAdapterOptions {
  /** A directory, made when it is missing. Each namespace has a directory of its own in it. */
  readonly path: string;
}

interface StoredRow {
  readonly key: StorageKey;
  readonly value: Uint8Array;
}

const TABLES: readonly StorageTable[] = ['records', 'ops', 'meta'];
const NAMESPACE = /^[A-Za-z0-9_-]{1,120}$/;

const CHUNK_ROWS = 1_000;
const CHUNK_BYTES = 1024 * 1024;
/** Below the first byte of a key of one empty part and above the last of any. */
const FIRST = new Uint8Array([0]);
const END = new Uint8Array([0xff]);

/** Durable storage of a client in Node, on LMDB: a commit is on the disk when it resolves. */
export class LmdbAdapter implements IStorageAdapter {
  readonly #path: string;
  #store: Store | null = null;

  constructor({ path }: LmdbAdapterOptions) {
    this.#path = path;
  }

  /** @throws TopGunError STORAGE_FAILED (in use, damaged, not a directory, open already), STORAGE_FULL */
  async open(namespace: string): Promise<void> {
    if (this.#store !== null) throw new TopGunError('STORAGE_FAILED', 'The storage is open already: close it first');
    if (!NAMESPACE.test(namespace)) {
      throw new TopGunError('STORAGE_FAILED', 'A namespace has 1 to 120 letters, digits, - and _');
    }
    this.#store = await Store.open({ path: join(this.#path, folderOf(namespace)), tables: TABLES });
  }

  async *scan(table: StorageTable): AsyncIterable<readonly StoredRow[]> {
    for (let start: Uint8Array = FIRST; ; ) {
      const rows = this.#opened().rows(table, { start, end: END }, CHUNK_ROWS, CHUNK_BYTES);
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows.map(({ key, value }) => ({ key: decodeStorageKey(key), value }));
      start = after(last.key);
    }
  }

  async commit(changes: readonly StorageChange[]): Promise<void> {
    await this.#opened().commit(changes.map(({ table, key, value }) => ({ table, key: encodeStorageKey(key), value })));
  }

  async close(): Promise<void> {
    const store = this.#store;
    this.#store = null;
    await store?.close();
  }

  #opened(): Store {
    if (this.#store === null) throw new TopGunError('CLOSED', 'The storage is not open');
    return this.#store;
  }
}

/** Some file systems do not tell capitals from small letters; namespaces do. */
function folderOf(namespace: string): string {
  return namespace.replace(/[A-Z]/g, (letter) => `+${letter.toLowerCase()}`);
}

/** The next key in the order of bytes. */
function after(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
