import type { Runtime, Timer } from '@topgunbuild/core';
import type { Pace } from './Pace.js';

/** Bytes worked on before others have their turn: half a millisecond or so; some milliseconds when somebody waits for it. */
const BREATH_BYTES = 32 * 1024;
const URGENT_BREATH_BYTES = 256 * 1024;

/** The pace of work beside that of clients. */
export class SteadyPace implements Pace {
  readonly #runtime: Runtime;
  readonly #isUrgent: () => boolean;
  #isAborted = false;
  #bytes = 0;
  /** The pause under way. */
  #pause: { readonly timer: Timer; readonly end: () => void } | null = null;

  constructor(runtime: Runtime, isUrgent: () => boolean) {
    this.#runtime = runtime;
    this.#isUrgent = isUrgent;
  }

  get isAborted(): boolean {
    return this.#isAborted;
  }

  breath(bytes: number): Promise<void> | null {
    this.#bytes += bytes;
    if (this.#bytes < BREATH_BYTES || (this.#bytes < URGENT_BREATH_BYTES && this.#isUrgent())) return null;
    this.#bytes = 0;
    return this.sleep(0);
  }

  /** Ends early when the work is aborted. */
  sleep(ms: number): Promise<void> {
    if (this.#isAborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        this.#pause = null;
        resolve();
      };
      this.#pause = { timer: this.#runtime.setTimer(ms, end), end };
    });
  }

  abort(): void {
    this.#isAborted = true;
    if (this.#pause === null) return;
    this.#runtime.clearTimer(this.#pause.timer);
    this.#pause.end();
  }
}
