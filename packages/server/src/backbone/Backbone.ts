import type { Bus } from './Bus.js';
import type { Registry } from './Registry.js';

/**
 * What a shard needs from the world to be durable. One log and one snapshot per shard; a record is appended whole or
 * not at all, and is durable once `append` resolves. Sequences of a shard's records ascend from 1, not always by one.
 */

export interface LogRecord {
  readonly seq: number;
  /** Sequence of the record that was the shard's last when this one was appended; 0 = none. Tells whether one is missing. */
  readonly prev: number;
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

  /** The largest record that `append` takes, bytes; undefined = any. */
  readonly maxRecordBytes?: number;

  /**
   * Appends one record after `expectedSeq` (0 = the log of the shard is empty). Resolves when the record is durable.
   * The bytes must not change until then.
   * @throws TopGunError STORAGE_FULL, STORAGE_FAILED or UNAVAILABLE: the record may or may not be there; the caller reads
   * the head. TOO_LARGE: it never will be.
   */
  append(shard: number, bytes: Uint8Array, expectedSeq: number): Promise<AppendResult>;

  /** Sequence of the shard's last record, 0 when it never had one. Survives trimming. */
  head(shard: number): Promise<number>;

  /**
   * The records after `fromSeq` up to the head at the time of the call, in order. Those that were trimmed are not among
   * them: `prev` of the first one tells.
   */
  read(shard: number, fromSeq: number): AsyncIterable<LogRecord>;

  /**
   * Replaces the shard's snapshot, atomically and durably, unless the one there is newer: a former owner may come late, and
   * the log before a snapshot may be gone.
   */
  saveSnapshot(shard: number, snapshot: Snapshot): Promise<void>;

  loadSnapshot(shard: number): Promise<Snapshot | null>;

  /** Forgets records up to and including `upToSeq`, but never the last one, and some maybe only the next time. */
  trim(shard: number, upToSeq: number): Promise<void>;
}

export interface Tail {
  /** Nothing is handed over once this has returned. */
  close(): void;
}

export interface LogTails {
  /**
   * Hands over each record of the shard after `fromSeq`, in order and once, as it is appended by anybody, until the tail is
   * closed. It recovers by itself from whatever befalls the way from the log. `onRecord` must not throw.
   */
  tail(shard: number, fromSeq: number, onRecord: (record: LogRecord) => void): Tail;
}

/** What nodes share beside the log. */
export interface ClusterPorts {
  readonly clusterId: string;
  readonly tails: LogTails;
  readonly registry: Registry;
  readonly bus: Bus;
}

export interface Backbone {
  readonly type: string;
  readonly log: Log;
  /** Null: a node on this backbone is alone. */
  readonly cluster: ClusterPorts | null;
  /** Why the backbone cannot be reached now, for /readyz; null = it can, as far as is known. */
  readonly problem: string | null;
  /** Must be awaited before anything else is used. */
  open(): Promise<void>;
  /** Waits for what is under way, then closes. */
  close(): Promise<void>;
}
