import { MAX_MS, type Runtime } from '@topgunbuild/core';

/** How fast a clock runs that is ahead of the machine's, beside real time: so it comes back without ever going back. */
const PACE_AHEAD = 0.9;

/**
 * The time by which a node judges timestamps and that it tells clients: its wall clock, but one that never goes back. Were
 * it set back with the wall clock, what clients write from then on would be older than what is there, and lose. After a
 * restart it follows the timestamps in the data, as those of hybrid logical clocks do (Kulkarni et al., "Logical Physical
 * Clocks", 2014): nothing is taken that is more than `maxDriftMs` ahead, so time had come so far.
 */
export class NodeClock {
  readonly #runtime: Runtime;
  readonly #maxDriftMs: number;
  /** The last reading, and the monotonic time of it. */
  #ms = 0;
  #readAt = 0;

  constructor(runtime: Runtime, maxDriftMs: number) {
    this.#runtime = runtime;
    this.#maxDriftMs = maxDriftMs;
  }

  /** Milliseconds since 1970. */
  now(): number {
    const monotonic = this.#runtime.monotonic();
    this.#ms = Math.min(MAX_MS, Math.max(this.#runtime.now(), this.carriedTo(monotonic)));
    this.#readAt = monotonic;
    return Math.floor(this.#ms);
  }

  /** What the last reading has become at the monotonic time `monotonic`, were there no wall clock. */
  carriedTo(monotonic: number): number {
    return this.#ms + (monotonic - this.#readAt) * PACE_AHEAD;
  }

  /** Data has the timestamp `ms`. */
  observe(ms: number): void {
    const least = ms - this.#maxDriftMs;
    // The last reading may be old.
    if (least > this.#ms && least > this.now()) this.#ms = Math.min(MAX_MS, least);
  }

  /** The machine's, with this clock as its wall clock. */
  runtime(): Runtime {
    const runtime = this.#runtime;
    const { afterTurn } = runtime;
    return {
      now: () => this.now(),
      monotonic: () => runtime.monotonic(),
      setTimer: (delayMs, fn) => runtime.setTimer(delayMs, fn),
      clearTimer: (timer) => runtime.clearTimer(timer),
      ...(afterTurn === undefined ? {} : { afterTurn: (fn: () => void) => afterTurn.call(runtime, fn) }),
      random: () => runtime.random(),
      id: (length) => runtime.id(length),
    };
  }
}
