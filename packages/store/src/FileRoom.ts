import { closeSync, fstatSync, ftruncateSync, openSync, write } from 'node:fs';
import { promisify } from 'node:util';
import type { Change } from './CommitQueue.js';
import { isNoSpace, storageError, storageFull } from './storageError.js';

const writeAt = promisify(write);

/** Pages as LMDB counts them. */
export interface PageUse {
  readonly pageSize: number;
  /** Pages up to the last one in use: where LMDB goes on when it finds no free page. */
  readonly end: number;
  /** Pages before `end` that hold something; the others can be used again. */
  readonly used: number;
  /** Branch and leaf pages of all tables. */
  readonly treePages: number;
  /** Of the deepest table. */
  readonly depth: number;
}

const ZEROS = 1024 * 1024;
/** The file grows by an eighth, within these bounds: rarely, and without a long write in front of a commit. */
const MIN_GROWTH = 64;
const MAX_GROWTH = 512;
/** Kept from commits that add, in pages, so that a full disk leaves room for those that delete. */
const SPARE = 256;

/** So many times as many free pages as needed, and these, leave no doubt that LMDB finds runs that are long enough. */
const REUSE_FACTOR = 4;
const REUSE_RESERVE = 64;

/** Values longer than this go to pages of their own. */
const MAX_INLINE_BYTES = 1900;
const NODE_BYTES = 16;

/**
 * Disk space for the database file, claimed by writing zeros behind its end before a transaction may need it.
 *
 * A disk that fills up while LMDB writes is worse than an error: the failing write garbles memory in the binding (its
 * message outgrows its buffer), and after a failed write of a meta page later commits never settle. So what a
 * transaction may take at most is estimated, never too low, and must fit behind the end of what is in use. When the
 * disk refuses, pages freed inside the file can still serve, if there are plenty.
 */
export class FileRoom {
  readonly #file: string;
  readonly #descriptor: number;
  readonly #measure: () => PageUse;
  #use: PageUse;
  /** Pages behind the end that no transaction was promised since the last look, and those that were. */
  #room = 0;
  #promised = 0;
  #mayOutgrowFile = false;

  constructor(file: string, measure: () => PageUse) {
    this.#file = file;
    this.#descriptor = openSync(file, 'r+');
    this.#measure = measure;
    this.#use = measure();
  }

  /**
   * Call before a transaction, and wait.
   * @throws TopGunError STORAGE_FULL, STORAGE_FAILED
   */
  async reserve(changes: readonly Change[]): Promise<void> {
    const spare = changes.some(({ value }) => value !== null) ? SPARE : 0;
    let need = pagesFor(changes, this.#use, this.#promised);
    if (need + spare > this.#room) {
      this.#look();
      need = pagesFor(changes, this.#use, 0);
      if (need + spare > this.#room) await this.#grow(need, spare);
    }
    this.#room -= need;
    this.#promised += need;
  }

  /** Call when the transaction is over, whatever came of it. */
  settle(): void {
    if (!this.#mayOutgrowFile) return;
    this.#mayOutgrowFile = false;
    this.#room = 0;
    const { end, pageSize } = this.#measure();
    // LMDB leaves pages unwritten that it took and gave back. A file shorter than its pages counts as damaged.
    if (fstatSync(this.#descriptor).size < end * pageSize) ftruncateSync(this.#descriptor, end * pageSize);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #look(): void {
    this.#use = this.#measure();
    this.#room = this.#filePages() - this.#use.end;
    this.#promised = 0;
  }

  #filePages(): number {
    return Math.floor(fstatSync(this.#descriptor).size / this.#use.pageSize);
  }

  async #grow(need: number, spare: number): Promise<void> {
    const { pageSize, end, used } = this.#use;
    // Never a byte before `end`: what is there is in use.
    const from = Math.max(end, this.#filePages());
    const growth = Math.min(Math.max(end >> 3, MIN_GROWTH), MAX_GROWTH);
    try {
      await this.#writeZeros(from * pageSize, Math.max(end + need + spare, from + growth) * pageSize);
    } catch (error) {
      if (!isNoSpace(error)) throw storageError(this.#file, 'extend', error);
      if (this.#filePages() - end < need + spare) {
        if (end - used < REUSE_FACTOR * need + REUSE_RESERVE) throw storageFull(this.#file, error);
        this.#mayOutgrowFile = true;
      }
    }
    this.#look();
  }

  async #writeZeros(from: number, to: number): Promise<void> {
    const zeros = Buffer.alloc(Math.min(to - from, ZEROS));
    for (let at = from; at < to; ) {
      const { bytesWritten } = await writeAt(this.#descriptor, zeros, 0, Math.min(to - at, zeros.length), at);
      at += bytesWritten;
    }
  }
}

/** An upper bound for the pages that a transaction of `changes` takes: LMDB copies each page that it changes. */
function pagesFor(changes: readonly Change[], use: PageUse, promised: number): number {
  const { pageSize, treePages, depth, end } = use;
  let inlineBytes = 0;
  let overflow = 0;
  for (const { key, value } of changes) {
    inlineBytes += key.length + NODE_BYTES;
    const length = value?.length ?? 0;
    if (length > MAX_INLINE_BYTES) overflow += Math.ceil((length + NODE_BYTES + 8) / pageSize);
    else inlineBytes += length;
  }
  const copied = Math.min(changes.length * (depth + 1), treePages + promised);
  // Pages that were split are half empty.
  const fresh = Math.ceil((3 * inlineBytes) / pageSize) + 8;
  // The list of free pages is written as well, 8 bytes a page, and may come to hold every page.
  const freeList = Math.ceil(((end + promised) * 8) / pageSize) + 16;
  return overflow + copied + fresh + freeList;
}
