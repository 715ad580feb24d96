interface Waiting {
  readonly isUrgent: () => boolean;
  readonly begin: (end: () => void) => void;
}

/**
 * Lets shards be restored: of those that are urgent a few at a time, enough to keep the log busy, few enough not to hold
 * many logs in memory; of the others one at a time, so that whoever writes meanwhile hardly notices.
 */
export class RestoreSlots {
  readonly #slots: number;
  readonly #waiting: Waiting[] = [];
  #taken = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  /** Resolves when it may begin, to what is to be called at its end. */
  take(isUrgent: () => boolean): Promise<() => void> {
    return new Promise((begin) => {
      this.#waiting.push({ isUrgent, begin });
      this.beginNext();
    });
  }

  /** Begins what may. To be called when something else may be urgent. */
  beginNext(): void {
    while (this.#taken < this.#slots) {
      const urgent = this.#waiting.findIndex(({ isUrgent }) => isUrgent());
      const [next] = this.#taken === 0 || urgent >= 0 ? this.#waiting.splice(Math.max(urgent, 0), 1) : [];
      if (next === undefined) return;
      this.#taken++;
      next.begin(this.#slot());
    }
  }

  #slot(): () => void {
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#taken--;
      this.beginNext();
    };
  }
}
