import type { Runtime, Timer } from '@topgunbuild/core';

interface Scheduled extends Timer {
  readonly dueAt: number;
  readonly order: number;
  fn: (() => void) | null;
}

export interface VirtualRuntimeOptions {
  readonly seed: number;
  /** What the wall clock shows at time 0, ms since 1970. */
  readonly wallAt?: number;
}

/**
 * A time line that stands still until it is told to advance. Any number of runtimes live on it, each with its own wall
 * clock and random numbers, as the devices of a network do. The same seeds give the same run.
 */
export class VirtualTime {
  #now = 0;
  #order = 0;
  /** A binary heap by (dueAt, order): timers of one moment fire in the order they were set. */
  readonly #heap: Scheduled[] = [];

  /** Ms since the beginning. */
  get now(): number {
    return this.#now;
  }

  runtime({ seed, wallAt = 1_760_000_000_000 }: VirtualRuntimeOptions): VirtualRuntime {
    return new VirtualRuntime(this, seed, wallAt);
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    const timer: Scheduled = { dueAt: this.#now + Math.max(0, delayMs), order: this.#order++, fn };
    this.#push(timer);
    return timer;
  }

  clearTimer(timer: Timer): void {
    // It stays in the heap until its time comes, and then does nothing.
    (timer as Scheduled).fn = null;
  }

  /** Lets promises settle, then fires timer after timer, each at its moment, until `ms` have gone by. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    while (this.fireNext(end)) await settle();
    this.#now = end;
  }

  /** All timers due within `ms` fire at its end, late: what a machine does that was asleep. */
  async sleep(ms: number): Promise<void> {
    this.#now += ms;
    await this.advance(0);
  }

  /** Fires the next timer that is due by `until`; false when there is none. Promises are left to the caller. */
  fireNext(until: number): boolean {
    for (let timer = this.#heap[0]; timer !== undefined && timer.dueAt <= until; timer = this.#heap[0]) {
      this.#pop();
      if (timer.fn === null) continue;
      this.#now = Math.max(this.#now, timer.dueAt);
      const { fn } = timer;
      timer.fn = null;
      fn();
      return true;
    }
    return false;
  }

  #push(timer: Scheduled): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    for (let parent = (at - 1) >> 1; at > 0; at = parent, parent = (at - 1) >> 1) {
      const above = heap[parent] as Scheduled;
      if (isBefore(above, timer)) break;
      heap[at] = above;
      heap[parent] = timer;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child] as Scheduled)) child++;
      const below = heap[child] as Scheduled;
      if (isBefore(last, below)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

/** One device on a time line. */
export class VirtualRuntime implements Runtime {
  readonly #time: VirtualTime;
  readonly #random: () => number;
  #wallOffset: number;

  constructor(time: VirtualTime, seed: number, wallAt: number) {
    this.#time = time;
    this.#random = seededRandom(seed);
    this.#wallOffset = wallAt;
  }

  now(): number {
    return Math.floor(this.#wallOffset + this.#time.now);
  }

  /** The wall clock jumps by `ms`, in either direction. */
  shiftWall(ms: number): void {
    this.#wallOffset += ms;
  }

  monotonic(): number {
    return this.#time.now;
  }

  setTimer(delayMs: number, fn: () => void): Timer {
    return this.#time.setTimer(delayMs, fn);
  }

  clearTimer(timer: Timer): void {
    this.#time.clearTimer(timer);
  }

  random(): number {
    return this.#random();
  }

  id(length = 16): string {
    return Array.from({ length }, () => Math.floor(this.#random() * 36).toString(36)).join('');
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order);
}

/** A macrotask runs only when no promise is left that could go on, however long their chain. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** Mulberry32: small, quick and good enough to shuffle a test. Uniform in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
