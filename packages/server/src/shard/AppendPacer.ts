import type { Runtime, Timer } from '@topgunbuild/core';
import type { ShardTuning } from './ShardTuning.js';

/** A shard that has something to append. */
export interface Appender {
  /** Appends what is queued. Returns how many ops it appends. */
  kick(): number;
}

/** Below this a timer is late by more than is to be waited for, ms. */
const SHORTEST_WAIT_MS = 1;

/**
 * Says when shards append. At the end of the turn: a batch that is spread over shards, and batches that arrive together,
 * are queued whole before the first append takes its share. Where each record travels to servers and followers it costs as
 * much as tens of ops do, so a busy node also lingers between appends, the longer the more it had to append last: under
 * load records fill, while a lone writer waits for nobody.
 */
export class AppendPacer {
  readonly #runtime: Runtime;
  readonly #atTurnEnd: (run: () => void) => void;
  readonly #tuning: Pick<ShardTuning, 'lingerPerOpMs' | 'maxLingerMs'>;
  #lingers = false;
  #waiting: Appender[] = [];
  #timer: Timer | null = null;
  /** Monotonic time from which on appends may follow the last ones. */
  #dueAt = 0;

  constructor(
    runtime: Runtime,
    atTurnEnd: (run: () => void) => void,
    tuning: Pick<ShardTuning, 'lingerPerOpMs' | 'maxLingerMs'>,
  ) {
    this.#runtime = runtime;
    this.#atTurnEnd = atTurnEnd;
    this.#tuning = tuning;
  }

  /** From now on. */
  linger(): void {
    this.#lingers = true;
  }

  add(appender: Appender): void {
    if (this.#waiting.push(appender) > 1) return;
    const wait = this.#lingers ? this.#dueAt - this.#runtime.monotonic() : 0;
    if (wait < SHORTEST_WAIT_MS) this.#atTurnEnd(this.#kick);
    else this.#timer = this.#runtime.setTimer(wait, this.#kick);
  }

  /** Those who wait are on their own. */
  close(): void {
    if (this.#timer !== null) this.#runtime.clearTimer(this.#timer);
    this.#timer = null;
    this.#lingers = false;
  }

  readonly #kick = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#timer = null;
    let ops = 0;
    for (const appender of waiting) ops += appender.kick();
    const { lingerPerOpMs, maxLingerMs } = this.#tuning;
    if (this.#lingers) this.#dueAt = this.#runtime.monotonic() + Math.min(maxLingerMs, ops * lingerPerOpMs);
  };
}
