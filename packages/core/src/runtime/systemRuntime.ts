import type { Runtime, Timer } from './Runtime.js';

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

interface SystemTimer extends Timer {
  readonly handle: ReturnType<typeof setTimeout>;
}

/** The Runtime of the machine: its clocks, its timers and its cryptographic random source. */
export function systemRuntime(): Runtime {
  const { setImmediate } = globalThis as { readonly setImmediate?: (fn: () => void) => unknown };
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    setTimer: (delayMs, fn) => ({ handle: setTimeout(fn, delayMs) }) as SystemTimer,
    clearTimer: (timer) => clearTimeout((timer as SystemTimer).handle),
    // Node has it. In browsers each message is a turn of its own, so there would be nothing to gather.
    ...(setImmediate === undefined ? {} : { afterTurn: (fn: () => void) => void setImmediate(fn) }),
    random: () => Math.random(),
    id: (length = 16) => randomId(length),
  };
}

function randomId(length: number): string {
  let id = '';
  while (id.length < length) {
    const bytes = crypto.getRandomValues(new Uint8Array(length - id.length + 8));
    // 252 is the largest multiple of 36 that fits a byte: dropping the rest keeps every character equally likely.
    for (const byte of bytes) if (byte < 252 && id.length < length) id += ALPHABET[byte % 36];
  }
  return id;
}
