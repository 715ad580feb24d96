import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { TopGunError } from '@topgunbuild/core';
import { ABORT, open, type RootDatabase, type Transaction } from 'lmdb';
import { checkDatabaseFile, createLockFile } from './databaseFile.js';
import { storageError } from './storageError.js';

/** A line of LMDB's list of readers: process id, thread, transaction. */
const READER = /^\s*(\d+) /m;

/**
 * The right to be the only opener of a directory, in this process and among all others.
 *
 * Node cannot lock a file, LMDB can: it notes each reader in a table, and the process of a reader holds a lock of the
 * kernel as long as it lives. So an empty database beside the data has at most one reader ever, the holder. Looking for
 * readers and becoming one happen under LMDB's mutex for writers, so that of many who start at once one wins.
 * Nothing has to be cleaned up after a process that was killed, and process ids, which repeat in containers, decide nothing.
 */
export class DirectoryLock {
  readonly #database: RootDatabase;
  /** Kept for its place in the table of readers: LMDB frees the place when this is collected as garbage. */
  readonly #reader: Transaction;

  private constructor(database: RootDatabase, reader: Transaction) {
    this.#database = database;
    this.#reader = reader;
  }

  /** @throws TopGunError STORAGE_FAILED when the directory is in use, STORAGE_FULL or STORAGE_FAILED of the disk */
  static async acquire(directory: string): Promise<DirectoryLock> {
    const path = join(directory, 'lock');
    let database: RootDatabase;
    try {
      mkdirSync(path, { recursive: true });
      checkDatabaseFile(join(path, 'data.mdb'));
      createLockFile(join(path, 'lock.mdb'));
      // Its content never changes after its creation and means nothing, so it need not be flushed.
      database = open({ path, overlappingSync: false, noSync: true, maxDbs: 1 });
    } catch (error) {
      throw storageError(directory, 'lock', error);
    }
    let reader: Transaction | null = null;
    let holder = '';
    try {
      database.transactionSync(() => {
        database.readerCheck();
        holder = READER.exec(database.readerList())?.[1] ?? '';
        if (holder === '') reader = database.useReadTransaction();
        return ABORT;
      });
      if (reader !== null) return new DirectoryLock(database, reader);
    } catch (error) {
      await database.close();
      throw storageError(directory, 'lock', error);
    }
    await database.close();
    const who = Number(holder) === process.pid ? 'this process already' : `another process (id ${holder})`;
    throw new TopGunError('STORAGE_FAILED', `${directory} is in use by ${who}: close that one, or use another path`);
  }

  async release(): Promise<void> {
    this.#reader.done();
    await this.#database.close();
  }
}
