import { checkConvergence } from './checks/convergence.js';
import { checkCounters } from './checks/counters.js';
import { checkDurability } from './checks/durability.js';
import { readFinalState } from './checks/FinalState.js';
import { checkPending } from './checks/pending.js';
import { checkReads } from './checks/reads.js';
import type { Violation } from './history/History.js';
import type { Random } from './kernel/Random.js';
import type { Profile } from './workload/Profile.js';
import type { SimClient } from './workload/SimClient.js';
import { describe, type Tracer, type World } from './world/World.js';

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** How often each fault happened. */
  readonly faults: ReadonlyMap<string, number>;
  readonly events: number;
  readonly writes: number;
  readonly virtualMs: number;
}

export interface SimulationOptions<P extends Profile = Profile> {
  readonly trace?: Tracer;
  /** Changes what the seed has drawn. */
  readonly profile?: (drawn: P) => P;
}

/** How long the world may take to come to rest once nothing is broken any more. */
const REST_MS = 400_000;

/** Plays a run to its end, and tells what came of it. Whatever is thrown breaks it. */
export async function observe(seed: number, world: World, play: () => Promise<void>): Promise<Outcome> {
  const onRejection = (error: unknown): void => world.history.violate('exception', `unhandled: ${describe(error)}`);
  process.on('unhandledRejection', onRejection);
  try {
    await play();
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

/** Starts the clients, each with a user who is at work until the time is over. */
export function startClients(world: World, random: Random): void {
  for (const client of world.clients) {
    world.time.at(random.between(0, 2_000), () => client.boot());
    keepBusy(world, client, random.fork());
  }
}

function keepBusy(world: World, client: SimClient, random: Random): void {
  const { time, profile } = world;
  const next = (): void => {
    if (time.now > profile.durationMs) return;
    client.act();
    time.at(random.wait(client.profile.paceMs), next);
  };
  time.at(random.wait(client.profile.paceMs), next);
}

/** Nothing is broken any more; everything that was waiting must now come to its end. `healMs`: what still breaks ends in it. */
export async function comeToRest(world: World, healMs: number, stepMs: number): Promise<boolean> {
  const { time, faults } = world;
  const end = time.now + REST_MS;
  // Faults that are on end by themselves; what they would still break is healed at once and again.
  const heal = (): void => {
    faults.heal();
    world.network.thawAll();
    world.heal();
    for (const client of world.clients) if (!client.isRunning) client.boot();
  };
  heal();
  await time.run(time.now + healMs);
  heal();
  while (time.now < end && !isAtRest(world)) {
    await time.run(time.now + stepMs);
    for (const client of world.clients) client.refreshToken();
  }
  if (isAtRest(world)) return true;
  if (!world.isServing) world.history.violate('start', `no rest: the servers do not serve ${world.problem}`);
  for (const client of world.clients) {
    const { client: own } = client;
    const problem = `${client.profile.name} is ${own?.status} with ${own?.pendingWrites} pending writes`;
    if (own?.status !== 'online' || own.pendingWrites > 0) world.history.violate('2', `no rest: ${problem}`);
  }
  return false;
}

function isAtRest(world: World): boolean {
  return (
    world.isServing && world.clients.every(({ client }) => client?.status === 'online' && client.pendingWrites === 0)
  );
}

/** What must hold now that all is quiet. */
export function judge(world: World): void {
  const { history, profile } = world;
  if (!world.isServing) return history.violate('start', `the servers do not serve ${world.problem}`);
  const state = readFinalState(world);
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
export async function probe(world: World, random: Random, waitMs: number): Promise<void> {
  const { time, profile, history } = world;
  const key = random.pick(profile.keys);
  for (const writer of world.clients) {
    if (writer.profile.role === 'guest') continue;
    const id = writer.probe(key);
    await time.run(time.now + waitMs);
    for (const reader of world.clients) {
      if (!reader.interests.items || reader.client === null) continue;
      const shown = reader.client.getMap<{ id: string }>('items').get(key)?.id;
      if (shown === id) continue;
      history.violate('12', `${writer.profile.name} wrote ${id} to items/${key}, ${reader.profile.name} sees ${shown}`);
    }
  }
}

/** Whoever closes leaves nothing behind. */
export async function closeClients(world: World, waitMs: number): Promise<void> {
  const { time, history } = world;
  for (const client of world.clients) void client.close();
  await time.run(time.now + waitMs);
  for (const client of world.clients) {
    if (client.isRunning) history.violate('leak', `${client.profile.name} does not close`);
  }
}
