// clock
export { HLC } from './clock/HLC.js';
export { subjectTag } from './clock/subjectTag.js';
export { compareStamps, compareTimestamps, MAX_COUNTER, MAX_MS, type Timestamp } from './clock/Timestamp.js';

// crdt
export {
  type CounterSlot,
  type CounterState,
  counterValue,
  decodeCounterState,
  decodeTotals,
  encodeCounterState,
  encodeTotals,
} from './crdt/CounterState.js';
export { isOperationTag, Kind, kindOfTag, Tag } from './crdt/Entry.js';
export { EntryBatch } from './crdt/EntryBatch.js';
export { LWWMap } from './crdt/LWWMap.js';
export { judgeEntry, mergeEntry } from './crdt/merge.js';
export { ORMap } from './crdt/ORMap.js';
export {
  decodeOrState,
  EMPTY_OR_STATE,
  encodeOrState,
  type OrElement,
  type OrState,
  pruneOrState,
} from './crdt/OrState.js';
export { Outcome } from './crdt/Outcome.js';
export { PNCounter } from './crdt/PNCounter.js';
export { decodeStamps, encodeStamps } from './crdt/stamps.js';

// errors, limits
export { ERROR_CODES, type ErrorCode, isErrorCode, isTransient, TopGunError } from './errors.js';
export { DEFAULT_LIMITS, type Limits } from './limits.js';

// partition
export { applyMapDelta, type MapDelta, mapDelta } from './partition/mapDelta.js';
export { type NodeInfo, ownerOfPartition, type PartitionMap, partitionsPerNode } from './partition/PartitionMap.js';
export {
  DEFAULT_SHARD_COUNT,
  hashKey,
  PARTITION_COUNT,
  partitionOf,
  shardOfKey,
  shardOfPartition,
} from './partition/partition.js';

// protocol
export { decodeClientMessage, decodeServerMessage, encodeMessage } from './protocol/codec.js';
export { decodeEntries, encodeEntries, writeEntries } from './protocol/entryCodec.js';
export {
  type AuthAckMessage,
  type AuthFailMessage,
  type AuthMessage,
  type AuthRequiredMessage,
  type ClientMessage,
  type ErrorMessage,
  type GoodbyeMessage,
  type NotOwnerMessage,
  type NotOwnerShard,
  type OpAckMessage,
  type OpBatchMessage,
  type PartitionMapDeltaMessage,
  type PartitionMapMessage,
  type PartitionMapRequestMessage,
  type PingMessage,
  type PongMessage,
  PROTOCOL_VERSION,
  type QueryRecordsMessage,
  type QueryResetMessage,
  type QuerySubMessage,
  type QueryUnsubMessage,
  type RejectedOp,
  type ServerMessage,
  type TopicMessage,
  type TopicPubMessage,
  type TopicSubMessage,
  type TopicUnsubMessage,
} from './protocol/messages.js';
export { type RecordsHead, readRecordsHead, rewriteRecordsHead } from './protocol/recordsHead.js';
export { WIRE_TYPES } from './protocol/wireTypes.js';

// query
export { canonicalQuery } from './query/canonicalQuery.js';
export { combineWhere } from './query/combineWhere.js';
export { compareStrings, compareValues } from './query/compareValues.js';
export { type CompiledQuery, compileQuery } from './query/compileQuery.js';
export type { RowOrder, SortKey } from './query/compileSort.js';
export { fieldsOf, fieldsOfWhere } from './query/fieldsOf.js';
export { pinnedKeys } from './query/pinnedKeys.js';
export {
  type Condition,
  type Direction,
  type FieldOf,
  type FieldOperators,
  KEY_FIELD,
  type Operand,
  type Query,
  type Sort,
  type Where,
} from './query/Query.js';
export { type QueryCost, queryCost } from './query/queryCost.js';
export { QUERY_LIMITS } from './query/queryLimits.js';
export { validateQuery, validateWhere } from './query/validateQuery.js';
export { valueEquals } from './query/valueEquals.js';

// runtime
export type { Runtime, Timer } from './runtime/Runtime.js';
export { systemRuntime } from './runtime/systemRuntime.js';

// table
export { Interner } from './table/Interner.js';
export { type ChangeIterator, RecordTable } from './table/RecordTable.js';

// value
export { type DecodeOptions, decodeValue, readValue } from './value/decodeValue.js';
export { encodeValue, writeValue } from './value/encodeValue.js';
export { MAX_VALUE_DEPTH } from './value/format.js';
export { KeyTrie } from './value/KeyTrie.js';
export { readField } from './value/readField.js';
export { skipValue } from './value/skipValue.js';
export { ValueTypeError } from './value/ValueTypeError.js';
export { validateValue } from './value/validateValue.js';

// wire
export { ByteReader } from './wire/ByteReader.js';
export { ByteWriter } from './wire/ByteWriter.js';
export { isWellFormed, utf8Length } from './wire/utf8.js';
