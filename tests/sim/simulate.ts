import { checkConvergence } from './checks/convergence.js';
import { checkCounters } from './checks/counters.js';
import { checkDurability } from './checks/durability.js';
import { fingerprint, readFinalState } from './checks/FinalState.js';
import { checkPending } from './checks/pending.js';
import { checkReads } from './checks/reads.js';
import type { Violation } from './history/History.js';
import { Random } from './kernel/Random.js';
import { Chaos } from './workload/Chaos.js';
import { drawProfile, type Profile } from './workload/Profile.js';
import type { SimClient } from './workload/SimClient.js';
import { describe, type Tracer, World } from './world/World.js';

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** How often each fault happened. */
  readonly faults: ReadonlyMap<string, number>;
  readonly events: number;
  readonly writes: number;
  readonly virtualMs: number;
}

export interface SimulationOptions {
  readonly trace?: Tracer;
  /** Changes what the seed has drawn. */
  readonly profile?: (drawn: Profile) => Profile;
}

/** How long the world may take to come to rest once nothing is broken any more. */
const REST_MS = 400_000;
/** Longer than any time-out, wait or lifetime in the workload. */
const QUIET_MS = 100_000;

/** One run: a while of work under faults, then rest, then judgement. The seed decides all of it. */
export async function simulate(seed: number, options: SimulationOptions = {}): Promise<Outcome> {
  const random = new Random(seed);
  const drawn = drawProfile(random);
  const world = new World(options.profile?.(drawn) ?? drawn, random, options.trace ?? null);
  const onRejection = (error: unknown): void => world.history.violate('exception', `unhandled: ${describe(error)}`);
  process.on('unhandledRejection', onRejection);
  try {
    await play(world, random);
  } catch (error) {
    world.history.violate('exception', describe(error));
  } finally {
    process.off('unhandledRejection', onRejection);
  }
  return {
    seed,
    violations: world.history.violations,
    faults: world.faults.counts,
    events: world.time.events,
    writes: world.history.writes.length,
    virtualMs: world.time.now,
  };
}

async function play(world: World, random: Random): Promise<void> {
  const { time, profile } = world;
  const chaos = new Chaos(world, random.fork());
  world.startNode();
  for (const client of world.clients) {
    time.at(random.between(0, 2_000), () => client.boot());
    keepBusy(world, client, random.fork());
  }
  chaos.start();
  await time.run(profile.durationMs);
  chaos.stop();
  if (!(await comeToRest(world))) return;
  judge(world);
  if (world.history.violations.length > 0) return;
  await probe(world, random);
  await restartAndClose(world);
}

/** The user of one client, who is at work until the time is over. */
function keepBusy(world: World, client: SimClient, random: Random): void {
  const { time, profile } = world;
  const next = (): void => {
    if (time.now > profile.durationMs) return;
    client.act();
    time.at(random.wait(client.profile.paceMs), next);
  };
  time.at(random.wait(client.profile.paceMs), next);
}

/** Nothing is broken any more; everything that was waiting must now come to its end. */
async function comeToRest(world: World): Promise<boolean> {
  const { time, faults } = world;
  const end = time.now + REST_MS;
  // Faults that are on end by themselves; what they would still break is healed at once and again.
  const heal = (): void => {
    faults.heal();
    world.network.thawAll();
    world.startNode();
    for (const client of world.clients) if (!client.isRunning) client.boot();
  };
  heal();
  await time.run(time.now + 30_000);
  heal();
  while (time.now < end && !isAtRest(world)) {
    await time.run(time.now + 5_000);
    for (const client of world.clients) client.refreshToken();
  }
  if (!isAtRest(world)) {
    for (const client of world.clients) {
      const { client: own } = client;
      const problem = `${client.profile.name} is ${own?.status} with ${own?.pendingWrites} pending writes`;
      if (own?.status !== 'online' || own.pendingWrites > 0) world.history.violate('2', `no rest: ${problem}`);
    }
    return false;
  }
  await time.run(time.now + QUIET_MS);
  return true;
}

function isAtRest(world: World): boolean {
  return (
    world.node?.isServing === true &&
    world.clients.every(({ client }) => client?.status === 'online' && client.pendingWrites === 0)
  );
}

function judge(world: World): void {
  const { history, profile, node } = world;
  if (node === null) return history.violate('start', 'the node does not run');
  const state = readFinalState(node);
  for (const client of world.clients) client.lookAll();
  checkConvergence(world, state);
  checkDurability(history, state, profile.shortRetention);
  checkPending(history);
  if (history.restores > 0) return;
  const guests = profile.clients.filter(({ role }) => role === 'guest').map(({ name }) => name);
  checkCounters(history, state, profile.keys, (client) => !guests.includes(client));
  checkReads(history);
}

/** Promise 12: whatever its clock says, everybody's next write wins, and is overwritten by the next. */
async function probe(world: World, random: Random): Promise<void> {
  const { time, profile, history } = world;
  const key = random.pick(profile.keys);
  for (const writer of world.clients) {
    if (writer.profile.role === 'guest') continue;
    const id = writer.probe(key);
    await time.run(time.now + 3_000);
    for (const reader of world.clients) {
      if (!reader.interests.items || reader.client === null) continue;
      const shown = reader.client.getMap<{ id: string }>('items').get(key)?.id;
      if (shown === id) continue;
      history.violate('12', `${writer.profile.name} wrote ${id} to items/${key}, ${reader.profile.name} sees ${shown}`);
    }
  }
}

/** What the node has it finds again on its disk; and whoever closes leaves nothing behind. */
async function restartAndClose(world: World): Promise<void> {
  const { time, history } = world;
  if (world.node === null) return;
  const before = fingerprint(readFinalState(world.node));
  world.crashNode();
  world.startNode();
  await time.run(time.now + 40_000);
  if (!world.node.isServing) return history.violate('start', 'the node does not come back');
  const after = fingerprint(readFinalState(world.node));
  if (after !== before) history.violate('1', `before the restart:\n${before}\nafter it:\n${after}`);
  for (const client of world.clients) void client.close();
  await time.run(time.now + 10_000);
  for (const client of world.clients) {
    if (client.isRunning) history.violate('leak', `${client.profile.name} does not close`);
  }
  void world.stopNode();
  await time.run(time.now + 60_000);
}
