import { RECORD_COST_BYTES } from './LogExtent.js';

/** The numbers that govern shards. Sizes in bytes, times in ms. */
export interface ShardTuning {
  /** A log record takes no further ops beyond this size. */
  readonly maxRecordBytes: number;
  /** Ops queued over all shards; more are refused as UNAVAILABLE. */
  readonly maxQueuedBytes: number;
  /** How long a node waits between appends for more to append, for each op that it appended last; and at most. */
  readonly lingerPerOpMs: number;
  readonly maxLingerMs: number;
  /** How long ops wait for a log that fails before they are refused. */
  readonly refuseAfterMs: number;
  /** Delays between attempts to reach a log that fails: doubling from the first to the last, with jitter. */
  readonly firstRetryMs: number;
  readonly lastRetryMs: number;
  /** Snapshot once this much log, or half the size of the last snapshot, has come since that. */
  readonly snapshotLogBytes: number;
  /** Each record of the log counts as so many bytes more: many small ones take as long to read as few large ones. */
  readonly recordCostBytes: number;
  /** Before a node takes snapshots: after a takeover there is more urgent work. */
  readonly snapshotDelayMs: number;
  /** Rows written to a snapshot without a pause. */
  readonly snapshotStepRows: number;
  /** How long deletions are remembered. */
  readonly tombstoneRetentionMs: number;
  /** How often deletions are looked for that need no longer be remembered. */
  readonly horizonIntervalMs: number;
}

export const DEFAULT_TUNING: ShardTuning = {
  maxRecordBytes: 1024 * 1024,
  maxQueuedBytes: 64 * 1024 * 1024,
  lingerPerOpMs: 0.2,
  maxLingerMs: 5,
  refuseAfterMs: 10_000,
  firstRetryMs: 50,
  lastRetryMs: 2_000,
  snapshotLogBytes: 4 * 1024 * 1024,
  recordCostBytes: RECORD_COST_BYTES,
  snapshotDelayMs: 1_000,
  snapshotStepRows: 5_000,
  tombstoneRetentionMs: 30 * 24 * 60 * 60 * 1000,
  horizonIntervalMs: 60 * 60 * 1000,
};
