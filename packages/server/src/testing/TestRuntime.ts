import type { Runtime, Timer } from '@topgunbuild/core';

interface Scheduled extends Timer {
  readonly dueAt: number;
  readonly run: () => void;
}

/** A Runtime whose time stands still until `advance`. Its wall clock can be set apart from its timers. */
export class TestRuntime implements Runtime {
  readonly #timers = new Set<Scheduled>();
  #elapsed = 0;
  #wallOffset: number;
  #ids = 0;

  constructor(wallAt = 1_760_000_000_000) {
    this.#wallOffset = wallAt;
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** How long it is until the next timer fires; null = there is none. */
  get nextTimerMs(): number | null {
    const next = this.#next(Number.POSITIVE_INFINITY);
    return next === null ? null : Math.max(0, next.dueAt - this.#elapsed);
  }

  now(): number {
    return this.#wallOffset + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  shiftWall(ms: number): void {
    this.#wallOffset += ms;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer: Scheduled = { dueAt: this.#elapsed + delayMs, run };
    this.#timers.add(timer);
    return timer;
  }

  clearTimer(timer: Timer): void {
    this.#timers.delete(timer as Scheduled);
  }

  random(): number {
    return 0.5;
  }

  id(length = 16): string {
    return (this.#ids++).toString(36).padStart(length, '0');
  }

  /** Fires what falls due within `ms`, each timer at its moment. */
  advance(ms: number): void {
    const end = this.#elapsed + ms;
    for (let next = this.#next(end); next !== null; next = this.#next(end)) {
      this.#timers.delete(next);
      this.#elapsed = Math.max(this.#elapsed, next.dueAt);
      next.run();
    }
    this.#elapsed = end;
  }

  #next(end: number): Scheduled | null {
    let next: Scheduled | null = null;
    for (const timer of this.#timers) {
      if (timer.dueAt <= end && (next === null || timer.dueAt < next.dueAt)) next = timer;
    }
    return next;
  }
}
