/** Something that collects output during a turn of the event loop. */
export interface Flushable {
  flush(): void;
}

/**
 * Flushes what was written to in a turn of the event loop at the end of that turn: one write to a socket carries all
 * frames of a turn, which is worth more than anything else at this level.
 */
export class TurnFlusher {
  #waiting: Flushable[] = [];

  /** Each `target` once a turn. */
  schedule(target: Flushable): void {
    if (this.#waiting.length === 0) setImmediate(this.#run);
    this.#waiting.push(target);
  }

  readonly #run = (): void => {
    const due = this.#waiting;
    this.#waiting = [];
    for (const target of due) target.flush();
  };
}
