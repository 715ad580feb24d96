import { describe, expect, it } from 'vitest';
import { CLUSTER_PLANTS } from './plants/clusterPlants.js';
import type { Plant } from './plants/Plant.js';
import { SOLE_PLANTS } from './plants/solePlants.js';
import type { Outcome, SimulationOptions } from './play.js';
import { simulate } from './simulate.js';
import { simulateCluster } from './simulateCluster.js';
import type { ClusterProfile } from './workload/ClusterProfile.js';
import type { Profile } from './workload/Profile.js';

const MAX_SEEDS = 60;

type Simulate<P extends Profile> = (seed: number, options: SimulationOptions<P>) => Promise<Outcome>;

/** Seeds that do without the faults in which a bug shows would prove nothing. */
function provoke<P extends Profile>(plant: Plant<P>, base: (drawn: P) => P): (drawn: P) => P {
  return (drawn) => {
    const chaos = new Map(drawn.chaos);
    for (const kind of plant.needs) chaos.set(kind, 4_000);
    const provoked = base({ ...drawn, chaos });
    return plant.profile?.(provoked) ?? provoked;
  };
}

async function find<P extends Profile>(plant: Plant<P>, run: Simulate<P>, base: (drawn: P) => P): Promise<void> {
  const options = { profile: provoke(plant, base) };
  const breaks = ({ violations }: Outcome): string[] =>
    violations.map(({ promise }) => promise).filter((promise) => plant.breaks.includes(promise));
  const remove = plant.install();
  let broken: string[] = [];
  let seed = 0;
  try {
    while (broken.length === 0 && seed < MAX_SEEDS) broken = breaks(await run(++seed, options));
  } finally {
    remove();
  }
  expect(broken, `up to seed ${seed}`).not.toEqual([]);
  // It was the bug: without it the same run keeps those promises.
  expect(breaks(await run(seed, options))).toEqual([]);
}

describe('a bug that was put in on purpose is found', () => {
  for (const plant of SOLE_PLANTS) {
    it(plant.name, { timeout: 60_000 }, () => find(plant, simulate, (drawn) => ({ ...drawn, durationMs: 30_000 })));
  }
});

describe('a bug that was put into a cluster on purpose is found', () => {
  const base = (drawn: ClusterProfile): ClusterProfile => ({
    ...drawn,
    durationMs: 15_000,
    backups: Math.max(1, drawn.backups),
    maxNodes: Math.min(5, drawn.nodes + 1),
  });
  for (const plant of CLUSTER_PLANTS) {
    it(plant.name, { timeout: 60_000 }, () => find(plant, simulateCluster, base));
  }
});
