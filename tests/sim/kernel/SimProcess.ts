import type { Runtime, Timer } from '@topgunbuild/core';
import type { Random } from './Random.js';
import type { Scheduled, VirtualTime } from './VirtualTime.js';

interface SimTimer extends Timer {
  readonly event: Scheduled | null;
}

/** True time at the beginning of a run, ms since 1970. */
export const EPOCH_MS = 1_700_000_000_000;

/** How long a process that goes on takes from one thing that waited for it to the next, ms. */
const STEP_MS = 0.01;

/**
 * One process on one machine: its clocks, timers and random numbers. Once killed, nothing that it still does has any
 * effect: its timers never fire, and the world asks `isAlive` before it listens to it. While it is stopped, as by SIGSTOP,
 * whatever falls due or arrives waits until it goes on.
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
  #stopped = false;
  /** What befell it while it was stopped, and has not been taken in since. */
  #missed: (() => void)[] = [];
  #isCatchingUp = false;

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

  get isStopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Goes on with what it missed, one thing after the other. */
  continue(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    if (!this.#isCatchingUp) this.#catchUp();
  }

  /** Something from outside reaches the process: now, or when it goes on; never, once it is dead. */
  reach(fn: () => void): void {
    if (!this.#alive) return;
    if (this.#stopped || this.#isCatchingUp) this.#missed.push(fn);
    else fn();
  }

  kill(): void {
    this.#alive = false;
    this.#missed = [];
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
    const fire = (): void => {
      if (this.#timers.delete(event)) fn();
    };
    const event = this.#time.at(Math.max(1, delayMs), () => this.reach(fire));
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
      this.#time.at(delayMs, () => this.reach(resolve));
    });
  }

  #catchUp(): void {
    this.#isCatchingUp = this.#missed.length > 0;
    if (!this.#isCatchingUp) return;
    this.#time.at(STEP_MS, () => {
      if (this.#stopped) this.#isCatchingUp = false;
      else this.#missed.shift()?.();
      if (this.#isCatchingUp) this.#catchUp();
    });
  }
}
