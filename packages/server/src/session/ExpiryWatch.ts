import type { Runtime, Timer } from '@topgunbuild/core';

/** The longest that is slept at once: the wall clock may be set meanwhile, and timers do not follow it. */
const MAX_SLEEP_MS = 30_000;

/** Calls once when a token ends by the wall clock. */
export class ExpiryWatch {
  readonly #runtime: Runtime;
  readonly #expiresAt: number;
  readonly #onExpired: () => void;
  #timer: Timer | null = null;

  /** `expiresAt` in ms since 1970; 0 = never. */
  constructor(runtime: Runtime, expiresAt: number, onExpired: () => void) {
    this.#runtime = runtime;
    this.#expiresAt = expiresAt;
    this.#onExpired = onExpired;
    if (expiresAt !== 0) this.#sleep();
  }

  stop(): void {
    if (this.#timer !== null) this.#runtime.clearTimer(this.#timer);
    this.#timer = null;
  }

  #sleep(): void {
    const left = Math.max(0, this.#expiresAt - this.#runtime.now());
    this.#timer = this.#runtime.setTimer(Math.min(left, MAX_SLEEP_MS), () => this.#wake());
  }

  #wake(): void {
    this.#timer = null;
    if (this.#runtime.now() >= this.#expiresAt) this.#onExpired();
    else this.#sleep();
  }
}
