/** Answers a request. What it throws is logged, and the asker is left to its time-out. */
export type BusResponder = (payload: Uint8Array) => Promise<Uint8Array> | Uint8Array;
export type BusListener = (payload: Uint8Array) => void;

export interface BusSubscription {
  /** Nothing is handed over once this has returned. */
  close(): void;
}

/**
 * Messages between nodes: at most once, in order from one sender on one subject while no connection breaks. Subjects are
 * tokens of A-Z, a-z, 0-9, `-` and `_` that are joined by dots. A subject belongs to the cluster, never to another one.
 */
export interface Bus {
  /** The largest payload, bytes. */
  readonly maxPayload: number;

  /**
   * @throws TopGunError UNAVAILABLE when nobody serves the subject (told at once) or the bus is down; TIMEOUT after
   * `timeoutMs`; TOO_LARGE beyond `maxPayload`
   */
  request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array>;

  /** Answers requests on `subject`. */
  serve(subject: string, responder: BusResponder): BusSubscription;

  /** Sends to everybody who listens, the sender included. Dropped while the bus is down. @throws TopGunError TOO_LARGE */
  publish(subject: string, payload: Uint8Array): void;

  subscribe(subject: string, listener: BusListener): BusSubscription;

  /** Called whenever the connection to the bus broke or came back: messages may have been lost. Returns the unsubscribe. */
  onInterrupted(listener: () => void): () => void;
}
