import { fingerprint, readFinalState } from './checks/FinalState.js';
import { Random } from './kernel/Random.js';
import {
  closeClients,
  comeToRest,
  judge,
  type Outcome,
  observe,
  probe,
  type SimulationOptions,
  startClients,
} from './play.js';
import { drawProfile } from './workload/Profile.js';
import { SoleChaos } from './workload/SoleChaos.js';
import { SoleWorld } from './world/SoleWorld.js';

/** Longer than any time-out, wait or lifetime in the workload. */
const QUIET_MS = 100_000;
const HEAL_MS = 30_000;
const STEP_MS = 5_000;
const PROBE_MS = 3_000;
const CLOSE_MS = 10_000;

/** One run of a node and its clients: a while of work under faults, then rest, then judgement. The seed decides all of it. */
export async function simulate(seed: number, options: SimulationOptions = {}): Promise<Outcome> {
  const random = new Random(seed);
  const drawn = drawProfile(random);
  const world = new SoleWorld(options.profile?.(drawn) ?? drawn, random, options.trace ?? null);
  return observe(seed, world, () => play(world, random));
}

async function play(world: SoleWorld, random: Random): Promise<void> {
  const { time, profile } = world;
  const chaos = new SoleChaos(world, random.fork());
  world.startNode();
  startClients(world, random);
  chaos.start();
  await time.run(profile.durationMs);
  chaos.stop();
  if (!(await comeToRest(world, HEAL_MS, STEP_MS))) return;
  await time.run(time.now + QUIET_MS);
  judge(world);
  if (world.history.violations.length > 0) return;
  await probe(world, random, PROBE_MS);
  await restartAndClose(world);
}

/** What the node has it finds again on its disk; and whoever closes leaves nothing behind. */
async function restartAndClose(world: SoleWorld): Promise<void> {
  const { time, history } = world;
  // Where deletions are forgotten soon, some may be meanwhile: then what readers see counts.
  const now = world.profile.shortRetention ? world.dataNow() : null;
  const before = fingerprint(readFinalState(world), now);
  world.crashNode();
  world.startNode();
  await time.run(time.now + 40_000);
  if (!world.isServing) return history.violate('start', 'the node does not come back');
  const after = fingerprint(readFinalState(world), now);
  if (after !== before) history.violate('1', `before the restart:\n${before}\nafter it:\n${after}`);
  await closeClients(world, CLOSE_MS);
  void world.stopNode();
  await time.run(time.now + 60_000);
}
