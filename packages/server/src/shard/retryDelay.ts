import type { Runtime } from '@topgunbuild/core';
import type { ShardTuning } from './ShardTuning.js';

/** How long to wait before the next attempt, ms. `attempt`: 0 after the first failure. */
export function retryDelay(
  { firstRetryMs, lastRetryMs }: Pick<ShardTuning, 'firstRetryMs' | 'lastRetryMs'>,
  runtime: Pick<Runtime, 'random'>,
  attempt: number,
): number {
  const delay = Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(attempt, 16));
  return delay * (0.5 + runtime.random() / 2);
}
