import type { Limits, Runtime } from '@topgunbuild/core';
import { TokenBucket } from './TokenBucket.js';

/** Buckets that are full again are looked for when this many more have come up. */
const SWEEP_EVERY = 1_000;

/**
 * One bucket of operations per owner: a subject, or a client id where there is no authentication. It does not belong to
 * the connection, so connecting again does not refill it.
 */
export class RateLimiter {
  readonly #runtime: Pick<Runtime, 'monotonic'>;
  readonly #limits: Pick<Limits, 'maxOpsPerSecond'>;
  readonly #buckets = new Map<string, TokenBucket>();
  #sweepAt = SWEEP_EVERY;

  constructor(runtime: Pick<Runtime, 'monotonic'>, limits: Pick<Limits, 'maxOpsPerSecond'>) {
    this.#runtime = runtime;
    this.#limits = limits;
  }

  /** Takes up to `wanted` operations from the bucket of `owner` and returns how many it may do now. */
  take(owner: string, wanted: number): number {
    const now = this.#runtime.monotonic();
    let bucket = this.#buckets.get(owner);
    if (bucket === undefined) {
      const perSecond = this.#limits.maxOpsPerSecond;
      bucket = new TokenBucket(perSecond, perSecond * 2, now);
      this.#buckets.set(owner, bucket);
      if (this.#buckets.size >= this.#sweepAt) this.#sweep(now, bucket);
    }
    return bucket.take(wanted, now);
  }

  #sweep(now: number, fresh: TokenBucket): void {
    for (const [owner, bucket] of this.#buckets) {
      if (bucket !== fresh && bucket.isFull(now)) this.#buckets.delete(owner);
    }
    this.#sweepAt = this.#buckets.size + SWEEP_EVERY;
  }
}
