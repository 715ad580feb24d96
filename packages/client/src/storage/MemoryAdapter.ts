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
    if (this.#open !== null) throw new TopGunError('STORAGE_FAILED', 'The storage is open already: close it first');
    let tables = this.#namespaces.get(namespace);
    if (tables === undefined) {
      tables = { records: new Map(), ops: new Map(), meta: new Map() };
      this.#namespaces.set(namespace, tables);
    }
    this.#open = tables;
  }

  async *scan(table: StorageTable): AsyncIterable<readonly Row[]> {
    const rows = [...this.#tables()[table].values()].sort((a, b) => compareKeys(a.key, b.key));
    for (let start = 0; start < rows.length; start += ROWS_PER_CHUNK) yield rows.slice(start, start + ROWS_PER_CHUNK);
  }

  async commit(changes: readonly StorageChange[]): Promise<void> {
    const tables = this.#tables();
    for (const { table, key, value } of changes) {
      const name = nameOf(key);
      if (value === null) tables[table].delete(name);
      else tables[table].set(name, { key, value: value.slice() });
    }
  }

  async close(): Promise<void> {
    this.#open = null;
  }

  #tables(): Tables {
    if (this.#open === null) throw new TopGunError('CLOSED', 'The storage is not open');
    return this.#open;
  }
}

/** One string per key: the length of the first part tells where the second one begins. */
function nameOf(key: StorageKey): string {
  return `${key[0]?.length ?? 0}:${key.join('')}`;
}

function compareKeys(a: StorageKey, b: StorageKey): number {
  for (const [index, part] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (part !== other) return part < other ? -1 : 1;
  }
  return a.length - b.length;
}
