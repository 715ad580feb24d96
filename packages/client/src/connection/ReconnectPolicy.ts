import type { ConnectionEnd } from './ConnectionEnd.js';

export interface ReconnectTimes {
  /** The first retry comes within this time, each further one within twice as much as the last. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** No retry comes sooner: a lucky draw must not become a storm. */
  readonly minMs: number;
  /** A connection that lasted this long has proved itself: what failed before it is forgotten, and a part of it after less. */
  readonly healthyMs: number;
  /** Waiting time for a server of another protocol version, where only an update helps. */
  readonly incompatibleMs: number;
  /** The longest wait that a GOODBYE can ask for. */
  readonly maxRetryAfterMs: number;
}

export const DEFAULT_RECONNECT_TIMES: ReconnectTimes = {
  baseMs: 500,
  maxMs: 30_000,
  minMs: 50,
  healthyMs: 30_000,
  incompatibleMs: 30_000,
  maxRetryAfterMs: 300_000,
};

/**
 * How long to wait before the next attempt: exponential back-off with full jitter (uniform below the bound, so that
 * clients that lost their server together do not come back together). A connection that opens and breaks again at once
 * counts as a failure, and one that lasts for a part of the healthy time makes up for as much of those before it: so a
 * server that ends connections every few seconds is met again after seconds, not after ever longer waits.
 */
export class ReconnectPolicy {
  readonly #random: () => number;
  readonly #times: ReconnectTimes;
  /** In a row; fractions of those that are forgotten by and by. */
  #failures = 0;
  #refusals = 0;

  constructor(random: () => number, times: Partial<ReconnectTimes> = {}) {
    this.#random = random;
    this.#times = { ...DEFAULT_RECONNECT_TIMES, ...times };
  }

  /** Ms to wait after a connection that was usable for `usableMs` ended at `now`; null = until there are new credentials. */
  delayAfter(end: ConnectionEnd, usableMs: number, now: number): number | null {
    this.#failures *= 1 - Math.min(1, usableMs / this.#times.healthyMs);
    if (usableMs >= this.#times.healthyMs) this.#refusals = 0;
    switch (end.kind) {
      case 'refused':
        this.#refusals++;
        return end.superseded ? this.delayAfterNewCredentials() : null;
      case 'incompatible':
        return this.#times.incompatibleMs * (1 + this.#random());
      case 'goodbye': {
        const asked = Math.min(Math.max(0, end.retryAt - now), this.#times.maxRetryAfterMs);
        return asked + this.#delayOfFailure();
      }
      default:
        return this.#delayOfFailure();
    }
  }

  /** Ms to wait with credentials that came after a refusal: none at first, but an endless row of bad tokens is slowed. */
  delayAfterNewCredentials(): number {
    return this.#refusals <= 1 ? 0 : this.#jitter(this.#refusals - 1);
  }

  #delayOfFailure(): number {
    const { baseMs, maxMs } = this.#times;
    // More would only have to be forgotten again.
    const most = 1 + Math.log2(Math.max(1, maxMs / baseMs));
    this.#failures = Math.min(this.#failures + 1, most);
    return this.#jitter(this.#failures);
  }

  #jitter(failures: number): number {
    const { baseMs, maxMs, minMs } = this.#times;
    const bound = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));
    return minMs + this.#random() * Math.max(0, bound - minMs);
  }
}
