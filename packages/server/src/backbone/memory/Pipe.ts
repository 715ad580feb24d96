import type { Runtime, Timer } from '@topgunbuild/core';

/** Runs what is put in, in order, each after its delay; without one on the microtask queue. */
export class Pipe {
  readonly #runtime: Runtime;
  readonly #delay: (() => number) | null;
  #queue: (() => void)[] = [];
  readonly #timers = new Set<Timer>();
  #isPaused = false;
  /** Steps that fell due while the pipe was paused. */
  #owed = 0;
  /** What was scheduled before the pipe was emptied must not run what came after. */
  #generation = 0;

  constructor(runtime: Runtime, delay: (() => number) | null) {
    this.#runtime = runtime;
    this.#delay = delay;
  }

  put(run: () => void): void {
    this.#queue.push(run);
    const generation = this.#generation;
    if (this.#delay === null) {
      queueMicrotask(() => this.#step(generation));
      return;
    }
    const timer = this.#runtime.setTimer(this.#delay(), () => {
      this.#timers.delete(timer);
      this.#step(generation);
    });
    this.#timers.add(timer);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    const owed = this.#owed;
    this.#owed = 0;
    for (let i = 0; i < owed; i++) this.#step(this.#generation);
  }

  /** What is in it is lost. */
  empty(): void {
    this.#generation++;
    this.#queue = [];
    this.#owed = 0;
    for (const timer of this.#timers) this.#runtime.clearTimer(timer);
    this.#timers.clear();
  }

  #step(generation: number): void {
    if (generation !== this.#generation) return;
    if (this.#isPaused) this.#owed++;
    else this.#queue.shift()?.();
  }
}
