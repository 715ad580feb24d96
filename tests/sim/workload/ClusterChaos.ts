import { WAYS } from '../backbone/SimBackbone.js';
import type { ClusterWorld, Place } from '../world/ClusterWorld.js';
import { Chaos } from './Chaos.js';
import type { ChaosKind } from './Profile.js';

/** What befalls nodes and what they share. */
export class ClusterChaos extends Chaos<ClusterWorld> {
  protected strikeServers(kind: ChaosKind): void {
    const { world, random } = this;
    const { faults } = world;
    const running = world.places.filter(({ member }) => member !== null);
    const wanted = world.places.filter(({ isWanted }) => isWanted);
    switch (kind) {
      case 'memberCrash':
        return this.#crash(running);
      case 'leaderCrash':
        return this.#crash(this.#leaders(running));
      case 'memberStop': {
        if (running.length === 0) return;
        const place = random.pick(running);
        void world
          .stop(place)
          .then(() => world.time.sleep(random.wait(1_000)))
          .then(() => this.#restart(place));
        return;
      }
      case 'memberLeave': {
        if (wanted.length < 2) return;
        const place = random.pick(wanted);
        place.isWanted = false;
        if (random.chance(0.2)) world.crash(place);
        else void world.stop(place);
        return;
      }
      case 'memberJoin': {
        const free = world.places.filter(({ isWanted, member }) => !isWanted && member === null);
        if (free.length > 0) world.start(random.pick(free));
        return;
      }
      case 'memberFreeze':
        if (running.length > 0) world.freeze(random.pick(running), this.#pauseMs());
        return;
      case 'leaderFreeze': {
        const leaders = this.#leaders(running);
        if (leaders.length > 0) world.freeze(random.pick(leaders), this.#pauseMs());
        return;
      }
      case 'wholeRestart':
        for (const place of running) {
          world.time.at(random.between(0, 300), () => {
            world.crash(place);
            world.time.at(random.wait(2_000), () => this.#restart(place));
          });
        }
        return;
      case 'wayCut': {
        const way = this.#anyWay();
        way?.cut();
        world.time.at(random.wait(3_000), () => way?.mend());
        return;
      }
      case 'memberCut': {
        if (world.members.length === 0) return;
        this.#cutOff([random.pick(world.members)], random.wait(4_000));
        return;
      }
      case 'outage':
        this.#cutOff(world.members, random.wait(4_000));
        return;
      case 'wayStall': {
        const ms = random.wait(1_500);
        if (random.chance(0.5)) this.#anyWay()?.stall(ms);
        else if (world.members.length > 0) {
          const { ways } = random.pick(world.members).backbone;
          for (const name of WAYS) ways[name].stall(ms);
        }
        return;
      }
      case 'backboneSlow':
        return this.during(random.wait(5_000), (on) => {
          faults.backboneMs = on ? 60 : 0.5;
        });
      case 'registryFails':
        return this.during(random.wait(5_000), (on) => {
          faults.registryFails = on ? 0.4 : 0;
        });
      case 'busLoss':
        return this.during(random.wait(5_000), (on) => {
          faults.busLoss = on ? 0.1 : 0;
        });
      case 'appendsTwice':
        return this.during(random.wait(5_000), (on) => {
          faults.appendsTwice = on ? 0.3 : 0;
        });
    }
  }

  #crash(places: readonly Place[]): void {
    if (places.length === 0) return;
    const place = this.random.pick(places);
    this.world.crash(place);
    this.world.time.at(this.random.wait(2_000), () => this.#restart(place));
  }

  #restart(place: Place): void {
    if (place.isWanted) this.world.start(place);
  }

  #leaders(running: readonly Place[]): Place[] {
    return running.filter(({ member }) => member?.core?.membership?.stats.isLeader === true);
  }

  #pauseMs(): number {
    return this.random.chance(0.7) ? this.random.wait(2_000) : this.random.between(4_000, 12_000);
  }

  #anyWay() {
    const { members } = this.world;
    return members.length === 0 ? null : this.random.pick(members).backbone.ways[this.random.pick(WAYS)];
  }

  #cutOff(members: ClusterWorld['members'], ms: number): void {
    const ways = members.flatMap(({ backbone }) => WAYS.map((name) => backbone.ways[name]));
    for (const way of ways) way.cut();
    this.world.time.at(ms, () => {
      for (const way of ways) way.mend();
    });
  }
}
