/**
 * What a shard needs from the world to be durable. One log and one snapshot per shard; a record is appended whole or
 * not at all, and is durable once `append` resolves.
 */

export interface LogRecord {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

/** `fenced`: the log's head is not `expectedSeq`, so somebody else has written. Nothing was appended. */
export type AppendResult = { readonly status: 'appended'; readonly seq: number } | { readonly status: 'fenced' };

export interface Snapshot {
  /** The log sequence that the snapshot includes. */
  readonly seq: number;
  readonly chunks: readonly Uint8Array[];
}

export interface Log {
  /** Names this log. A log created anew, or restored from a backup, has another id. */
  readonly logId: string;

  /**
   * Appends one record after `expectedSeq` (0 = the log of the shard is empty). Resolves when the record is durable.
   * The bytes must not change until then.
   * @throws TopGunError STORAGE_FULL or STORAGE_FAILED: the record may or may not be there; the caller reads the head.
   */
  append(shard: number, bytes: Uint8Array, expectedSeq: number): Promise<AppendResult>;

  /** Sequence of the shard's last record, 0 when it never had one. Survives trimming. */
  head(shard: number): Promise<number>;

  /** The records after `fromSeq` up to the head at the time of the call, in order. */
  read(shard: number, fromSeq: number): AsyncIterable<LogRecord>;

  /** Replaces the shard's snapshot, atomically and durably. */
  saveSnapshot(shard: number, snapshot: Snapshot): Promise<void>;

  loadSnapshot(shard: number): Promise<Snapshot | null>;

  /** Forgets records up to and including `upToSeq`, but never the last one. */
  trim(shard: number, upToSeq: number): Promise<void>;
}

export interface Backbone {
  readonly type: string;
  readonly log: Log;
  /** Must be awaited before anything else is used. */
  open(): Promise<void>;
  /** Waits for what is under way, then closes. */
  close(): Promise<void>;
}
