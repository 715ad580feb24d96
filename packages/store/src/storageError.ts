import { statfsSync } from 'node:fs';
import { TopGunError } from '@topgunbuild/core';

/** ENOSPC, EDQUOT and EFBIG (a limit for the process), as Node names and as LMDB numbers them. */
const NO_SPACE: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 28, 122, 27]);
/** EIO, as LMDB also calls a write that a full disk cut short. */
const LMDB_EIO = 5;
const NEARLY_NOTHING = 1024 * 1024;

/** STORAGE_FULL when the disk or a quota is what failed, else STORAGE_FAILED. A TopGunError stays what it is. */
export function storageError(path: string, action: string, cause: unknown): TopGunError {
  if (cause instanceof TopGunError) return cause;
  if (isNoSpace(cause) || (codeOf(cause) === LMDB_EIO && freeBytes(path) < NEARLY_NOTHING)) {
    return storageFull(path, cause);
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TopGunError('STORAGE_FAILED', `Cannot ${action} ${path}: ${reason}`, { cause });
}

export function storageFull(path: string, cause: unknown): TopGunError {
  return new TopGunError('STORAGE_FULL', `No space left for ${path}: free some, then try again`, { cause });
}

export function isNoSpace(error: unknown): boolean {
  return NO_SPACE.has(codeOf(error));
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

function freeBytes(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    // Whatever makes the directory unreadable is not a lack of space.
    return Number.POSITIVE_INFINITY;
  }
}
