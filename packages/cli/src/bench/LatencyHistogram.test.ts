import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from './LatencyHistogram.js';

describe('LatencyHistogram', () => {
  it('has no quantile without samples', () => {
    expect(new LatencyHistogram().quantile(0.5)).toBeNull();
  });

  it('tells quantiles within 2.2 %', () => {
    const histogram = new LatencyHistogram();
    for (let ms = 1; ms <= 1000; ms++) histogram.add(ms);
    for (const [q, expected] of [
      [0.5, 500],
      [0.99, 990],
      [1, 1000],
    ] as const) {
      const told = histogram.quantile(q) ?? 0;
      expect(told).toBeGreaterThanOrEqual(expected);
      expect(told).toBeLessThan(expected * 1.023);
    }
  });

  it('takes times that are too short or too long for its buckets', () => {
    const histogram = new LatencyHistogram();
    histogram.add(0);
    histogram.add(Number.MAX_SAFE_INTEGER);
    expect(histogram.count).toBe(2);
    expect(histogram.quantile(0.5)).toBeLessThan(0.01);
  });
});
