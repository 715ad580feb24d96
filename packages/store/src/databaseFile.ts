import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { TopGunError } from '@topgunbuild/core';

/** Where LMDB's format keeps what is looked at here: a page header of 24 bytes, then the meta record. */
const PAGE_FLAGS = 18;
const MAGIC = 24;
const VERSION = 28;
const PAGE_SIZE = 48;
const LAST_PAGE = 144;
const HEAD_BYTES = 152;

const META_PAGE = 0x08;
const LMDB_MAGIC = 0xbeefc0de;
const LMDB_VERSION = 2;

/** Larger than the lock region of LMDB's default of 126 readers. */
const LOCK_BYTES = 12 * 1024;

/**
 * Refuses a file that LMDB would crash on. LMDB trusts its file: a foreign one ends the process with SIGSEGV, one that
 * was cut off with SIGBUS at the first page beyond the end. A missing or empty file is a new database.
 * @throws TopGunError STORAGE_FAILED
 */
export function checkDatabaseFile(file: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
    throw error;
  }
  try {
    const { size } = fstatSync(descriptor);
    if (size === 0) return;
    const first = readMeta(descriptor, 0);
    const second = first === null ? null : readMeta(descriptor, first.pageSize);
    if (first === null || second === null) throw damaged(file, 'it is not a database, or its head is damaged');
    const pages = Math.max(first.lastPage, second.lastPage) + 1;
    if (size < pages * first.pageSize) {
      throw damaged(file, `it has ${size} bytes where ${pages * first.pageSize} are expected`);
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Makes LMDB's lock file before LMDB does. LMDB maps a sparse file, and the first touch of a page that a full disk
 * cannot give ends the process with SIGBUS. Only ever creates: to close another descriptor of a lock file in use would
 * release the locks of this process.
 */
export function createLockFile(file: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'wx');
  } catch (error) {
    if (isCode(error, 'EEXIST')) return;
    throw error;
  }
  try {
    writeSync(descriptor, Buffer.alloc(LOCK_BYTES));
  } finally {
    closeSync(descriptor);
  }
}

function readMeta(descriptor: number, position: number): { pageSize: number; lastPage: number } | null {
  const head = Buffer.alloc(HEAD_BYTES);
  if (readSync(descriptor, head, 0, HEAD_BYTES, position) < HEAD_BYTES) return null;
  const sound =
    (head.readUInt16LE(PAGE_FLAGS) & META_PAGE) !== 0 &&
    head.readUInt32LE(MAGIC) === LMDB_MAGIC &&
    (head.readUInt32LE(VERSION) & 0xffff) === LMDB_VERSION;
  return sound ? { pageSize: head.readUInt32LE(PAGE_SIZE), lastPage: Number(head.readBigUInt64LE(LAST_PAGE)) } : null;
}

function damaged(file: string, what: string): TopGunError {
  return new TopGunError(
    'STORAGE_FAILED',
    `${file} cannot be opened: ${what}. Restore it from a backup, or move it away`,
  );
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
