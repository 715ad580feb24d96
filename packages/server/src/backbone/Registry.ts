/** A value of the registry. Revisions of a key only grow. */
export interface RegistryEntry {
  readonly value: Uint8Array;
  readonly revision: number;
}

/** `entry` null: the key was deleted, or was never there. */
export type RegistryWatcher = (key: string, entry: RegistryEntry | null) => void;

export interface Watch {
  /** Nothing is told once this has returned. */
  close(): void;
}

/**
 * A small, strongly consistent store that the nodes of a cluster share: who is there, who leads, who owns what. Keys have
 * the characters A-Z, a-z, 0-9, `-`, `_` and `.`. Every wait is bounded.
 */
export interface Registry {
  /** The latest value, never that of a replica that lags behind. @throws TopGunError UNAVAILABLE */
  get(key: string): Promise<RegistryEntry | null>;

  /**
   * Sets the key if its revision is `revision` (0 = it is not there), and returns the new revision; null: somebody else was
   * faster, and nothing was changed.
   * @throws TopGunError UNAVAILABLE: the value may or may not be set; the caller gets it
   */
  compareAndSet(key: string, value: Uint8Array, revision: number): Promise<number | null>;

  /** Deletes the key if its revision is `revision`. False: it is another by now. @throws TopGunError UNAVAILABLE, as above */
  delete(key: string, revision: number): Promise<boolean>;

  /**
   * Tells the present value of every key that begins with `prefix`, then each change, in the order of revisions; resolves
   * when the present is told. A watch that loses its connection tells what it missed when it is back; of several changes
   * of one key it may then tell the last one only.
   * @throws TopGunError UNAVAILABLE when it cannot be begun
   */
  watch(prefix: string, watcher: RegistryWatcher): Promise<Watch>;
}
