import { fingerprint, readFinalState } from './checks/FinalState.js';
import { checkHosting } from './checks/hosting.js';
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
import { ClusterChaos } from './workload/ClusterChaos.js';
import { type ClusterProfile, drawClusterProfile } from './workload/ClusterProfile.js';
import { ClusterWorld } from './world/ClusterWorld.js';

/** Longer than any lifetime in the workload, and than clients take to notice that a connection is broken and to come back. */
const QUIET_MS = 60_000;
const HEAL_MS = 8_000;
const STEP_MS = 2_000;
const PROBE_MS = 1_500;
/** Longer than any death goes unnoticed. */
const TAKEOVER_MS = 6_000;
const RESTART_MS = 8_000;
const STOP_MS = 10_000;
const CLOSE_MS = 4_000;
/** The seeds of clusters are another stream than those of single nodes. */
const STREAM = 0x5eed_c1a5;

/** One run of a cluster and its clients: a while of work under faults, then rest, then judgement. The seed decides all of it. */
export async function simulateCluster(seed: number, options: SimulationOptions<ClusterProfile> = {}): Promise<Outcome> {
  const random = new Random(seed ^ STREAM);
  const drawn = drawClusterProfile(random);
  const world = new ClusterWorld(options.profile?.(drawn) ?? drawn, random, options.trace ?? null);
  return observe(seed, world, () => play(world, random));
}

async function play(world: ClusterWorld, random: Random): Promise<void> {
  const { time, profile, history } = world;
  const chaos = new ClusterChaos(world, random.fork());
  for (const place of world.places) if (place.isWanted) time.at(random.between(0, 500), () => world.start(place));
  startClients(world, random);
  chaos.start();
  await time.run(profile.durationMs);
  chaos.stop();
  if (!(await comeToRest(world, HEAL_MS, STEP_MS))) return;
  await time.run(time.now + QUIET_MS);
  checkHosting(world);
  judge(world);
  if (history.violations.length > 0) return;
  await probe(world, random, PROBE_MS);
  await takeOver(world, random);
  if (history.violations.length > 0) return;
  await restart(world);
  await closeClients(world, CLOSE_MS);
  for (const place of world.places) void world.stop(place);
  await time.run(time.now + STOP_MS);
}

/** All that the owners hold; deletions only where they are not forgotten meanwhile. */
function holdings(world: ClusterWorld): string {
  return fingerprint(readFinalState(world), world.profile.shortRetention ? world.nodeNow() : null);
}

/** What was the owners' the standbys have: when one node dies nothing changes. */
async function takeOver(world: ClusterWorld, random: Random): Promise<void> {
  const { time, history } = world;
  const running = world.places.filter(({ member }) => member !== null);
  if (running.length < 2) return;
  const before = holdings(world);
  const place = random.pick(running);
  world.crash(place);
  await time.run(time.now + TAKEOVER_MS);
  const after = holdings(world);
  if (after !== before) history.violate('3', `before ${place.id} died:\n${before}\nafter it:\n${after}`);
}

/** What the log has is found again by nodes that know nothing. */
async function restart(world: ClusterWorld): Promise<void> {
  const { time, history } = world;
  const before = holdings(world);
  for (const place of world.places) world.crash(place);
  world.heal();
  await time.run(time.now + RESTART_MS);
  if (!world.isServing) return history.violate('start', `the cluster does not come back: ${world.problem}`);
  checkHosting(world);
  const after = holdings(world);
  if (after !== before) history.violate('1', `before the restart:\n${before}\nafter it:\n${after}`);
}
