import type { Runtime, Timer } from '@topgunbuild/core';

/** A piece of work. Returns what it took of a turn: 1 = all that a turn of the event loop should hold. */
export type Task = () => number;

/**
 * Deals out the event loop among catch-ups and window builds. One turn of the loop holds about one turn's work, however
 * many are at it: a thousand that each took a timer of their own would all be run before anybody else's socket is
 * looked at. Owners (sessions) take turns, so that one with a thousand queries is no faster than one with one.
 */
export class Turns {
  readonly #runtime: Runtime;
  readonly #waiting = new Map<object, Set<Task>>();
  #spent = 0;
  #timer: Timer | null = null;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Runs `task` at once when nobody waits and there is work left in this turn; otherwise when it is its owner's turn. */
  run(owner: object, task: Task): void {
    if (this.#timer === null && this.#spent < 1) this.#spent += task();
    else this.later(owner, task);
  }

  /** Runs `task` in one of the next turns. */
  later(owner: object, task: Task): void {
    const own = this.#waiting.get(owner);
    if (own === undefined) this.#waiting.set(owner, new Set([task]));
    else own.add(task);
    this.#timer ??= this.#runtime.setTimer(0, this.#turn);
  }

  /** Forgets a task that waits. */
  drop(owner: object, task: Task): void {
    const own = this.#waiting.get(owner);
    if (!own?.delete(task) || own.size > 0) return;
    this.#waiting.delete(owner);
    if (this.#waiting.size > 0 || this.#timer === null) return;
    this.#runtime.clearTimer(this.#timer);
    this.#timer = null;
  }

  readonly #turn = (): void => {
    this.#spent = 0;
    for (const [owner, own] of this.#waiting) {
      if (this.#spent >= 1) break;
      const [task] = own;
      // What is done goes to the end, and so does its owner; the loop meets those again that came back.
      this.#waiting.delete(owner);
      if (task === undefined) continue;
      own.delete(task);
      if (own.size > 0) this.#waiting.set(owner, own);
      this.#spent += task();
    }
    this.#timer = this.#waiting.size > 0 ? this.#runtime.setTimer(0, this.#turn) : null;
  };
}
