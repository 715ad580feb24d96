import type { Runtime, Timer } from '@topgunbuild/core';

const RENEW_BEFORE_MS = 30_000;
/** Longer timers overflow in browsers and Node. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Calls for a new token in good time before the first of those in use ends: each connection has its own. */
export class TokenRenewal {
  readonly #runtime: Runtime;
  readonly #now: () => number;
  readonly #renew: () => void;
  #timer: Timer | null = null;
  /** The end that is planned for. */
  #endsAt: number | null = null;

  /** `now`: the server's wall clock, ms since 1970. */
  constructor(runtime: Runtime, now: () => number, renew: () => void) {
    this.#runtime = runtime;
    this.#now = now;
    this.#renew = renew;
  }

  /** A connection has a token that ends at `expiresAt`, ms since 1970; 0 = never. */
  plan(expiresAt: number): void {
    if (expiresAt === 0 || (this.#endsAt !== null && this.#endsAt <= expiresAt)) return;
    this.cancel();
    this.#endsAt = expiresAt;
    const left = expiresAt - this.#now();
    const delay = Math.max(0, left - Math.min(RENEW_BEFORE_MS, left / 3));
    this.#timer = this.#runtime.setTimer(Math.min(delay, MAX_TIMER_MS), () => {
      this.cancel();
      if (delay > MAX_TIMER_MS) this.plan(expiresAt);
      else this.#renew();
    });
  }

  /** Calls for a new token now, for all connections. */
  renewNow(): void {
    this.cancel();
    this.#renew();
  }

  /** None of the tokens is in use any more. */
  cancel(): void {
    if (this.#timer !== null) this.#runtime.clearTimer(this.#timer);
    this.#timer = null;
    this.#endsAt = null;
  }
}
