import type { Runtime } from '@topgunbuild/core';
import { Wakeup } from '../connection/Wakeup.js';

export interface MapRefreshOptions {
  readonly runtime: Runtime;
  readonly refreshMs: number;
  /** Asks one node, the next one each time; false: none can be asked. */
  readonly ask: () => boolean;
}

/** Connections that come about together cause one request. */
const DEBOUNCE_MS = 500;
/** However many come about, no request waits longer. */
const MAX_DEBOUNCE_MS = 2_000;
const ANSWER_MS = 2_000;

/**
 * Keeps the partition map fresh besides what nodes tell unasked: asks for it some time after connections came about, when
 * something newer was heard of, and every now and then; and asks another node when there is no answer.
 */
export class MapRefresh {
  readonly #options: MapRefreshOptions;
  readonly #wakeup: Wakeup;
  /** When the next request is due, ms of the monotonic clock; infinite while the client is not connected. */
  #dueAt = Number.POSITIVE_INFINITY;
  /** The first of the calls to `soon` since the last request. */
  #wantedSince: number | null = null;
  #lastAnswer: number | null = null;
  #isClosed = false;

  constructor(options: MapRefreshOptions) {
    this.#options = options;
    this.#wakeup = new Wakeup(options.runtime, () => this.#onTime());
  }

  /** When a map came last, ms of the monotonic clock; null: never. */
  get lastAnswer(): number | null {
    return this.#lastAnswer;
  }

  /** A connection came about, or something newer was heard of. */
  soon(): void {
    const now = this.#options.runtime.monotonic();
    this.#wantedSince ??= now;
    this.#plan(Math.min(now + DEBOUNCE_MS, this.#wantedSince + MAX_DEBOUNCE_MS));
  }

  /** A whole map has come, asked for or not. */
  answered(): void {
    this.#lastAnswer = this.#options.runtime.monotonic();
    if (this.#wantedSince === null) this.#planNext();
  }

  close(): void {
    this.#isClosed = true;
    this.#wakeup.cancel();
  }

  #onTime(): void {
    const now = this.#options.runtime.monotonic();
    if (now < this.#dueAt) {
      this.#plan(this.#dueAt);
      return;
    }
    this.#wantedSince = null;
    if (this.#options.ask()) this.#plan(now + ANSWER_MS);
    else this.#planNext();
  }

  #planNext(): void {
    const { runtime, refreshMs } = this.#options;
    // Clients that were started together do not ask together for ever.
    this.#plan(runtime.monotonic() + refreshMs * (0.9 + runtime.random() * 0.2));
  }

  #plan(moment: number): void {
    if (this.#isClosed) return;
    this.#dueAt = moment;
    this.#wakeup.at(moment);
  }
}
