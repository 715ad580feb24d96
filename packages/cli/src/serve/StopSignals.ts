type OnSignal = (signal: NodeJS.Signals) => void;

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/** SIGINT and SIGTERM, the first and the second apart. While it listens, they do not end the process by themselves. */
export class StopSignals {
  #onFirst: OnSignal = () => undefined;
  #onSecond: OnSignal = () => undefined;
  #count = 0;
  readonly #listener = (signal: NodeJS.Signals): void => {
    this.#count++;
    if (this.#count === 1) this.#onFirst(signal);
    else this.#onSecond(signal);
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  /** Replaces what happens at the first signal. */
  onFirst(listener: OnSignal): void {
    this.#onFirst = listener;
  }

  /** Replaces what happens at the second signal and at those after it. */
  onSecond(listener: OnSignal): void {
    this.#onSecond = listener;
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }
}
