import type { Log } from '../backbone/Backbone.js';
import { applyRecord, MissingRecord } from './applyRecord.js';
import { LogExtent, RECORD_COST_BYTES } from './LogExtent.js';
import type { Pace } from './Pace.js';
import type { ShardStore } from './ShardStore.js';
import { loadSnapshot } from './snapshotFormat.js';

/**
 * Brings an empty store to the state of its log's head: the snapshot, then every record after it. Unfinished when it is
 * aborted.
 * @throws TopGunError STORAGE_FAILED when they do not fit together, or were written with another number of shards
 */
export async function restoreStore(store: ShardStore, log: Log, shardCount: number, pace: Pace): Promise<LogExtent> {
  const extent = new LogExtent();
  const snapshot = await log.loadSnapshot(store.shard);
  if (snapshot !== null) {
    await loadSnapshot(store, shardCount, snapshot, pace);
    extent.restored(snapshot.seq, snapshot.chunks);
  }
  await catchUp(store, log, shardCount, pace, extent);
  return extent;
}

/** Applies what the log has after the store's last record. Unfinished when it is aborted. @throws TopGunError STORAGE_FAILED */
export async function catchUp(
  store: ShardStore,
  log: Log,
  shardCount: number,
  pace: Pace,
  extent: LogExtent,
): Promise<void> {
  for (let head = await log.head(store.shard); store.appliedSeq < head; head = await log.head(store.shard)) {
    for await (const record of log.read(store.shard, store.appliedSeq)) {
      if (pace.isAborted) return;
      applyRecord(store, record, shardCount);
      extent.add(record.bytes);
      const pause = pace.breath(RECORD_COST_BYTES + record.bytes.length);
      if (pause !== null) await pause;
    }
    if (pace.isAborted) return;
    if (store.appliedSeq < head) throw new MissingRecord(store.shard, `its log ends before record ${head}`);
  }
}
