import type { Runtime, Timer } from '@topgunbuild/core';

/**
 * The one alarm of a state machine, set to a moment of the monotonic clock. A later moment than the one set is taken
 * without touching the timer: the alarm then rings early once, and the machine sets it again.
 */
export class Wakeup {
  readonly #runtime: Runtime;
  readonly #ring: (dueAt: number) => void;
  #timer: Timer | null = null;
  #dueAt = Number.POSITIVE_INFINITY;

  /** @param ring gets the moment that the alarm was set to; how late it is tells whether the machine slept. */
  constructor(runtime: Runtime, ring: (dueAt: number) => void) {
    this.#runtime = runtime;
    this.#ring = ring;
  }

  at(moment: number): void {
    if (this.#timer !== null && this.#dueAt <= moment) return;
    this.cancel();
    this.#dueAt = moment;
    const delay = Math.max(0, moment - this.#runtime.monotonic());
    this.#timer = this.#runtime.setTimer(delay, () => {
      this.#timer = null;
      this.#ring(moment);
    });
  }

  cancel(): void {
    if (this.#timer !== null) this.#runtime.clearTimer(this.#timer);
    this.#timer = null;
  }
}
