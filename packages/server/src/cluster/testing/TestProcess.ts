import type { Runtime, Timer } from '@topgunbuild/core';
import type { TestRuntime } from '../../testing/TestRuntime.js';

interface ProcessTimer extends Timer {
  timer: Timer | null;
  run: (() => void) | null;
}

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

/** A process on the virtual time of a test: it can be stopped and continued, as by SIGSTOP and SIGCONT, and killed. */
export class TestProcess implements Runtime {
  readonly #time: TestRuntime;
  readonly #chance: () => number;
  #state: 'running' | 'stopped' | 'dead' = 'running';
  /** What fell due while it was stopped. */
  #missed: ProcessTimer[] = [];

  constructor(time: TestRuntime, chance: () => number) {
    this.#time = time;
    this.#chance = chance;
  }

  now(): number {
    return this.#time.now();
  }

  monotonic(): number {
    return this.#time.monotonic();
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer: ProcessTimer = { timer: null, run };
    timer.timer = this.#time.setTimer(Math.max(1, delayMs), () => this.#fire(timer));
    return timer;
  }

  clearTimer(timer: Timer): void {
    const own = timer as ProcessTimer;
    own.run = null;
    if (own.timer !== null) this.#time.clearTimer(own.timer);
  }

  random(): number {
    return this.#chance();
  }

  id(length = 16): string {
    return Array.from({ length }, () => ALPHABET[Math.floor(this.#chance() * 36)]).join('');
  }

  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  /** Timers that fell due fire first, in their order. */
  continue(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    for (const timer of this.#missed.splice(0)) this.#fire(timer);
  }

  kill(): void {
    this.#state = 'dead';
    this.#missed = [];
  }

  #fire(timer: ProcessTimer): void {
    if (this.#state === 'stopped') this.#missed.push(timer);
    if (this.#state !== 'running') return;
    const { run } = timer;
    timer.run = null;
    run?.();
  }
}

/** Seeded numbers in [0, 1): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
