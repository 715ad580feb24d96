import { TopGunError } from '@topgunbuild/core';
import type { IStorageAdapter, StorageChange, StorageKey, StorageTable } from './StorageAdapter.js';

interface Row {
  readonly key: StorageKey;
  readonly value: Uint8Array;
}

type Tables = Readonly<Record<StorageTable, Map<string, Row>>>;

const ROWS_PER_CHUNK = 1_000;

/**
 * Storage in memory: for tests, and for clients that come and go within one process. What it holds lives as long as the
 * adapter, over any number of closings and openings.
 */
export class MemoryAdapter implements IStorageAdapter {
  readonly #namespaces = new Map<string, Tables>();
  #open: Tables | null = null;

  async open(namespace: string): Promise<void> {
    if (this.#open !== null) throw new TopGunError('STORAGE_FAILED', 'The storage is open already: close it first.');
    let tables = this.#namespaces.get(namespace);
    if (tables === undefined) {
      tables = { records: new Map(), ops: new Map(), meta: new Map() };
      this.#namespaces.set(namespace, tables);
    }
    this.#open = tables;
  }

  async *scan(table: StorageTable): AsyncIterable<readonly Row[]> {
    const rows = [...this.#tables()[table].entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
    for (let start = 0; start < rows.length; start += ROWS_PER_CHUNK) yield rows.slice(start, start + ROWS_PER_CHUNK);
  }

  async commit(changes: readonly StorageChange[]): Promise<void> {
    const tables = this.#tables();
    for (const { table, key, value } of changes) {
      const name = JSON.stringify(key);
      if (value === null) tables[table].delete(name);
      else tables[table].set(name, { key, value });
    }
  }

  async close(): Promise<void> {
    this.#open = null;
  }

  #tables(): Tables {
    if (this.#open === null) throw new TopGunError('STORAGE_FAILED', 'The storage is not open.');
    return this.#open;
  }
}
