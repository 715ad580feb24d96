import type { Runtime, Timer } from '@topgunbuild/core';
import type { Random } from './Random.js';
import type { Scheduled, VirtualTime } from './VirtualTime.js';

interface SimTimer extends Timer {
  readonly event: Scheduled | null;
}

/** True time at the beginning of a run, ms since 1970. */
export const EPOCH_MS = 1_700_000_000_000;

/**
 * One process on one machine: its clocks, timers and random numbers. Once killed, nothing that it still does has any
 * effect: its timers never fire, and the world asks `isAlive` before it listens to it.
 */
export class SimProcess implements Runtime {
  readonly name: string;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #bornAt: number;
  /** With what each would call, so that one that is left behind can be told. */
  readonly #timers = new Map<Scheduled, () => void>();
  #wallOffset: number;
  #alive = true;

  /** `wallOffset`: by how many ms the wall clock is wrong. */
  constructor(name: string, time: VirtualTime, random: Random, wallOffset: number) {
    this.name = name;
    this.#time = time;
    this.#random = random;
    this.#bornAt = time.now - random.between(0, 1_000_000);
    this.#wallOffset = wallOffset;
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  /** Timers that have not fired: what each would call. */
  get liveTimers(): string[] {
    return [...this.#timers.values()].map((fn) => String(fn).replaceAll(/\s+/g, ' ').slice(0, 100));
  }

  kill(): void {
    this.#alive = false;
    for (const event of this.#timers.keys()) this.#time.cancel(event);
    this.#timers.clear();
  }

  /** The wall clock jumps. */
  jump(ms: number): void {
    this.#wallOffset += ms;
  }

  now(): number {
    return Math.floor(EPOCH_MS + this.#time.now + this.#wallOffset);
  }

  monotonic(): number {
    return this.#time.now - this.#bornAt;
  }

  setTimer(delayMs: number, fn: () => void): SimTimer {
    if (!this.#alive) return { event: null };
    // As in Node: no timer fires within the same millisecond.
    const event = this.#time.at(Math.max(1, delayMs), () => {
      this.#timers.delete(event);
      fn();
    });
    this.#timers.set(event, fn);
    return { event };
  }

  clearTimer(timer: Timer): void {
    const { event } = timer as SimTimer;
    if (event === null) return;
    this.#timers.delete(event);
    this.#time.cancel(event);
  }

  random(): number {
    return this.#random.float();
  }

  id(length?: number): string {
    return this.#random.id(length);
  }

  /** Something outside the process, such as a disk, answers after `delayMs`; a dead process never hears it. */
  after(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#time.at(delayMs, () => {
        if (this.#alive) resolve();
      });
    });
  }
}
