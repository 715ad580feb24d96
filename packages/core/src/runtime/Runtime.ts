/** A pending timer. Opaque: only the Runtime that made it knows what is inside. */
export interface Timer {
  readonly __timer?: never;
}

/**
 * Time, timers and randomness, as engines see them. Nothing else in the engines may reach for the clock of the
 * machine, so a simulation that hands in its own Runtime controls every run by its seed.
 */
export interface Runtime {
  /** Wall clock in ms since 1970. May jump in both directions. */
  now(): number;
  /** Milliseconds since some fixed point; never goes back and never jumps. */
  monotonic(): number;
  /** Runs `fn` once after `delayMs`. */
  setTimer(delayMs: number, fn: () => void): Timer;
  clearTimer(timer: Timer): void;
  /**
   * Runs `fn` when everything that has arrived by now has been handled: later than a microtask, without any delay. Where
   * it is missing, a microtask has to do.
   */
  afterTurn?(fn: () => void): void;
  /** Uniform in [0, 1). */
  random(): number;
  /** A new random identifier of `length` (default 16) characters of [0-9a-z]. */
  id(length?: number): string;
}
