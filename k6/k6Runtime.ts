import type { Runtime, Timer } from '@topgunbuild/core';
import { clearTimeout, setTimeout } from 'k6/timers';

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz';

interface K6Timer extends Timer {
  readonly handle: ReturnType<typeof setTimeout>;
}

/** Time and randomness of a VU. k6 has no `performance.now`, so the clock of the wall is kept from going back. */
export function k6Runtime(): Runtime {
  let latest = 0;
  return {
    now: () => Date.now(),
    monotonic: () => {
      latest = Math.max(latest, Date.now());
      return latest;
    },
    setTimer: (delayMs, fn) => ({ handle: setTimeout(fn, delayMs) }) as K6Timer,
    clearTimer: (timer) => clearTimeout((timer as K6Timer).handle),
    // k6 seeds each VU by itself, from the random source of the system.
    random: () => Math.random(),
    id: (length = 16) => Array.from({ length }, () => ALPHABET[Math.floor(Math.random() * 36)]).join(''),
  };
}
