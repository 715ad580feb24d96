import { clock } from './sample.js';

/** Writes the `n`-th record of a client; resolves when it is acknowledged. */
export type Write = (n: number) => Promise<unknown>;

export interface Reading {
  readonly acked: number;
  /** When it was taken, ms. */
  readonly at: number;
  /** Processor time of this process so far, ms. */
  readonly cpuMs: number;
}

const EVERY = 16;

/** Keeps some writes of each client unacknowledged, until it is told to stop. */
export class Lanes {
  #acked = 0;
  #isOver = false;
  #waits: number[] = [];
  readonly #done: Promise<unknown>;

  constructor(clients: readonly Write[], inFlight: number) {
    this.#done = Promise.all(
      clients.flatMap((write) => Array.from({ length: inFlight }, (_, lane) => this.#run(write, lane, inFlight))),
    );
  }

  read(): Reading {
    const { user, system } = process.cpuUsage();
    return { acked: this.#acked, at: clock(), cpuMs: (user + system) / 1_000 };
  }

  /** Resolves when nothing is in flight any more: to some of the times that writes waited for their acknowledgement. */
  async stop(): Promise<readonly number[]> {
    this.#isOver = true;
    await this.#done;
    return this.#waits;
  }

  async #run(write: Write, lane: number, step: number): Promise<void> {
    for (let n = lane; !this.#isOver; n += step) {
      const from = clock();
      await write(n);
      this.#acked++;
      if (this.#acked % EVERY === 0) this.#waits.push(clock() - from);
    }
  }
}
