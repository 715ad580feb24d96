import type { Runtime, Timer } from '@topgunbuild/core';
import type { ReplicaMap } from '../replica/ReplicaMap.js';

interface Deadline {
  readonly at: number;
  readonly map: ReplicaMap;
  readonly key: string;
}

const MAX_TIMER_MS = 60_000;

/** Tells maps when records come to their deadline. A binary heap and one timer. */
export class Deadlines {
  readonly #runtime: Runtime;
  readonly #now: () => number;
  #heap: Deadline[] = [];
  #timer: Timer | null = null;
  #timerAt = 0;

  /** `now`: the corrected wall clock, ms since 1970. */
  constructor(runtime: Runtime, now: () => number) {
    this.#runtime = runtime;
    this.#now = now;
  }

  add(map: ReplicaMap, key: string, at: number): void {
    const heap = this.#heap;
    let index = heap.push({ at, map, key }) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if ((heap[parent] as Deadline).at <= at) break;
      [heap[parent], heap[index]] = [heap[index] as Deadline, heap[parent] as Deadline];
      index = parent;
    }
    this.#arm();
  }

  /** The clock was corrected: what was not due may be. */
  clockChanged(): void {
    this.#disarm();
    this.#arm();
  }

  clear(): void {
    this.#heap = [];
    this.#disarm();
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined) return;
    if (this.#timer !== null) {
      if (this.#timerAt <= first.at) return;
      this.#disarm();
    }
    this.#timerAt = first.at;
    const delay = Math.min(MAX_TIMER_MS, Math.max(0, first.at - this.#now()));
    this.#timer = this.#runtime.setTimer(delay, () => {
      this.#timer = null;
      this.#run();
    });
  }

  #disarm(): void {
    if (this.#timer !== null) this.#runtime.clearTimer(this.#timer);
    this.#timer = null;
  }

  #run(): void {
    const now = this.#now();
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#pop();
      first.map.expire(first.key, first.at);
    }
    this.#arm();
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      let child = left;
      if (right < heap.length && (heap[right] as Deadline).at < (heap[left] as Deadline).at) child = right;
      if (child >= heap.length || (heap[child] as Deadline).at >= last.at) break;
      heap[index] = heap[child] as Deadline;
      index = child;
    }
    heap[index] = last;
  }
}
