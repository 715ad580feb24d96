import { describe, expect, it } from 'vitest';
import { PLANTS, type Plant } from './plants.js';
import type { Outcome } from './play.js';
import { simulate } from './simulate.js';
import type { Profile } from './workload/Profile.js';

const MAX_SEEDS = 60;

/** Seeds that do without the faults in which a bug shows would prove nothing. */
function provoke(plant: Plant): (drawn: Profile) => Profile {
  return (drawn) => {
    const chaos = new Map(drawn.chaos);
    for (const kind of plant.needs) chaos.set(kind, 4_000);
    const provoked = { ...drawn, chaos, durationMs: 30_000 };
    return plant.profile?.(provoked) ?? provoked;
  };
}

describe('a bug that was put in on purpose is found', () => {
  for (const plant of PLANTS) {
    it(plant.name, { timeout: 60_000 }, async () => {
      const options = { profile: provoke(plant) };
      const breaks = ({ violations }: Outcome): string[] =>
        violations.map(({ promise }) => promise).filter((promise) => plant.breaks.includes(promise));
      const remove = plant.install();
      let broken: string[] = [];
      let seed = 0;
      try {
        while (broken.length === 0 && seed < MAX_SEEDS) broken = breaks(await simulate(++seed, options));
      } finally {
        remove();
      }
      expect(broken, `after ${seed} seeds`).not.toEqual([]);
      // It was the bug: without it the same run keeps those promises.
      expect(breaks(await simulate(seed, options))).toEqual([]);
    });
  }
});
