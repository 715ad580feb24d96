type OnSignal = (signal: NodeJS.Signals) => void;

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

/** As a shell tells it of a process that a signal ended. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return signal === 'SIGINT' ? 130 : 143;
}

/**
 * SIGINT and SIGTERM, the first and the second apart. While it listens, they do not end the process by themselves.
 * A process that follows its parent takes the end of their channel for a first SIGTERM: the parent closes it to stop the
 * process, and the kernel does when the parent is gone, however it ended.
 */
export class StopSignals {
  #onFirst: OnSignal = () => undefined;
  #onSecond: OnSignal = () => undefined;
  #count = 0;
  readonly #listener = (signal: NodeJS.Signals): void => {
    this.#count++;
    if (this.#count === 1) this.#onFirst(signal);
    else this.#onSecond(signal);
  };

  /** Whoever was told to stop by a signal meanwhile is not told twice. */
  readonly #orphaned = (): void => {
    if (this.#count === 0) this.#listener('SIGTERM');
  };

  constructor({ followsParent = false }: { readonly followsParent?: boolean } = {}) {
    for (const signal of SIGNALS) process.on(signal, this.#listener);
    if (!followsParent) return;
    process.on('disconnect', this.#orphaned);
    if (!process.connected) process.nextTick(this.#orphaned);
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
    process.off('disconnect', this.#orphaned);
    if (process.connected) process.disconnect();
  }
}
