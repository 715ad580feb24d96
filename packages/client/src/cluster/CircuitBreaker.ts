export interface BreakerTimes {
  /** Failures in a row that open the breaker. */
  readonly failures: number;
  /** How long it stays open the first time; each further time twice as long, up to `maxOpenMs`. Half of it is drawn. */
  readonly openMs: number;
  readonly maxOpenMs: number;
}

export const DEFAULT_BREAKER_TIMES: BreakerTimes = { failures: 3, openMs: 5_000, maxOpenMs: 60_000 };

/**
 *   closed ─failures in a row, or a trip→ open ─its time is over→ half-open ─answer→ closed
 *                                          └────────── failure ──────┘
 *
 * Half-open lets one batch through, and the next one only when that was answered. A handshake closes a breaker that failed
 * attempts have opened; one that was tripped by what was never answered it makes half-open.
 */
export type BreakerState =
  | { readonly name: 'closed'; readonly failures: number }
  | { readonly name: 'open'; readonly until: number; readonly openings: number; readonly isTripped: boolean }
  | { readonly name: 'half-open'; readonly isTried: boolean; readonly openings: number };

/** Keeps traffic away from a connection that takes what it is given and does not answer, or that keeps breaking. */
export class CircuitBreaker {
  readonly #random: () => number;
  readonly #times: BreakerTimes;
  #state: BreakerState = { name: 'closed', failures: 0 };

  constructor(random: () => number, times: Partial<BreakerTimes> = {}) {
    this.#random = random;
    this.#times = { ...DEFAULT_BREAKER_TIMES, ...times };
  }

  stateAt(now: number): BreakerState['name'] {
    return this.#at(now).name;
  }

  /** Whether something may be sent. `now`: ms of the monotonic clock. */
  lets(now: number): boolean {
    const state = this.#at(now);
    return state.name === 'closed' || (state.name === 'half-open' && !state.isTried);
  }

  /** Something was sent that will be answered. */
  sent(now: number): void {
    const state = this.#at(now);
    if (state.name === 'half-open') this.#state = { ...state, isTried: true };
  }

  /** The peer has done what it is there for. */
  succeeded(): void {
    this.#state = { name: 'closed', failures: 0 };
  }

  /** A connection came about. */
  connected(): void {
    if (this.#state.name !== 'open') return;
    if (this.#state.isTripped) this.#halfOpen(this.#state.openings);
    else this.#state = { name: 'closed', failures: this.#times.failures - 1 };
  }

  /** The peer is there, whether or not it does what it is there for. */
  alive(): void {
    if (this.#state.name === 'closed') this.succeeded();
  }

  failed(now: number): void {
    const state = this.#at(now);
    if (state.name === 'open') return;
    if (state.name === 'half-open') this.#open(now, state.openings + 1, false);
    else if (state.failures + 1 >= this.#times.failures) this.#open(now, 1, false);
    else this.#state = { name: 'closed', failures: state.failures + 1 };
  }

  /** Opens at once: what failed was not an attempt but a promise. */
  trip(now: number): void {
    const state = this.#at(now);
    if (state.name !== 'open') this.#open(now, state.name === 'half-open' ? state.openings + 1 : 1, true);
  }

  #at(now: number): BreakerState {
    if (this.#state.name === 'open' && now >= this.#state.until) this.#halfOpen(this.#state.openings);
    return this.#state;
  }

  #open(now: number, openings: number, isTripped: boolean): void {
    const { openMs, maxOpenMs } = this.#times;
    const bound = Math.min(maxOpenMs, openMs * 2 ** Math.min(openings - 1, 30));
    // Jitter, so that clients that lost a node together do not try it together.
    this.#state = { name: 'open', until: now + bound * (0.5 + this.#random() / 2), openings, isTripped };
  }

  #halfOpen(openings: number): void {
    this.#state = { name: 'half-open', isTried: false, openings };
  }
}
