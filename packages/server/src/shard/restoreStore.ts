import { shardOfKey, TopGunError } from '@topgunbuild/core';
import type { Log } from '../backbone/Backbone.js';
import { decodeLogRecord } from './logRecord.js';
import type { ShardStore } from './ShardStore.js';
import { loadSnapshot } from './snapshotFormat.js';

export interface Restored {
  readonly snapshotSeq: number;
  readonly snapshotBytes: number;
  /** Bytes of the log after the snapshot. */
  readonly logBytes: number;
}

/**
 * Brings an empty store to the state of its log's head: the snapshot, then every record after it.
 * @throws TopGunError STORAGE_FAILED when they do not fit together, or were written with another number of shards
 */
export async function restoreStore(store: ShardStore, log: Log, shardCount: number): Promise<Restored> {
  const snapshot = await log.loadSnapshot(store.shard);
  let snapshotBytes = 0;
  if (snapshot !== null) {
    loadSnapshot(store, shardCount, snapshot);
    for (const chunk of snapshot.chunks) snapshotBytes += chunk.length;
  }
  let logBytes = 0;
  for (let head = await log.head(store.shard); store.appliedSeq < head; head = await log.head(store.shard)) {
    for await (const { seq, prev, bytes } of log.read(store.shard, store.appliedSeq)) {
      replay(store, seq, prev, bytes, shardCount);
      logBytes += bytes.length;
    }
    if (store.appliedSeq < head) throw damaged(store, `its log ends before record ${head}`);
  }
  return { snapshotSeq: snapshot?.seq ?? 0, snapshotBytes, logBytes };
}

function replay(store: ShardStore, seq: number, prev: number, bytes: Uint8Array, shardCount: number): void {
  if (prev !== store.appliedSeq) throw damaged(store, `record ${prev} is missing behind ${store.appliedSeq}`);
  const content = decodeLogRecord(bytes);
  switch (content.type) {
    case 'entries': {
      const { entries } = content;
      if (entries.count > 0 && shardOfKey(entries.keys[0] as string, shardCount) !== store.shard) {
        throw new TopGunError(
          'STORAGE_FAILED',
          `The data was not written with ${shardCount} shards. Use its own number.`,
        );
      }
      for (let i = 0; i < entries.count; i++) store.apply(entries, i, seq);
      break;
    }
    case 'horizon':
      store.applyHorizon(content.horizonMs, seq);
      break;
    case 'epoch':
      break;
  }
  store.appliedSeq = seq;
}

function damaged(store: ShardStore, what: string): TopGunError {
  return new TopGunError('STORAGE_FAILED', `Shard ${store.shard} is damaged: ${what}. Restore the data from a backup.`);
}
