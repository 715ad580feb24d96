import { ByteReader, ByteWriter, decodeEntries, type EntryBatch, type Tag, TopGunError } from '@topgunbuild/core';
import type { Snapshot } from '../backbone/Backbone.js';
import type { Pace } from './Pace.js';
import type { ShardStore } from './ShardStore.js';

/*
 * A snapshot's first chunk is its head: version, shard, number of shards, horizon, who took over last (epoch, node,
 * sequence), and the maps with the sequences up to which their tombstones are gone. The other chunks are rows with their sequences (`encodeEntries`), each map's in
 * the order of change. A row may come twice: the later one is the newer.
 */
const VERSION = 2;
/** Without who took over: nobody could. */
const VERSION_BEFORE_EPOCHS = 1;

export function encodeSnapshotHead(store: ShardStore, shardCount: number): Uint8Array {
  const writer = new ByteWriter();
  writer.writeVaruint(VERSION);
  writer.writeVaruint(store.shard);
  writer.writeVaruint(shardCount);
  writer.writeVaruint(store.horizonMs);
  writer.writeVaruint(store.epoch.epoch);
  writer.writeString(store.epoch.nodeId);
  writer.writeVaruint(store.epoch.seq);
  const maps = [...store.maps()];
  writer.writeVaruint(maps.length);
  for (const map of maps) {
    writer.writeString(map.name);
    writer.writeVaruint(map.collectedSeq);
  }
  return writer.toBytes();
}

/** Fills an empty store, unless it is aborted. @throws TopGunError STORAGE_FAILED */
export async function loadSnapshot(
  store: ShardStore,
  shardCount: number,
  snapshot: Snapshot,
  pace: Pace,
): Promise<void> {
  try {
    const [head, ...chunks] = snapshot.chunks;
    if (head === undefined) throw new TopGunError('STORAGE_FAILED', 'The snapshot is empty.');
    loadHead(store, shardCount, new ByteReader(head));
    for (const chunk of chunks) {
      loadRows(store, decodeEntries(chunk));
      await pace.breath(chunk.length);
      if (pace.isAborted) return;
    }
    store.appliedSeq = snapshot.seq;
  } catch (cause) {
    if (cause instanceof TopGunError && cause.code === 'STORAGE_FAILED') throw cause;
    throw new TopGunError('STORAGE_FAILED', 'A snapshot is damaged. Restore the data from a backup.', { cause });
  }
}

function loadHead(store: ShardStore, shardCount: number, reader: ByteReader): void {
  const version = reader.readVaruint();
  if (version !== VERSION && version !== VERSION_BEFORE_EPOCHS) {
    throw new TopGunError('STORAGE_FAILED', `The snapshot has format ${version}, this version reads ${VERSION}.`);
  }
  const shard = reader.readVaruint();
  const shards = reader.readVaruint();
  if (shard !== store.shard || shards !== shardCount) {
    throw new TopGunError('STORAGE_FAILED', `The data was written with ${shards} shards. Start with that number.`);
  }
  store.horizonMs = reader.readVaruint();
  if (version !== VERSION_BEFORE_EPOCHS)
    store.applyEpoch(reader.readVaruint(), reader.readString(), reader.readVaruint());
  for (let n = reader.readCount(2); n > 0; n--) {
    const map = store.mapOf(reader.readString());
    map.collectedSeq = reader.readVaruint();
  }
}

function loadRows(store: ShardStore, rows: EntryBatch): void {
  for (let i = 0; i < rows.count; i++) {
    store.latestMs = Math.max(store.latestMs, rows.ms[i] as number);
    store
      .mapOf(rows.maps[i] as string)
      .table.put(
        rows.keys[i] as string,
        rows.tags[i] as Tag,
        rows.ms[i] as number,
        rows.counters[i] as number,
        rows.replicas[i] as string,
        rows.expires[i] as number,
        rows.sources[i] as Uint8Array,
        rows.starts[i] as number,
        rows.ends[i] as number,
        rows.seqs[i] as number,
      );
  }
}
