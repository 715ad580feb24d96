export interface RegisteredValue {
  /** Null: deleted. */
  readonly value: Uint8Array | null;
  readonly revision: number;
}

/** The registry that the nodes of a MemoryCluster share. */
export class SharedRegistry {
  readonly watchers = new Set<() => void>();
  readonly #values = new Map<string, RegisteredValue>();
  #revision = 0;

  get(key: string): RegisteredValue | null {
    return this.#values.get(key) ?? null;
  }

  /** The new revision, or null when `revision` is not that of the key (0 = it is not there). */
  set(key: string, value: Uint8Array | null, revision: number): number | null {
    const present = this.#values.get(key);
    const presentRevision = present === undefined || present.value === null ? 0 : present.revision;
    if (presentRevision !== revision) return null;
    this.#revision++;
    // Behind the others, so that the map is in the order of revisions.
    this.#values.delete(key);
    this.#values.set(key, { value, revision: this.#revision });
    for (const watcher of [...this.watchers]) watcher();
    return this.#revision;
  }

  /** Every key with `prefix` that changed after `revision`, in the order of revisions. */
  *changes(prefix: string, revision: number): Iterable<[string, RegisteredValue]> {
    for (const change of this.#values) {
      if (change[1].revision > revision && change[0].startsWith(prefix)) yield change;
    }
  }
}
