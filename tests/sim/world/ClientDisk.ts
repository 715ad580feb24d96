import type { IStorageAdapter, StorageChange, StorageKey, StorageTable } from '@topgunbuild/client';
import { TopGunError } from '@topgunbuild/core';
import type { Random } from '../kernel/Random.js';
import type { SimProcess } from '../kernel/SimProcess.js';
import type { Faults } from './Faults.js';

type Tables = Readonly<Record<StorageTable, Map<string, { readonly key: StorageKey; readonly value: Uint8Array }>>>;

/** A device's storage. It outlives the processes of its client, and loses nothing that it has confirmed. */
export class ClientDisk {
  readonly #random: Random;
  readonly #faults: Faults;
  readonly #namespaces = new Map<string, Tables>();
  readonly #pending = new Set<{ readonly process: SimProcess; readonly apply: () => void }>();

  constructor(random: Random, faults: Faults) {
    this.#random = random;
    this.#faults = faults;
  }

  adapter(process: SimProcess): IStorageAdapter {
    return new DiskAdapter(this, process);
  }

  /** The process has died: each commit under way has happened, whole, or has not. */
  crash(process: SimProcess): void {
    for (const pending of this.#pending) {
      if (pending.process !== process) continue;
      this.#pending.delete(pending);
      if (this.#random.chance(0.5)) pending.apply();
    }
  }

  tables(namespace: string): Tables {
    let tables = this.#namespaces.get(namespace);
    if (tables === undefined) {
      tables = { records: new Map(), ops: new Map(), meta: new Map() };
      this.#namespaces.set(namespace, tables);
    }
    return tables;
  }

  async commit(process: SimProcess, apply: () => void): Promise<void> {
    const fails = this.#random.chance(this.#faults.clientCommitFails);
    const pending = { process, apply: fails ? () => {} : apply };
    this.#pending.add(pending);
    await process.after(this.#random.wait(this.#faults.clientCommitMs));
    if (!this.#pending.delete(pending)) return new Promise<void>(() => {});
    pending.apply();
    if (!fails) return;
    this.#faults.count('client commit failed');
    throw new TopGunError('STORAGE_FAILED', 'simulated: the storage does not work');
  }

  get chunkRows(): number {
    return 1 + this.#random.int(8);
  }
}

class DiskAdapter implements IStorageAdapter {
  readonly #disk: ClientDisk;
  readonly #process: SimProcess;
  #tables: Tables | null = null;
  #commits: Promise<unknown> = Promise.resolve();

  constructor(disk: ClientDisk, process: SimProcess) {
    this.#disk = disk;
    this.#process = process;
  }

  async open(namespace: string): Promise<void> {
    if (this.#tables !== null) throw new TopGunError('STORAGE_FAILED', 'opened twice');
    await this.#process.after(1);
    this.#tables = this.#disk.tables(namespace);
  }

  async *scan(table: StorageTable): AsyncIterable<readonly { readonly key: StorageKey; readonly value: Uint8Array }[]> {
    const rows = [...this.#opened()[table]].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
    while (rows.length > 0) {
      await this.#process.after(0.5);
      yield rows.splice(0, this.#disk.chunkRows).map(({ key, value }) => ({ key, value: value.slice() }));
    }
  }

  commit(changes: readonly StorageChange[]): Promise<void> {
    const tables = this.#opened();
    const committed = this.#disk.commit(this.#process, () => {
      for (const { table, key, value } of changes) {
        const id = key.join('\u0000');
        if (value === null) tables[table].delete(id);
        else tables[table].set(id, { key, value: value.slice() });
      }
    });
    this.#commits = Promise.allSettled([this.#commits, committed]);
    return committed;
  }

  async close(): Promise<void> {
    await this.#commits;
    this.#tables = null;
  }

  #opened(): Tables {
    if (this.#tables === null) throw new TopGunError('STORAGE_FAILED', 'not open');
    return this.#tables;
  }
}
