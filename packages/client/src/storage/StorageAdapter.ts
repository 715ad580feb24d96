/** `records`: the base of the replica by [map, key]; `ops`: the op-log by number; `meta`: small facts by name. */
export type StorageTable = 'records' | 'ops' | 'meta';

/** Keys of `records` have two parts (map, key), those of the other tables one. */
export type StorageKey = readonly string[];

export type StorageChange =
  | { readonly table: StorageTable; readonly key: StorageKey; readonly value: Uint8Array }
  | { readonly table: StorageTable; readonly key: StorageKey; readonly value: null };

/**
 * Durable storage of one client. An adapter knows nothing of what it keeps: three tables of bytes, and commits that
 * happen whole or not at all.
 */
export interface IStorageAdapter {
  /**
   * Opens the store of `namespace` (letters, digits, `-`, `_`; another subject has another namespace). Only one client
   * at a time may have it open: a second one is refused with STORAGE_FAILED where the platform allows to tell.
   * @throws TopGunError STORAGE_FAILED
   */
  open(namespace: string): Promise<void>;

  /** Every row of `table`, in the order of keys, in chunks that suit the store. */
  scan(table: StorageTable): AsyncIterable<readonly { readonly key: StorageKey; readonly value: Uint8Array }[]>;

  /**
   * Applies `changes` in order as one atomic, durable commit. A later change of a key wins. A null value deletes.
   * @throws TopGunError STORAGE_FULL or STORAGE_FAILED: nothing of this commit is stored.
   */
  commit(changes: readonly StorageChange[]): Promise<void>;

  /** Waits for commits under way, then closes. The adapter may be opened again. */
  close(): Promise<void>;
}
