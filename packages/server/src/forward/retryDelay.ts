import type { Runtime } from '@topgunbuild/core';

const FIRST_MS = 50;
const LONGEST_MS = 1_000;

/** How long to wait before something is tried again that has failed `attempts` times since it last worked. */
export function retryDelay(attempts: number, runtime: Pick<Runtime, 'random'>): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempts, 10));
  return ceiling * (0.5 + runtime.random() / 2);
}
