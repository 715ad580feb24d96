const BUCKETS_PER_DOUBLING = 32;
const DOUBLINGS = 30;
/** Shorter times count as this. */
const SHORTEST_MS = 0.001;

/** Counts times in buckets that grow by 2.2 %, so that a quantile is that exact whatever the number of samples. */
export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS_PER_DOUBLING * DOUBLINGS);
  #total = 0;

  get count(): number {
    return this.#total;
  }

  add(ms: number): void {
    const bucket = Math.floor(Math.log2(Math.max(ms, SHORTEST_MS) / SHORTEST_MS) * BUCKETS_PER_DOUBLING);
    const index = Math.min(bucket, this.#counts.length - 1);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#total++;
  }

  /** The time, in ms, that the fraction `q` of all samples did not exceed; null without samples. */
  quantile(q: number): number | null {
    if (this.#total === 0) return null;
    const rank = Math.max(1, Math.ceil(q * this.#total));
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= rank) return SHORTEST_MS * 2 ** ((bucket + 1) / BUCKETS_PER_DOUBLING);
    }
    return null;
  }
}
