import { describe, it } from 'vitest';
import { TestCluster } from './testing/TestCluster.js';
import { seeded } from './testing/TestProcess.js';

const SEEDS = 200;
const IDS = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'];

/** What happens in one run: joins, deaths, stand-stills, cuts, departures, in any order and at once. */
async function live(seed: number): Promise<TestCluster> {
  const chance = seeded(seed);
  const upTo = (most: number): number => Math.floor(chance() * most);
  const test = new TestCluster({
    seed: seed + 1_000_000,
    shardCount: 1 + upTo(40),
    backups: upTo(3),
    delayMs: [0, 1, 10, 40][upTo(4)] ?? 1,
    restoreMs: [5, 100, 700][upTo(3)] ?? 5,
  });
  for (const id of IDS.slice(0, 1 + upTo(4))) test.start(id);
  for (let i = 0; i < 12; i++) {
    await test.run(chance() * ([20, 300, 2_000][upTo(3)] ?? 20));
    happen(test, IDS[upTo(IDS.length)] ?? 'n1', chance);
  }
  for (const { id, state } of test.nodes.values()) {
    if (state === 'cut') test.mend(id);
    if (state === 'stopped') test.continue(id);
  }
  await test.run(3_000);
  // Who had to give up, for it could not reach the registry, is started again by whoever watches over it.
  for (const { id, state, error } of [...test.nodes.values()]) if (state !== 'gone' && error !== null) test.start(id);
  if (test.live().length === 0) test.start('n1');
  await test.run(15_000);
  return test;
}

function happen(test: TestCluster, id: string, chance: () => number): void {
  const one = test.nodes.get(id);
  const dice = chance();
  if (one === undefined || one.state === 'gone' || one.error !== null) {
    test.start(id);
  } else if (one.state === 'cut') {
    test.mend(id);
  } else if (one.state === 'stopped') {
    if (dice < 0.7) test.continue(id);
    else test.kill(id);
  } else if (dice < 0.25) {
    test.kill(id);
    if (chance() < 0.3) test.start(id);
  } else if (dice < 0.5) {
    test.stop(id);
  } else if (dice < 0.7) {
    test.cut(id);
  } else if (dice < 0.8) {
    for (const { id: other, state } of test.live()) if (state === 'up') test.cut(other);
  } else if (one.node !== null) {
    void test.leave(id, 1_000 + chance() * 3_000);
  }
}

describe('whatever happens to nodes', () => {
  it('afterwards there is one map, balanced, and all shards are served and followed by nodes that live', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        const test = await live(seed);
        test.checkRest();
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  }, 120_000);
});
