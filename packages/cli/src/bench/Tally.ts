import { LatencyHistogram } from './LatencyHistogram.js';

/** What a run has counted so far. */
export class Tally {
  issued = 0;
  acked = 0;
  rejected = 0;
  /** Reasons of rejections and of failures that no single operation was told of, by code. */
  readonly errors = new Map<string, number>();
  readonly latencies = new LatencyHistogram();

  countError(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }
}
