import type { LatencyHistogram } from './DataPlane.js';

const BOUNDS_MS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500];

/** A histogram of durations. */
export class LatencyRecorder {
  readonly #counts: number[] = new Array<number>(BOUNDS_MS.length + 1).fill(0);
  #sumMs = 0;
  #count = 0;

  add(ms: number): void {
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && ms > (BOUNDS_MS[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sumMs += ms;
    this.#count++;
  }

  read(): LatencyHistogram {
    return { bounds: BOUNDS_MS, counts: [...this.#counts], sumMs: this.#sumMs, count: this.#count };
  }
}
