import { PARTITION_COUNT } from '../partition/partition.js';
import type { FieldReader } from './FieldReader.js';
import type { MessageCodecs } from './MessageCodec.js';
import type { NotOwnerShard } from './messages.js';
import { plainText } from './plainText.js';

/*
 * A client sends its operations in batches and keeps each until OP_ACK says that it is durable, or that it was refused.
 * Batches may be answered in any order; a batch that was not answered when the connection broke is sent again, in
 * whatever batches, under the operations' own timestamps. An OP_ACK names operations by their index in the batch;
 * every index stands in `ranges`, in `rejected`, or belongs to a shard in `notOwner` and was not taken in. A batch that is
 * not `routed` is forwarded to the owners of its keys, and its answer names no shards.
 */
export const syncCodecs: MessageCodecs<'OP_BATCH' | 'OP_ACK'> = {
  OP_BATCH: {
    fields: (m) => [m.batchId, m.routed, m.mapVersion, m.ops],
    read: (f, maxOps) => ({
      type: 'OP_BATCH',
      batchId: f.uint('batchId'),
      routed: f.boolean('routed'),
      mapVersion: f.uint('mapVersion'),
      ops: f.entries('ops', maxOps),
    }),
  },
  OP_ACK: {
    fields: (m) => [
      m.batchId,
      m.ranges,
      m.rejected.map((op) => [op.index, op.code, plainText(op.message)]),
      writeNotOwner(m.notOwner),
    ],
    read: (f) => ({
      type: 'OP_ACK',
      batchId: f.uint('batchId'),
      ranges: f.pairs('ranges', MAX_ITEMS),
      rejected: f.list('rejected', MAX_ITEMS, (op) => ({
        index: op.uint('index'),
        code: op.code('code'),
        message: op.text('message'),
      })),
      notOwner: readNotOwner(f),
    }),
  },
};

const MAX_ITEMS = 1_000_000;

export function writeNotOwner(shards: readonly NotOwnerShard[]): unknown[] {
  return shards.map(({ shard, owner, endpoint, epoch }) => [shard, owner, endpoint, epoch]);
}

export function readNotOwner(fields: FieldReader): NotOwnerShard[] {
  return fields.list('notOwner', PARTITION_COUNT, (shard) => ({
    shard: shard.uint('shard', PARTITION_COUNT - 1),
    owner: shard.text('owner'),
    endpoint: shard.text('endpoint'),
    epoch: shard.uint('epoch'),
  }));
}
