import type { Random } from '../kernel/Random.js';
import type { World } from '../world/World.js';
import type { ChaosKind } from './Profile.js';

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

/** Breaks things at random until it is told to stop. What befalls servers is for those who know which there are. */
export abstract class Chaos<W extends World> {
  protected readonly world: W;
  protected readonly random: Random;
  #isOver = false;

  constructor(world: W, random: Random) {
    this.world = world;
    this.random = random;
  }

  protected abstract strikeServers(kind: ChaosKind): void;

  start(): void {
    for (const [kind, meanMs] of this.world.profile.chaos) this.#plan(kind, meanMs);
  }

  stop(): void {
    this.#isOver = true;
  }

  #plan(kind: ChaosKind, meanMs: number): void {
    this.world.time.at(this.random.wait(meanMs), () => {
      if (this.#isOver) return;
      this.world.trace(() => `chaos: ${kind}`);
      this.world.faults.count(kind);
      this.#strike(kind);
      this.#plan(kind, meanMs);
    });
  }

  #strike(kind: ChaosKind): void {
    const world = this.world;
    const random = this.random;
    const { faults } = world;
    switch (kind) {
      case 'cut': {
        const links = world.network.open();
        if (links.length === 0) return;
        if (random.chance(0.2)) for (const link of links) link.cut();
        else random.pick(links).cut();
        return;
      }
      case 'freeze': {
        const links = world.network.open();
        if (links.length === 0) return;
        const link = random.pick(links);
        const direction = random.int(3);
        link.freeze(direction !== 0, direction !== 1);
        world.time.at(random.wait(10_000), () => (random.chance(0.7) || this.#isOver ? link.thaw() : link.cut()));
        return;
      }
      case 'refuse':
        if (random.chance(0.5))
          return this.during(random.wait(5_000), (on) => {
            faults.refusing = on;
          });
        return this.during(random.wait(5_000), (on) => {
          faults.unreachable = on;
        });
      case 'slowReader': {
        const links = world.network.open();
        if (links.length === 0) return;
        const link = random.pick(links);
        link.slowDown(random.between(0.05, 2));
        world.time.at(random.wait(8_000), () => link.slowDown(Number.POSITIVE_INFINITY));
        return;
      }
      case 'latency':
        faults.latencyMs = random.pick([1, 5, 50, 400]);
        return;
      case 'diskSlow':
        return this.during(random.wait(5_000), (on) => {
          faults.diskMs = on ? 300 : 2;
        });
      case 'appendFails':
        return this.during(random.wait(6_000), (on) => {
          faults.appendFails = on ? 0.5 : 0;
        });
      case 'appendFailsAfter':
        return this.during(random.wait(6_000), (on) => {
          faults.appendFailsAfter = on ? 0.5 : 0;
        });
      case 'diskFull':
        return this.during(random.wait(5_000), (on) => {
          faults.diskFull = on;
        });
      case 'clientCrash': {
        const client = random.pick(world.clients);
        if (!client.isRunning) return;
        client.crash();
        world.time.at(random.wait(2_000), () => {
          if (!client.isRunning) client.boot();
        });
        return;
      }
      case 'clientRestart': {
        const client = random.pick(world.clients);
        if (!client.isRunning) return;
        void client
          .close()
          .then(() => world.time.sleep(random.wait(500)))
          .then(() => {
            if (!client.isRunning) client.boot();
          });
        return;
      }
      case 'commitFails':
        return this.during(random.wait(5_000), (on) => {
          faults.clientCommitFails = on ? 0.6 : 0;
        });
      case 'commitSlow':
        return this.during(random.wait(5_000), (on) => {
          faults.clientCommitMs = on ? 500 : 2;
        });
      case 'clockJump':
        random.pick(world.clients).jumpClock(random.pick([-HOUR, HOUR, YEAR, -YEAR, 5_000, -5_000]));
        return;
      case 'authDown':
        return this.during(random.wait(4_000), (on) => {
          faults.authDown = on;
        });
      case 'tokenSwap':
        random.pick(world.clients).refreshToken();
        return;
      default:
        return this.strikeServers(kind);
    }
  }

  protected during(ms: number, set: (on: boolean) => void): void {
    set(true);
    this.world.time.at(ms, () => set(false));
  }
}
