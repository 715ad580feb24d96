/** The numbers that govern live queries. Sizes in bytes. */
export interface LiveTuning {
  /** A message of a catch-up is sent once it has this size, or this many rows were looked at for it. */
  readonly chunkBytes: number;
  readonly chunkRows: number;
  /** Work after which a catch-up lets others have their turn. */
  readonly turnBytes: number;
  readonly turnRows: number;
  /** Live changes are split into messages of about this size. */
  readonly frameBytes: number;
  /** Changes outside a filter after which its subscribers' cursors are moved all the same. */
  readonly quietRows: number;
  /** Rows that a stream may lose while it catches up, without a walk that names them; beyond that it starts again. */
  readonly maxLostRows: number;
  /**
   * Conditions that are tested on changes at once; each takes a tenth of a microsecond or so. Whoever comes after
   * that catches up in turns instead, so that no number of queries holds up the writes of others.
   */
  readonly flushTests: number;
  /** Rows kept beyond the end of a window: a quarter of the window, but not less than this. */
  readonly minWindowSlack: number;
  /** Rows that a window looks at without a pause while it is built. */
  readonly windowStepRows: number;
}

export const DEFAULT_LIVE_TUNING: LiveTuning = {
  chunkBytes: 64 * 1024,
  chunkRows: 4096,
  turnBytes: 1024 * 1024,
  turnRows: 16 * 1024,
  frameBytes: 256 * 1024,
  quietRows: 2048,
  maxLostRows: 10_000,
  flushTests: 500_000,
  minWindowSlack: 16,
  windowStepRows: 5_000,
};

/** Testing so many conditions takes as long as looking at a row. */
export const CONDITIONS_AS_ROW = 16;
