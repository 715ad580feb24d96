import type { Logger } from './Logger.js';

/**
 * Hands events to the one listener, in order and one at a time: what a listener causes is delivered after it returned.
 * A listener that throws is reported and gets the next event all the same.
 */
export class EventQueue<E extends { readonly type: string }> {
  readonly #logger: Logger | undefined;
  #listener: ((event: E) => void) | null = null;
  #delivering = false;
  readonly #waiting: E[] = [];

  constructor(logger?: Logger) {
    this.#logger = logger;
  }

  /** Replaces the listener; returns how to take this one away again. */
  on(listener: (event: E) => void): () => void {
    this.#listener = listener;
    return () => {
      if (this.#listener === listener) this.#listener = null;
    };
  }

  emit(event: E): void {
    if (this.#delivering) {
      this.#waiting.push(event);
      return;
    }
    this.#delivering = true;
    this.#deliver(event);
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#deliver(next);
    this.#delivering = false;
  }

  #deliver(event: E): void {
    try {
      this.#listener?.(event);
    } catch (error) {
      this.#logger?.error({ event: event.type, error }, 'A listener of provider events threw');
    }
  }
}
