import type { Runtime, Timer } from '@topgunbuild/core';

const RENEW_BEFORE_MS = 30_000;
/** Longer timers overflow in browsers and Node. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Calls for a new token in good time before the one in use ends. */
export class TokenRenewal {
  readonly #runtime: Runtime;
  readonly #now: () => number;
  readonly #renew: () => void;
  #timer: Timer | null = null;

  /** `now`: the server's wall clock, ms since 1970. */
  constructor(runtime: Runtime, now: () => number, renew: () => void) {
    this.#runtime = runtime;
    this.#now = now;
    this.#renew = renew;
  }

  /** Plans for a token that ends at `expiresAt`, ms since 1970; 0 = never. */
  plan(expiresAt: number): void {
    this.cancel();
    if (expiresAt === 0) return;
    const left = expiresAt - this.#now();
    const delay = Math.max(0, left - Math.min(RENEW_BEFORE_MS, left / 3));
    this.#timer = this.#runtime.setTimer(Math.min(delay, MAX_TIMER_MS), () => {
      this.#timer = null;
      if (delay > MAX_TIMER_MS) this.plan(expiresAt);
      else this.#renew();
    });
  }

  cancel(): void {
    if (this.#timer !== null) this.#runtime.clearTimer(this.#timer);
    this.#timer = null;
  }
}
