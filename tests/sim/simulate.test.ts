import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CLUSTER_REGRESSIONS, SOLE_REGRESSIONS } from './regressions.js';
import { simulate } from './simulate.js';
import { simulateCluster } from './simulateCluster.js';

async function traceOf(seed: number, run: typeof simulate | typeof simulateCluster = simulate): Promise<string> {
  const hash = createHash('sha256');
  await run(seed, { trace: (line) => hash.update(line) });
  return hash.digest('hex');
}

describe('simulation', () => {
  it('runs the same way for the same seed, frame by frame', async () => {
    for (const seed of [1, 14, 31]) expect(await traceOf(seed)).toBe(await traceOf(seed));
  });

  it('runs a cluster the same way for the same seed, message by message', { timeout: 60_000 }, async () => {
    expect(await traceOf(2, simulateCluster)).toBe(await traceOf(2, simulateCluster));
  });

  it('runs another way for another seed', async () => {
    expect(await traceOf(1)).not.toBe(await traceOf(2));
  });

  for (const { seed, was } of SOLE_REGRESSIONS) {
    it(`seed ${seed} keeps all promises: ${was}`, async () => {
      expect((await simulate(seed)).violations).toEqual([]);
    });
  }

  for (const { seed, was } of CLUSTER_REGRESSIONS) {
    it(`seed ${seed} of clusters keeps all promises: ${was}`, async () => {
      expect((await simulateCluster(seed)).violations).toEqual([]);
    });
  }
});
