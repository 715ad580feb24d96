import { type Runtime, TopGunError } from '@topgunbuild/core';

/** Bounds of a wait. Without `timeoutMs` the wait ends after 30 s. */
export interface WaitOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** `promise`, or TIMEOUT after `timeoutMs`, or the signal's reason when it aborts first. */
export function withTimeout<T>(runtime: Runtime, promise: Promise<T>, options: WaitOptions = {}): Promise<T> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const finish = (settle: () => void) => {
      runtime.clearTimer(timer);
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = () => finish(() => reject(signal?.reason as Error));
    const timer = runtime.setTimer(timeoutMs, () =>
      finish(() =>
        reject(new TopGunError('TIMEOUT', `This took longer than ${timeoutMs} ms; it goes on in the background.`)),
      ),
    );
    signal?.addEventListener('abort', onAbort);
    promise.then(
      (value) => finish(() => resolve(value)),
      (error: Error) => finish(() => reject(error)),
    );
  });
}
