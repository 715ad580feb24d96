import type { Runtime, Timer } from '@topgunbuild/core';

export interface SeedsPorts {
  readonly runtime: Runtime;
  readonly isConnected: () => boolean;
  /** Endpoints where somebody may be found besides the seeds. */
  readonly others: () => readonly string[];
  /** Begins to try an endpoint, and goes on with that. */
  readonly tryAt: (endpoint: string) => void;
}

/** One that has not answered by then does not hold up the next. */
const NEXT_MS = 400;
/** Clients that lost their node together do not come together to the next. */
const SPREAD_MS = 250;

/**
 * Finds somebody to talk to: while nobody is connected, one endpoint after the other is tried as well, until all are. Each
 * client begins at another one.
 */
export class Seeds {
  readonly #seeds: readonly string[];
  readonly #ports: SeedsPorts;
  /** Endpoints that are not being tried yet; null: somebody is connected, or nothing has been started. */
  #waiting: string[] | null = null;
  #timer: Timer | null = null;

  constructor(seeds: readonly string[], ports: SeedsPorts) {
    this.#seeds = seeds;
    this.#ports = ports;
  }

  /** The client starts. */
  start(): void {
    this.#waiting = this.#shuffled();
    this.#next();
  }

  /** Nobody is connected any more. */
  lost(): void {
    if (this.#waiting !== null) return;
    this.#waiting = this.#shuffled();
    this.#plan(this.#ports.runtime.random() * SPREAD_MS);
  }

  /** An attempt failed: the next one need not wait for its time. */
  failed(): void {
    if (this.#waiting === null || this.#waiting.length === 0) return;
    this.#plan(this.#ports.runtime.random() * SPREAD_MS);
  }

  stop(): void {
    this.#waiting = null;
    if (this.#timer !== null) this.#ports.runtime.clearTimer(this.#timer);
    this.#timer = null;
  }

  #next(): void {
    if (this.#ports.isConnected()) {
      this.stop();
      return;
    }
    const endpoint = this.#waiting?.shift();
    if (endpoint === undefined) return;
    this.#plan(NEXT_MS);
    this.#ports.tryAt(endpoint);
  }

  #plan(delayMs: number): void {
    const { runtime } = this.#ports;
    if (this.#timer !== null) runtime.clearTimer(this.#timer);
    this.#timer = runtime.setTimer(delayMs, () => {
      this.#timer = null;
      this.#next();
    });
  }

  #shuffled(): string[] {
    const all = [...new Set([...this.#seeds, ...this.#ports.others()])];
    for (let i = all.length - 1; i > 0; i--) {
      const other = Math.floor(this.#ports.runtime.random() * (i + 1));
      [all[i], all[other]] = [all[other] as string, all[i] as string];
    }
    return all;
  }
}
