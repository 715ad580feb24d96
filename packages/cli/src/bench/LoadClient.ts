import { type TopGunClient, TopGunError } from '@topgunbuild/client';
import type { Tally } from './Tally.js';

export interface LoadShape {
  /** Operations that a client keeps unanswered. */
  readonly inFlight: number;
  /** Operations that it writes together. */
  readonly batch: number;
  readonly valueBytes: number;
}

const MAP = 'topgun-bench';
const MIN_KEYS = 1_000;

/**
 * Writes through one client: as soon as a batch is answered, the next one goes out. The keys repeat after many more
 * operations than are ever under way, because unsent writes of one key would become one.
 */
export class LoadClient {
  readonly #client: TopGunClient;
  readonly #name: string;
  readonly #shape: LoadShape;
  readonly #tally: Tally;
  readonly #keys: number;
  readonly #value: Uint8Array;
  #count = 0;

  constructor(client: TopGunClient, name: string, shape: LoadShape, tally: Tally) {
    this.#client = client;
    this.#name = name;
    this.#shape = shape;
    this.#tally = tally;
    this.#keys = Math.max(MIN_KEYS, 4 * (shape.inFlight + shape.batch));
    this.#value = crypto.getRandomValues(new Uint8Array(Math.min(shape.valueBytes, 65_536)));
    if (shape.valueBytes > this.#value.length) this.#value = new Uint8Array(shape.valueBytes).fill(7);
  }

  /** Goes on until `signal` aborts; resolves when everything that was written has been answered. */
  async run(signal: AbortSignal): Promise<void> {
    const lanes = Math.max(1, Math.floor(this.#shape.inFlight / this.#shape.batch));
    await Promise.all(Array.from({ length: lanes }, () => this.#lane(signal)));
  }

  async #lane(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const map = this.#client.getMap<Uint8Array>(MAP);
      const answers: Promise<void>[] = [];
      const start = performance.now();
      for (let i = 0; i < this.#shape.batch; i++) {
        const key = `${this.#name}-${this.#count++ % this.#keys}`;
        answers.push(this.#answer(map.set(key, this.#value).acked, start));
      }
      this.#tally.issued += answers.length;
      await Promise.all(answers);
    }
  }

  #answer(acked: Promise<void>, start: number): Promise<void> {
    return acked.then(
      () => {
        this.#tally.acked++;
        this.#tally.latencies.add(performance.now() - start);
      },
      (error: unknown) => {
        this.#tally.rejected++;
        this.#tally.countError(error instanceof TopGunError ? error.code : 'INTERNAL');
      },
    );
  }
}
