import { TopGunError } from '@topgunbuild/core';
import type { Change, Store } from '@topgunbuild/store';
import type { Snapshot } from './Backbone.js';
import { chunkKey, decodeSnapshotEntry, encodeSnapshotEntry, type SnapshotEntry, shardKey } from './logKeys.js';

export const SNAPSHOT_TABLE = 'snapshots';
export const CHUNK_TABLE = 'chunks';

/** Bytes and deletions a commit: what appends may have to wait for. */
const SAVE_BYTES = 1024 * 1024;
const DELETE_CHUNKS = 64;

/**
 * Snapshots as chunks under a generation of their own. One row a shard names the current generation, and switching it is
 * one commit: a process that dies in between leaves chunks that nothing names, which the next save deletes.
 */
export class EmbeddedSnapshots {
  readonly #store: Store;
  /** The save under way or last done of each shard: the next one waits for it. */
  readonly #saves = new Map<number, Promise<void>>();

  constructor(store: Store) {
    this.#store = store;
  }

  save(shard: number, snapshot: Snapshot): Promise<void> {
    const previous = this.#saves.get(shard) ?? Promise.resolve();
    const save = previous.catch(() => undefined).then(() => this.#save(shard, snapshot));
    this.#saves.set(shard, save);
    return save;
  }

  load(shard: number): Snapshot | null {
    const entry = this.#entry(shard);
    if (entry === null) return null;
    const { generation, seq } = entry;
    // In one go, so that no save can delete what is still to be read.
    const rows = this.#store.rows(CHUNK_TABLE, chunksOf(shard, generation), entry.chunks + 1, Number.POSITIVE_INFINITY);
    if (rows.length !== entry.chunks) {
      throw new TopGunError(
        'STORAGE_FAILED',
        `The snapshot of shard ${shard} has ${rows.length} of ${entry.chunks} chunks: restore the store from a backup`,
      );
    }
    return { seq, chunks: rows.map(({ value }) => value) };
  }

  async #save(shard: number, { seq, chunks }: Snapshot): Promise<void> {
    const current = this.#entry(shard)?.generation ?? 0;
    const generation = current + 1;
    await this.#deleteChunks(chunkKey(shard, generation, 0), shardEnd(shard));
    let changes: Change[] = [];
    let bytes = 0;
    for (const [index, value] of chunks.entries()) {
      changes.push({ table: CHUNK_TABLE, key: chunkKey(shard, generation, index), value });
      bytes += value.length;
      if (bytes < SAVE_BYTES) continue;
      await this.#store.commit(changes);
      changes = [];
      bytes = 0;
    }
    const value = encodeSnapshotEntry({ generation, seq, chunks: chunks.length });
    await this.#store.commit([...changes, { table: SNAPSHOT_TABLE, key: shardKey(shard), value }]);
    await this.#deleteChunks(chunkKey(shard, 0, 0), chunkKey(shard, generation, 0));
  }

  async #deleteChunks(start: Uint8Array, end: Uint8Array): Promise<void> {
    for (;;) {
      const keys = this.#store.keys(CHUNK_TABLE, { start, end }, DELETE_CHUNKS);
      if (keys.length === 0) return;
      await this.#store.commit(keys.map((key) => ({ table: CHUNK_TABLE, key, value: null })));
    }
  }

  #entry(shard: number): SnapshotEntry | null {
    const bytes = this.#store.get(SNAPSHOT_TABLE, shardKey(shard));
    return bytes === undefined ? null : decodeSnapshotEntry(bytes);
  }
}

function chunksOf(shard: number, generation: number): { start: Uint8Array; end: Uint8Array } {
  return { start: chunkKey(shard, generation, 0), end: chunkKey(shard, generation + 1, 0) };
}

function shardEnd(shard: number): Uint8Array {
  return chunkKey(shard, Number.MAX_SAFE_INTEGER, 0);
}
