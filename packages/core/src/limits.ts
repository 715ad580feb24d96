/** What a server accepts, told to every client in the handshake. Sizes in bytes, times in ms. */
export interface Limits {
  readonly maxKeyBytes: number;
  readonly maxNameBytes: number;
  readonly maxValueBytes: number;
  readonly maxFrameBytes: number;
  readonly maxBatchOps: number;
  readonly maxSubscriptions: number;
  readonly maxSessions: number;
  /** An unauthenticated connection is closed after this time. */
  readonly authTimeoutMs: number;
  /** Bytes that may wait for a session's socket before its streams pause; twice as much cuts the session. */
  readonly maxSendBufferBytes: number;
  /** Sustained ops per second of one subject; bursts up to twice as much pass. */
  readonly maxOpsPerSecond: number;
  readonly maxValueDepth: number;
  /** How far ahead of the server's clock an op's timestamp may be. */
  readonly maxDriftMs: number;
  /**
   * Elements, removed ones included, of one OR-map key, which may take 1 KiB each on average, and 1 MiB more; replica slots
   * of one counter.
   */
  readonly maxElementsPerKey: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxKeyBytes: 1024,
  maxNameBytes: 256,
  maxValueBytes: 1024 * 1024,
  maxFrameBytes: 8 * 1024 * 1024,
  maxBatchOps: 10_000,
  maxSubscriptions: 1_000,
  maxSessions: 50_000,
  authTimeoutMs: 10_000,
  maxSendBufferBytes: 16 * 1024 * 1024,
  maxOpsPerSecond: 100_000,
  maxValueDepth: 64,
  maxDriftMs: 60_000,
  maxElementsPerKey: 10_000,
};
