import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { TopGunError } from '@topgunbuild/core';
import { type Change, type CommitOptions, CommitQueue } from './CommitQueue.js';
import { Database } from './Database.js';
import { DirectoryLock } from './DirectoryLock.js';
import { FileRoom } from './FileRoom.js';
import { storageError } from './storageError.js';

export interface StoreOptions {
  /** A directory, made when it is missing. */
  readonly path: string;
  readonly tables: readonly string[];
}

export interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Keys from `start` (included) to `end` (excluded), in the order of their bytes. */
export interface KeyRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/**
 * `recovering`: a write failed and LMDB is being closed; `lost`: it is closed, and the next use opens it again.
 *
 *   open -- a write fails --> recovering -- closed --> lost -- next use --> open
 */
type State =
  | { readonly name: 'open'; readonly database: Database }
  | { readonly name: 'recovering' | 'lost' | 'closed' };

const MAX_KEY_BYTES = 1978;

/** Ordered tables of bytes in a directory. Only one Store at a time has the directory, on the whole machine. */
export class Store {
  readonly #path: string;
  readonly #tables: readonly string[];
  readonly #lock: DirectoryLock;
  readonly #room: FileRoom;
  readonly #queue = new CommitQueue((changes) => this.#write(changes));
  #state: State;
  #closing: Promise<void> | null = null;

  private constructor({ path, tables }: StoreOptions, lock: DirectoryLock) {
    this.#path = path;
    this.#tables = tables;
    this.#lock = lock;
    this.#state = { name: 'open', database: new Database(path, tables) };
    this.#room = new FileRoom(join(path, 'data.mdb'), () => this.#database().pageUse());
  }

  /** @throws TopGunError STORAGE_FAILED (in use, damaged, not a directory, no permission), STORAGE_FULL */
  static async open(options: StoreOptions): Promise<Store> {
    const { path } = options;
    let firstMade: string | undefined;
    try {
      firstMade = mkdirSync(path, { recursive: true });
    } catch (error) {
      throw storageError(path, 'make the directory', error);
    }
    const lock = await DirectoryLock.acquire(path);
    try {
      const isNew = !existsSync(join(path, 'data.mdb'));
      const store = new Store(options, lock);
      if (isNew) flushNames(path, firstMade);
      return store;
    } catch (error) {
      await lock.release();
      throw storageError(path, 'open', error);
    }
  }

  get(table: string, key: Uint8Array): Uint8Array | undefined {
    return this.#database().table(table).get(key);
  }

  /** The first rows of `range`: at most `maxRows`, and no more once their values come to `maxBytes`. Copies. */
  rows(table: string, { start, end }: KeyRange, maxRows: number, maxBytes: number): Row[] {
    const rows: Row[] = [];
    let bytes = 0;
    for (const row of this.#database().table(table).getRange({ start, end })) {
      rows.push(row);
      bytes += row.value.length;
      if (rows.length >= maxRows || bytes >= maxBytes) break;
    }
    return rows;
  }

  /** The first keys of `range`, at most `limit`. */
  keys(table: string, { start, end }: KeyRange, limit: number): Uint8Array[] {
    return [...this.#database().table(table).getKeys({ start, end, limit })];
  }

  /** The last key above `above` and up to `to`. */
  lastKey(table: string, above: Uint8Array, to: Uint8Array): Uint8Array | undefined {
    const [key] = this.#database().table(table).getKeys({ start: to, end: above, reverse: true, limit: 1 });
    return key;
  }

  /**
   * Applies `changes` in order as one: once it resolves they are on the disk, when it rejects none is stored. Commits
   * take effect in the order in which they were asked for. Values must not change until then.
   * @throws TopGunError STORAGE_FULL, STORAGE_FAILED, CLOSED, TOO_LARGE (a key)
   */
  async commit(changes: readonly Change[], options: CommitOptions = {}): Promise<void> {
    if (this.#closing !== null) throw this.#closedError();
    // Before the queue: an error while lmdb's batch is filled would commit what the batch has until then.
    for (const { key } of changes) if (key.length === 0 || key.length > MAX_KEY_BYTES) throw keyError(key);
    if (changes.length > 0) await this.#queue.commit(changes, options);
  }

  /** Waits for commits under way. */
  close(): Promise<void> {
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #release(): Promise<void> {
    await this.#queue.idle();
    const state = this.#state;
    this.#state = { name: 'closed' };
    this.#room.close();
    if (state.name === 'open') await state.database.close();
    await this.#lock.release();
  }

  async #write(changes: readonly Change[]): Promise<TopGunError | null> {
    let database: Database;
    try {
      database = this.#database();
      await this.#room.reserve(changes);
    } catch (error) {
      return storageError(this.#path, 'write to', error);
    }
    try {
      await database.write(changes);
      this.#room.settle();
      return null;
    } catch (error) {
      return await this.#recover(database, error);
    }
  }

  /** LMDB gives up on an environment whose meta page it could not write, so none is used again after an error. */
  async #recover(database: Database, error: unknown): Promise<TopGunError> {
    const failure = storageError(this.#path, 'write to', await causeOf(error));
    this.#state = { name: 'recovering' };
    await database.close();
    this.#state = { name: 'lost' };
    try {
      this.#database();
      this.#room.settle();
    } catch {
      // Stays lost: the next use tries again and says why it cannot.
    }
    return failure;
  }

  #database(): Database {
    const state = this.#state;
    switch (state.name) {
      case 'open':
        return state.database;
      case 'lost': {
        const database = this.#reopen();
        this.#state = { name: 'open', database };
        return database;
      }
      case 'recovering':
        throw new TopGunError('STORAGE_FAILED', `${this.#path} is being opened again after a failed write`);
      case 'closed':
        throw this.#closedError();
    }
  }

  #reopen(): Database {
    try {
      return new Database(this.#path, this.#tables);
    } catch (error) {
      throw storageError(this.#path, 'open again', error);
    }
  }

  #closedError(): TopGunError {
    return new TopGunError('CLOSED', `The store ${this.#path} is closed`);
  }
}

/** lmdb rejects with an error that holds a promise of what happened. */
async function causeOf(error: unknown): Promise<unknown> {
  try {
    if (error instanceof Error && 'commitError' in error) await error.commitError;
    return error;
  } catch (cause) {
    return cause;
  }
}

function keyError(key: Uint8Array): TopGunError {
  return new TopGunError('TOO_LARGE', `A key must have 1 to ${MAX_KEY_BYTES} bytes, this one has ${key.length}`);
}

/** A flush of a new file does not flush its name, nor those of the directories above it. */
function flushNames(path: string, firstMade: string | undefined): void {
  if (process.platform === 'win32') return;
  const top = dirname(resolve(firstMade ?? join(path, 'data.mdb')));
  for (let directory = resolve(path); ; directory = dirname(directory)) {
    const descriptor = openSync(directory, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (directory === top) return;
  }
}
