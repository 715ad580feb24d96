import { shardOfKey, TopGunError } from '@topgunbuild/core';
import type { LogRecord } from '../backbone/Backbone.js';
import { decodeLogRecord } from './logRecord.js';
import type { ShardStore } from './ShardStore.js';

/** What is left of the log does not continue the store: only another snapshot can help. */
export class MissingRecord extends TopGunError {
  constructor(shard: number, what: string) {
    super('STORAGE_FAILED', `Shard ${shard} is damaged: ${what}. Restore the data from a backup.`);
  }
}

/**
 * Applies the next record of a shard's log to the shard's store.
 * @throws TopGunError STORAGE_FAILED: nothing was applied, and nothing after it may be
 */
export function applyRecord(store: ShardStore, { seq, prev, bytes }: LogRecord, shardCount: number): void {
  if (prev !== store.appliedSeq)
    throw new MissingRecord(store.shard, `record ${prev} is missing behind ${store.appliedSeq}`);
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
      store.applyEpoch(content.epoch, content.nodeId, seq);
      break;
  }
  store.appliedSeq = seq;
}
