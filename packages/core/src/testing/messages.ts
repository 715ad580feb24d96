import fc from 'fast-check';
import { ERROR_CODES } from '../errors.js';
import { DEFAULT_LIMITS } from '../limits.js';
import type { MapDelta } from '../partition/mapDelta.js';
import type { PartitionMap } from '../partition/PartitionMap.js';
import { PARTITION_COUNT } from '../partition/partition.js';
import type { ClientMessage, ServerMessage } from '../protocol/messages.js';
import { entryBatch } from './batches.js';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const uint = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 2 ** 31 - 1 }), fc.maxSafeNat());
const time = fc.oneof(fc.maxSafeNat(), fc.double({ noNaN: true, noDefaultInfinity: true }));
const code = fc.constantFrom(...ERROR_CODES);
const bytes = fc.uint8Array({ maxLength: 300 });
const shard = fc.nat({ max: PARTITION_COUNT - 1 });
const cursors = fc.array(fc.tuple(shard, uint), { maxLength: 40 }).map((pairs) => pairs.flat());
const query = fc.dictionary(fc.oneof(text, fc.constant('__proto__')), fc.jsonValue(), { noNullPrototype: true });

export const partitionMap: fc.Arbitrary<PartitionMap> = fc
  .tuple(
    fc.integer({ min: 1, max: PARTITION_COUNT }),
    fc.array(fc.record({ id: text, endpoint: text }), { maxLength: 5 }),
  )
  .chain(([shardCount, nodes]) =>
    fc.record({
      clusterId: text,
      incarnation: text,
      version: uint,
      shardCount: fc.constant(shardCount),
      nodes: fc.constant(nodes),
      owners: fc.array(fc.integer({ min: -1, max: nodes.length - 1 }), {
        minLength: shardCount,
        maxLength: shardCount,
      }),
      epochs: fc.array(uint, { minLength: shardCount, maxLength: shardCount }),
    }),
  );

export const mapDelta: fc.Arbitrary<MapDelta> = fc
  .array(fc.record({ id: text, endpoint: text }), { maxLength: 5 })
  .chain((nodes) =>
    fc.record({
      incarnation: text,
      base: uint,
      version: uint,
      nodes: fc.constant(nodes),
      changes: fc
        .array(fc.tuple(shard, fc.integer({ min: -1, max: nodes.length - 1 }), uint), { maxLength: 40 })
        .map((triples) => triples.flat()),
    }),
  );

const notOwner = fc.array(fc.record({ shard, owner: text, endpoint: text, epoch: uint }), { maxLength: 20 });

type MessageArbitraries<M extends ClientMessage | ServerMessage> = {
  readonly [T in M['type']]: fc.Arbitrary<Extract<M, { readonly type: T }>>;
};

export const clientMessages: MessageArbitraries<ClientMessage> = {
  AUTH: fc.record({
    type: fc.constant('AUTH'),
    protocol: fc.constant(1),
    token: fc.option(fc.string({ maxLength: 16 * 1024 })),
    clientId: fc.string({ maxLength: 64 }),
    mapVersion: uint,
  }),
  PING: fc.record({ type: fc.constant('PING'), nonce: uint }),
  OP_BATCH: fc.record({
    type: fc.constant('OP_BATCH'),
    batchId: uint,
    routed: fc.boolean(),
    mapVersion: uint,
    ops: entryBatch,
  }),
  QUERY_SUB: fc.record({
    type: fc.constant('QUERY_SUB'),
    queryId: uint,
    map: text,
    query,
    logId: fc.option(text),
    cursors,
    shards: fc.option(fc.uniqueArray(shard, { maxLength: 40 })),
  }),
  QUERY_UNSUB: fc.record({ type: fc.constant('QUERY_UNSUB'), queryId: uint }),
  TOPIC_SUB: fc.record({ type: fc.constant('TOPIC_SUB'), topic: text }),
  TOPIC_UNSUB: fc.record({ type: fc.constant('TOPIC_UNSUB'), topic: text }),
  TOPIC_PUB: fc.record({ type: fc.constant('TOPIC_PUB'), topic: text, payload: bytes }),
  PARTITION_MAP_REQUEST: fc.record({ type: fc.constant('PARTITION_MAP_REQUEST'), version: uint }),
};

export const serverMessages: MessageArbitraries<ServerMessage> = {
  AUTH_REQUIRED: fc.record({
    type: fc.constant('AUTH_REQUIRED'),
    protocol: fc.constant(1),
    nodeId: text,
    clusterId: text,
    logId: text,
    serverTime: time,
    limits: fc.integer({ min: 1, max: 2 ** 40 }).map((maxKeyBytes) => ({ ...DEFAULT_LIMITS, maxKeyBytes })),
  }),
  AUTH_ACK: fc.record({
    type: fc.constant('AUTH_ACK'),
    sessionId: text,
    subject: text,
    expiresAt: time,
    serverTime: time,
    map: fc.option(partitionMap),
  }),
  AUTH_FAIL: fc.record({ type: fc.constant('AUTH_FAIL'), code, message: text }),
  PONG: fc.record({ type: fc.constant('PONG'), nonce: uint, serverTime: time }),
  GOODBYE: fc.record({ type: fc.constant('GOODBYE'), reason: text, retryAfterMs: uint }),
  ERROR: fc.record({ type: fc.constant('ERROR'), code, message: text, ref: fc.option(uint) }),
  OP_ACK: fc.record({
    type: fc.constant('OP_ACK'),
    batchId: uint,
    ranges: fc.array(fc.tuple(uint, uint), { maxLength: 30 }).map((pairs) => pairs.flat()),
    rejected: fc.array(fc.record({ index: uint, code, message: text }), { maxLength: 20 }),
    notOwner,
  }),
  QUERY_RECORDS: fc.record({
    type: fc.constant('QUERY_RECORDS'),
    queryId: uint,
    cursors,
    records: entryBatch,
    initial: fc.boolean(),
    last: fc.boolean(),
  }),
  QUERY_RESET: fc.record({
    type: fc.constant('QUERY_RESET'),
    queryId: uint,
    logId: text,
    shards: fc.uniqueArray(shard, { maxLength: 40 }),
  }),
  NOT_OWNER: fc.record({ type: fc.constant('NOT_OWNER'), ref: uint, notOwner }),
  TOPIC_MESSAGE: fc.record({
    type: fc.constant('TOPIC_MESSAGE'),
    topic: text,
    payload: bytes,
    publisherId: text,
    timestamp: time,
  }),
  PARTITION_MAP: fc.record({ type: fc.constant('PARTITION_MAP'), map: partitionMap }),
  PARTITION_MAP_DELTA: fc.record({ type: fc.constant('PARTITION_MAP_DELTA'), delta: mapDelta }),
};
