import type { Runtime, Timer } from '@topgunbuild/core';

/** Does the same with each of many, so many in a turn of the event loop. */
export class Slices<T> {
  readonly #runtime: Runtime;
  readonly #perTurn: number;
  readonly #work: (item: T) => void;
  #items: readonly T[] = [];
  #next = 0;
  #timer: Timer | null = null;

  constructor(runtime: Runtime, perTurn: number, work: (item: T) => void) {
    this.#runtime = runtime;
    this.#perTurn = perTurn;
    this.#work = work;
  }

  /** Begins anew with `items`, the first of them at once. Those of the last time that were not reached are not any more. */
  start(items: Iterable<T>): void {
    this.stop();
    this.#items = [...items];
    this.#next = 0;
    this.#turn();
  }

  stop(): void {
    if (this.#timer !== null) this.#runtime.clearTimer(this.#timer);
    this.#timer = null;
    this.#items = [];
  }

  readonly #turn = (): void => {
    this.#timer = null;
    const items = this.#items;
    const end = Math.min(items.length, this.#next + this.#perTurn);
    while (this.#next < end && items === this.#items) this.#work(items[this.#next++] as T);
    if (items !== this.#items) return;
    if (this.#next < items.length) this.#timer = this.#runtime.setTimer(0, this.#turn);
    else this.#items = [];
  };
}
