import { TopGunError } from '../errors.js';
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

  /** The wall clock that this clock follows, ms since 1970. */
  get wallMs(): number {
    return this.#wall();
  }

  /**
   * Takes a reading. After it `ms` and `counter` hold it: hot paths read those and allocate nothing.
   * @throws TopGunError CLOCK_DRIFT when the range of timestamps is used up: the clock must be reset.
   */
  advance(): void {
    const wall = Math.min(MAX_MS, Math.max(0, Math.floor(this.#wall())));
    if (wall > this.#ms) {
      this.#ms = wall;
      this.#counter = 0;
    } else if (this.#counter < MAX_COUNTER) {
      this.#counter++;
    } else if (this.#ms < MAX_MS) {
      this.#ms++;
      this.#counter = 0;
    } else {
      throw new TopGunError('CLOCK_DRIFT', 'The clock is at the end of its range; reset it by the time of a server.');
    }
  }

  tick(): Timestamp {
    this.advance();
    return { ms: this.#ms, counter: this.#counter, replica: this.replica };
  }

  /** Makes later readings follow (`ms`, `counter`), which came from another replica. What is no timestamp is ignored. */
  receive(ms: number, counter: number): void {
    if (!isReading(ms, counter)) return;
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

function isReading(ms: number, counter: number): boolean {
  return Number.isInteger(ms) && ms <= MAX_MS && Number.isInteger(counter) && counter <= MAX_COUNTER;
}
