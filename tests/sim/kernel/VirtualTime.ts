import type { Random } from './Random.js';

/** An event of the time line. Cancelled ones stay in the heap until their time comes, and then do nothing. */
export interface Scheduled {
  readonly dueAt: number;
  readonly order: number;
  fn: (() => void) | null;
}

/** No run needs nearly as many: one that does goes round in circles. */
const MAX_EVENTS = 300_000;

/**
 * The one time line of a run. Events happen in order of time, those of one moment in an order that the seed decides. After
 * each event everything that promises can still do is done before the next one.
 */
export class VirtualTime {
  #now = 0;
  #events = 0;
  readonly #heap: Scheduled[] = [];
  readonly #random: Random;
  readonly #onThrown: (error: unknown) => void;

  /** `onThrown` hears of events that threw: in a real process that would have been its end. */
  constructor(random: Random, onThrown: (error: unknown) => void) {
    this.#random = random;
    this.#onThrown = onThrown;
  }

  /** Ms since the run began. */
  get now(): number {
    return this.#now;
  }

  /** Events so far. */
  get events(): number {
    return this.#events;
  }

  at(delayMs: number, fn: () => void): Scheduled {
    const event: Scheduled = { dueAt: this.#now + Math.max(0, delayMs), order: this.#random.bits(), fn };
    this.#push(event);
    return event;
  }

  cancel(event: Scheduled): void {
    event.fn = null;
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.at(delayMs, resolve));
  }

  /** Lets time pass, until `end` or until `isDone` says so after an event. */
  async run(end: number, isDone: () => boolean = () => false): Promise<void> {
    await drained();
    while (!isDone()) {
      const event = this.#heap[0];
      if (event === undefined || event.dueAt > end) {
        this.#now = Math.max(this.#now, end);
        return;
      }
      this.#pop();
      if (event.fn === null) continue;
      this.#now = Math.max(this.#now, event.dueAt);
      if (++this.#events > MAX_EVENTS) throw new Error(`the run does not end: ${MAX_EVENTS} events`);
      const { fn } = event;
      event.fn = null;
      try {
        fn();
      } catch (error) {
        this.#onThrown(error);
      }
      await drained();
    }
  }

  #push(event: Scheduled): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    for (let parent = (at - 1) >> 1; at > 0; at = parent, parent = (at - 1) >> 1) {
      const above = heap[parent] as Scheduled;
      if (isBefore(above, event)) break;
      heap[at] = above;
      heap[parent] = event;
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

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order);
}

/** A macrotask runs only when no promise is left that could go on, however long their chain. */
function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
