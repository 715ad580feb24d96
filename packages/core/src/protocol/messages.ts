import type { EntryBatch } from '../crdt/EntryBatch.js';
import type { ErrorCode } from '../errors.js';
import type { Limits } from '../limits.js';
import type { MapDelta } from '../partition/mapDelta.js';
import type { PartitionMap } from '../partition/PartitionMap.js';

/**
 * The messages of protocol 1. A WebSocket binary frame carries one message: the MessagePack array
 * `[type, ...fields]`. How a conversation goes is told in the module that owns the domain:
 * `session.ts`, `sync.ts`, `query.ts`, `topic.ts`, `cluster.ts`.
 */
export const PROTOCOL_VERSION = 1;

// --- session -------------------------------------------------------------------------------------------------------

export interface AuthMessage {
  readonly type: 'AUTH';
  readonly protocol: number;
  readonly token: string | null;
  readonly clientId: string;
  /** Version of the partition map that the client holds; 0 = none. */
  readonly mapVersion: number;
}

export interface PingMessage {
  readonly type: 'PING';
  readonly nonce: number;
}

export interface AuthRequiredMessage {
  readonly type: 'AUTH_REQUIRED';
  readonly protocol: number;
  readonly nodeId: string;
  readonly clusterId: string;
  /** Names the log that cursors refer to. */
  readonly logId: string;
  /** The server's wall clock, ms since 1970. */
  readonly serverTime: number;
  readonly limits: Limits;
}

export interface AuthAckMessage {
  readonly type: 'AUTH_ACK';
  readonly sessionId: string;
  readonly subject: string;
  /** When the token ends, ms since 1970 by the server's clock; 0 = never. */
  readonly expiresAt: number;
  readonly serverTime: number;
  /** The partition map, when the client's is behind. */
  readonly map: PartitionMap | null;
}

export interface AuthFailMessage {
  readonly type: 'AUTH_FAIL';
  readonly code: ErrorCode;
  readonly message: string;
}

export interface PongMessage {
  readonly type: 'PONG';
  readonly nonce: number;
  readonly serverTime: number;
}

export interface GoodbyeMessage {
  readonly type: 'GOODBYE';
  readonly reason: string;
  readonly retryAfterMs: number;
}

export interface ErrorMessage {
  readonly type: 'ERROR';
  readonly code: ErrorCode;
  readonly message: string;
  /** What it answers: a query id, or null. */
  readonly ref: number | null;
}

// --- sync ----------------------------------------------------------------------------------------------------------

export interface OpBatchMessage {
  readonly type: 'OP_BATCH';
  readonly batchId: number;
  /** True: the sender believes that the receiver owns every key, and wants NOT_OWNER rather than forwarding. */
  readonly routed: boolean;
  readonly mapVersion: number;
  readonly ops: EntryBatch;
}

export interface RejectedOp {
  /** Index of the op in its batch. */
  readonly index: number;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Who owns a shard. Without an owner for the moment: empty texts, epoch 0. */
export interface NotOwnerShard {
  readonly shard: number;
  readonly owner: string;
  readonly endpoint: string;
  readonly epoch: number;
}

export interface OpAckMessage {
  readonly type: 'OP_ACK';
  readonly batchId: number;
  /** Durable ops of the batch as flat pairs: first index, number of ops, first index, ... */
  readonly ranges: readonly number[];
  readonly rejected: readonly RejectedOp[];
  /** Shards that are another node's. Their ops in neither of the above were not taken: send them there. */
  readonly notOwner: readonly NotOwnerShard[];
}

// --- query ---------------------------------------------------------------------------------------------------------

export interface QuerySubMessage {
  readonly type: 'QUERY_SUB';
  readonly queryId: number;
  readonly map: string;
  /** As it was sent; `validateQuery` makes a Query of it, or says what is wrong. */
  readonly query: Readonly<Record<string, unknown>>;
  /** The log that `cursors` refer to; null = from the beginning. */
  readonly logId: string | null;
  /** Flat pairs: shard, sequence that the client holds, ... Shards that are not named start from the beginning. */
  readonly cursors: readonly number[];
  /**
   * The shards whose rows are wanted, all of which the sender believes to be the receiver's; where they are not, NOT_OWNER
   * is the answer. Null = all, wherever they are.
   */
  readonly shards: readonly number[] | null;
}

export interface QueryUnsubMessage {
  readonly type: 'QUERY_UNSUB';
  readonly queryId: number;
}

export interface QueryRecordsMessage {
  readonly type: 'QUERY_RECORDS';
  readonly queryId: number;
  /** Flat pairs: shard, sequence that the client holds once it has taken `records`, ... */
  readonly cursors: readonly number[];
  /** Record states and LEFT rows. The map column may be left to the subscription: `records.maps` repeats its map. */
  readonly records: EntryBatch;
  /** Part of a catch-up rather than a change that just happened. */
  readonly initial: boolean;
  /** The subscription has now caught up with every shard. */
  readonly last: boolean;
}

export interface QueryResetMessage {
  readonly type: 'QUERY_RESET';
  readonly queryId: number;
  readonly logId: string;
  /** Shards whose cursors could not be honoured: their full content follows. */
  readonly shards: readonly number[];
}

export interface NotOwnerMessage {
  readonly type: 'NOT_OWNER';
  /** The query that is not served here, or not any more. */
  readonly ref: number;
  /** Those of its shards that are another node's, as far as this node knows; may be none yet. */
  readonly notOwner: readonly NotOwnerShard[];
}

// --- topic ---------------------------------------------------------------------------------------------------------

export interface TopicSubMessage {
  readonly type: 'TOPIC_SUB';
  readonly topic: string;
}

export interface TopicUnsubMessage {
  readonly type: 'TOPIC_UNSUB';
  readonly topic: string;
}

export interface TopicPubMessage {
  readonly type: 'TOPIC_PUB';
  readonly topic: string;
  /** The encoded message. */
  readonly payload: Uint8Array;
}

export interface TopicMessage {
  readonly type: 'TOPIC_MESSAGE';
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly publisherId: string;
  readonly timestamp: number;
}

// --- cluster -------------------------------------------------------------------------------------------------------

export interface PartitionMapRequestMessage {
  readonly type: 'PARTITION_MAP_REQUEST';
  readonly version: number;
}

export interface PartitionMapMessage {
  readonly type: 'PARTITION_MAP';
  readonly map: PartitionMap;
}

export interface PartitionMapDeltaMessage {
  readonly type: 'PARTITION_MAP_DELTA';
  readonly delta: MapDelta;
}

export type ClientMessage =
  | AuthMessage
  | PingMessage
  | OpBatchMessage
  | QuerySubMessage
  | QueryUnsubMessage
  | TopicSubMessage
  | TopicUnsubMessage
  | TopicPubMessage
  | PartitionMapRequestMessage;

export type ServerMessage =
  | AuthRequiredMessage
  | AuthAckMessage
  | AuthFailMessage
  | PongMessage
  | GoodbyeMessage
  | ErrorMessage
  | OpAckMessage
  | QueryRecordsMessage
  | QueryResetMessage
  | NotOwnerMessage
  | TopicMessage
  | PartitionMapMessage
  | PartitionMapDeltaMessage;
