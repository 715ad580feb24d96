import { join } from 'node:path';
import { TopGunError } from '@topgunbuild/core';
import { type Database as LmdbTable, open, type RootDatabase } from 'lmdb';
import type { Change } from './CommitQueue.js';
import { checkDatabaseFile, createLockFile } from './databaseFile.js';
import type { PageUse } from './FileRoom.js';

type Table = LmdbTable<Uint8Array, Uint8Array>;

/** What lmdb's getStats() says; its types are silent about it. */
interface TreeStats {
  readonly pageSize: number;
  readonly treeDepth: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

interface TableStats extends TreeStats {
  readonly lastPageNumber: number;
  readonly root: TreeStats;
  readonly free: TreeStats;
}

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;
const META_PAGES = 2;

/** LMDB's environment of one directory, open. All that is particular to the binding is here. */
export class Database {
  readonly #root: RootDatabase<Uint8Array, Uint8Array>;
  readonly #tables: ReadonlyMap<string, Table>;

  /** @throws TopGunError STORAGE_FAILED of a damaged file; an Error of LMDB or Node */
  constructor(path: string, tables: readonly string[]) {
    checkDatabaseFile(join(path, 'data.mdb'));
    createLockFile(join(path, 'lock.mdb'));
    // overlappingSync would acknowledge before the flush, and never settle when the flush fails. eventTurnBatching makes
    // promises of its own, whose rejections nobody handles.
    const options = { ...BINARY, path, overlappingSync: false, eventTurnBatching: false, maxDbs: tables.length + 1 };
    this.#root = open<Uint8Array, Uint8Array>(options);
    this.#tables = new Map(
      tables.map((name) => [name, this.#root.openDB<Uint8Array, Uint8Array>({ ...BINARY, name })] as const),
    );
  }

  table(name: string): Table {
    const table = this.#tables.get(name);
    if (table === undefined) throw new TopGunError('INTERNAL', `The store has no table ${name}`);
    return table;
  }

  /** One transaction, flushed to the disk when it resolves. @throws an Error of LMDB: nothing of it is stored */
  async write(changes: readonly Change[]): Promise<void> {
    await this.#root.batch(() => {
      for (const { table: name, key, value } of changes) {
        const table = this.table(name);
        // What these promise is what the batch promises.
        if (value === null) void table.remove(key);
        else void table.put(key, value);
      }
    });
  }

  pageUse(): PageUse {
    const stats = [...this.#tables.values()].map((table) => table.getStats() as TableStats);
    const first = stats[0] ?? (this.#root.getStats() as TableStats);
    const trees: TreeStats[] = [first.root, first.free, ...stats];
    let treePages = 0;
    let overflowPages = 0;
    for (const tree of trees) {
      treePages += tree.treeBranchPageCount + tree.treeLeafPageCount;
      overflowPages += tree.overflowPages;
    }
    return {
      pageSize: first.pageSize,
      end: first.lastPageNumber + 1,
      used: META_PAGES + treePages + overflowPages,
      treePages,
      depth: Math.max(...trees.map((tree) => tree.treeDepth)),
    };
  }

  async close(): Promise<void> {
    await this.#root.close();
  }
}
