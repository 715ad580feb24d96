import { MAX_COUNTER, MAX_MS, type Timestamp } from './Timestamp.js';

/**
 * A hybrid logical clock. Readings of one clock strictly increase, stay close to wall time, and follow every
 * timestamp that the clock has seen.
 */
export class HLC {
  readonly replica: string;
  #wall: () => number;
  #ms = 0;
  #counter = 0;

  /** `wall` gives ms since 1970, corrected as well as the caller can. */
  constructor(replica: string, wall: () => number) {
    this.replica = replica;
    this.#wall = wall;
  }

  /** The last reading's ms and counter, without taking a new one. */
  get ms(): number {
    return this.#ms;
  }

  get counter(): number {
    return this.#counter;
  }

  /** Takes a reading. After it `ms` and `counter` hold it: hot paths read those and allocate nothing. */
  advance(): void {
    const wall = Math.min(MAX_MS, Math.max(0, Math.floor(this.#wall())));
    if (wall > this.#ms) {
      this.#ms = wall;
      this.#counter = 0;
    } else if (this.#counter < MAX_COUNTER) {
      this.#counter++;
    } else {
      this.#ms++;
      this.#counter = 0;
    }
  }

  tick(): Timestamp {
    this.advance();
    return { ms: this.#ms, counter: this.#counter, replica: this.replica };
  }

  /** Makes later readings follow (`ms`, `counter`), which came from another replica. */
  receive(ms: number, counter: number): void {
    if (ms > this.#ms || (ms === this.#ms && counter > this.#counter)) {
      this.#ms = ms;
      this.#counter = counter;
    }
  }

  /**
   * Sets the clock back to (`ms`, `counter`). Only for a clock that ran ahead by a wrong wall clock, and only to a
   * point that follows every reading that left this replica.
   */
  reset(ms: number, counter: number): void {
    this.#ms = ms;
    this.#counter = counter;
  }
}
