import { type TopGunClient, TopGunError, type Write } from '@topgunbuild/client';
import type { History } from './History.js';

export const MAP = 'registers';
export const COUNTERS = 'counters';
const KEYS = 40;
const LANES = 20;

/** Keeps a client writing, a bounded number of operations unanswered, and notes what becomes of each. */
export class Writer {
  readonly #client: TopGunClient;
  readonly #name: string;
  readonly #history: History;
  #count = 0;
  #stopped = false;
  #lanes: Promise<void>[] = [];

  constructor(client: TopGunClient, name: string, history: History) {
    this.#client = client;
    this.#name = name;
    this.#history = history;
  }

  /** The keys that it writes, which nobody else does. */
  get keys(): readonly string[] {
    return Array.from({ length: Math.min(KEYS, this.#count) }, (_, index) => this.#key(index));
  }

  start(): void {
    this.#lanes = Array.from({ length: LANES }, (_, lane) => this.#lane(lane));
  }

  /** No more writes; resolves when all have been answered. */
  async finish(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }

  async #lane(lane: number): Promise<void> {
    while (!this.#stopped) await (lane === 0 ? this.#increment() : this.#set());
  }

  #set(): Promise<void> {
    const value = this.#count++;
    const key = this.#key(value % KEYS);
    const op = this.#history.invoke('set', key, value);
    return this.#note(op, this.#client.getMap<number>(MAP).set(key, value));
  }

  /** All writers share one counter. */
  #increment(): Promise<void> {
    const op = this.#history.invoke('increment', 'hits', 1);
    return this.#note(op, this.#client.getCounter(COUNTERS, 'hits').increment());
  }

  #key(index: number): string {
    return `${this.#name}/${index}`;
  }

  #note(op: number, write: Write): Promise<void> {
    return write.acked.then(
      () => this.#history.ack(op),
      (error: unknown) => this.#history.reject(op, error instanceof TopGunError ? error.code : String(error)),
    );
  }
}
