import { PARTITION_COUNT } from '../partition/partition.js';
import type { MessageCodecs } from './MessageCodec.js';
import { plainText } from './plainText.js';

/*
 * A client sends its operations in batches and keeps each until OP_ACK says that it is durable, or that it was refused.
 * Batches may be answered in any order; a batch that was not answered when the connection broke is sent again, in
 * whatever batches, under the operations' own timestamps. An OP_ACK names operations by their index in the batch;
 * every index stands in `ranges`, in `rejected`, or belongs to a shard in `notOwner`.
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
      m.notOwner.map((shard) => [shard.shard, shard.owner, shard.endpoint, shard.epoch]),
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
      notOwner: f.list('notOwner', PARTITION_COUNT, (shard) => ({
        shard: shard.uint('shard', PARTITION_COUNT - 1),
        owner: shard.text('owner'),
        endpoint: shard.text('endpoint'),
        epoch: shard.uint('epoch'),
      })),
    }),
  },
};

const MAX_ITEMS = 1_000_000;
