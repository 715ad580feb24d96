/** Typed events. A listener that throws is reported and stops nobody else. */
export class Emitter<Events extends { readonly [name: string]: unknown }> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();
  readonly #onThrow: (error: unknown) => void;

  constructor(onThrow: (error: unknown) => void) {
    this.#onThrow = onThrow;
  }

  /** Returns how to unsubscribe. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(name, listeners);
    }
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])] as ((event: Events[Name]) => void)[]) {
      try {
        listener(event);
      } catch (error) {
        this.#onThrow(error);
      }
    }
  }
}
