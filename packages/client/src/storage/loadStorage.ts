import { decodeEntries, type EntryBatch, type Tag } from '@topgunbuild/core';
import { PendingOp } from '../engine/PendingOp.js';
import type { IStorageAdapter } from './StorageAdapter.js';

/** What a client finds in its storage when it starts. */
export interface StoredState {
  readonly meta: ReadonlyMap<string, Uint8Array>;
  /** In the order in which they were made. */
  readonly ops: readonly PendingOp[];
}

/**
 * Reads everything that is stored; records go to `onRecords` as they come, one row a batch.
 * @throws TopGunError STORAGE_FAILED, BAD_FRAME for content that this version cannot read
 */
export async function loadStorage(
  adapter: IStorageAdapter,
  onRecords: (map: string, rows: EntryBatch) => void,
): Promise<StoredState> {
  const meta = new Map<string, Uint8Array>();
  for await (const chunk of adapter.scan('meta')) for (const { key, value } of chunk) meta.set(key[0] ?? '', value);
  for await (const chunk of adapter.scan('records')) {
    for (const { key, value } of chunk) onRecords(key[0] ?? '', decodeEntries(value));
  }
  const ops: PendingOp[] = [];
  for await (const chunk of adapter.scan('ops')) {
    for (const { key, value } of chunk) ops.push(decodeOp(Number(key[0]), value));
  }
  return { meta, ops };
}

function decodeOp(number: number, bytes: Uint8Array): PendingOp {
  const trusted = bytes[0] === 1;
  const row = decodeEntries(bytes, 1);
  const op = new PendingOp(
    number,
    row.maps[0] as string,
    row.keys[0] as string,
    row.tags[0] as Tag,
    row.ms[0] as number,
    row.counters[0] as number,
    row.replicas[0] as string,
    row.expires[0] as number,
    row.bytes(0).slice(),
    trusted,
  );
  // What is trusted may have been sent before the process ended; what is not was made before any server was heard.
  op.sendings = trusted ? 1 : 0;
  op.stored = true;
  return op;
}
