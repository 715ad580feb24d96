import type { EntryBatch, Kind, Query, RejectedOp, Where } from '@topgunbuild/core';

/**
 * The data of a node as its sessions see it: durable writes, reads, and streams of live queries. Sessions check and
 * authorize; the data plane decides what wins, makes it durable and tells everyone concerned.
 */
export interface DataPlane {
  /** Names the log that cursors refer to. Known once `open` has resolved. */
  readonly logId: string;
  readonly shardCount: number;

  /**
   * Queues the ops `indexes` of `batch` (null = all), already authorized and checked. `done` is called exactly once,
   * when each of them is durable, superseded by what is durable, refused, or known to be another node's to take; it may be
   * called before `write` returns. The batch and the bytes it refers to must not change until then.
   */
  write(batch: EntryBatch, indexes: readonly number[] | null, done: WriteDone): void;

  /**
   * The current value of a record: the value (LWW), the array of elements (OR), the number (counter). Null when there
   * is none: never written, deleted, expired, or an OR record without elements.
   * @throws TopGunError UNAVAILABLE while the shard of the key does not serve; NOT_OWNER when it is another node's
   */
  read(map: string, key: string): ReadResult | null;

  /**
   * Opens a stream. Its first frames may be sent before the call returns; they come later when a shard of the stream is
   * about to be served.
   * @throws TopGunError INVALID_QUERY; UNAVAILABLE before the node is ready; NOT_OWNER when a shard of the stream is another
   * node's
   */
  subscribe(spec: SubscribeSpec, sink: StreamSink): Stream;

  /** The time that timestamps are judged by, ms since 1970. Never goes back. */
  now(): number;

  /** Whether writes to the shard are taken here: it serves, or is about to. */
  owns(shard: number): boolean;

  /** Why this node must not get traffic now, for /readyz; null = it serves. */
  readyProblem(): string | null;

  stats(): DataPlaneStats;

  /** Restores every shard: snapshot, then log. */
  open(): Promise<void>;

  /** Refuses new writes, waits until what is queued is durable or refused, then closes. The backbone stays open. */
  close(): Promise<void>;
}

/**
 * `notOwner`: indexes in the batch of ops that were not taken because their shards are another node's by now. Ops in
 * neither list are durable.
 */
export type WriteDone = (rejected: readonly RejectedOp[], notOwner: readonly number[]) => void;

export interface ReadResult {
  readonly kind: Kind;
  readonly value: unknown;
}

export interface SubscribeSpec {
  readonly queryId: number;
  readonly map: string;
  readonly query: Query;
  /** The log that `cursors` refer to; null = from the beginning. */
  readonly logId: string | null;
  /** Flat pairs: shard, sequence that the client holds, ... */
  readonly cursors: readonly number[];
  /** The row filter of the session's rules: rows outside it never leave the data plane. Null = every row is allowed. */
  readonly restriction: Where | null;
  /** The shards whose rows are wanted; null = all. Those that cannot hold rows of the query do not matter. */
  readonly shards: readonly number[] | null;
  /**
   * Called at most once: a shard of the stream is no longer served here, and the stream has ended. Open it anew, with the
   * cursors that were reached, where the shards are now.
   */
  readonly onMoved: () => void;
}

/** Where a stream puts its frames. */
export interface StreamSink {
  /** Takes one complete message. Frames are shared between sinks: nobody may change them. */
  send(frame: Uint8Array): void;
  /** False while more bytes wait for the socket than the watermark allows. Streams pause then, until `resume`. */
  readonly hasRoom: boolean;
}

export interface Stream {
  /** The sink has room again. Cheap when there is nothing to do. */
  resume(): void;
  /** Nothing is sent once this has returned. */
  close(): void;
}

export interface ShardStats {
  readonly shard: number;
  readonly state: string;
  /** What the node was told to be for the shard. */
  readonly role: 'none' | 'standby' | 'owner';
  /** The highest epoch that the shard's log is known to have had; 0 = none. */
  readonly epoch: number;
  /** Records, tombstones included. */
  readonly records: number;
  readonly logSeq: number;
  readonly snapshotSeq: number;
  /** Bytes of log records since the last snapshot. */
  readonly logBytes: number;
  readonly horizonMs: number;
  readonly appends: number;
  readonly opsApplied: number;
  readonly opsSuperseded: number;
  readonly opsRejected: number;
  readonly queuedBytes: number;
  /** Log records that a standby has still to apply, at most; null: it is none, or never asked. */
  readonly lagRecords: number | null;
  /** How long ago a standby was last known to be at the head of the log; null: it is none. */
  readonly lagMs: number | null;
  /** Log records that were refused because another node had taken the shard over. */
  readonly appendsFenced: number;
  /** Times that this node took the shard over, and how long the last one took, from being told to serving. */
  readonly takeovers: number;
  readonly lastTakeoverMs: number | null;
}

type TotalledStats =
  | 'records'
  | 'logBytes'
  | 'appends'
  | 'opsApplied'
  | 'opsSuperseded'
  | 'opsRejected'
  | 'queuedBytes'
  | 'appendsFenced'
  | 'takeovers';

export interface DataPlaneStats {
  readonly shards: readonly ShardStats[];
  readonly totals: Pick<ShardStats, TotalledStats>;
  /** Time from the call of append to durable, over all shards since start. */
  readonly appendLatency: LatencyHistogram;
  readonly streams: number;
  readonly windows: number;
}

export interface LatencyHistogram {
  /** Upper bounds in ms, ascending; the last bucket has none. */
  readonly bounds: readonly number[];
  /** Observations per bucket, not cumulative; one more than `bounds`. */
  readonly counts: readonly number[];
  readonly sumMs: number;
  readonly count: number;
}
