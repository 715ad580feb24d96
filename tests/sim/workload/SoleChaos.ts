import type { SoleWorld } from '../world/SoleWorld.js';
import { Chaos } from './Chaos.js';
import type { ChaosKind } from './Profile.js';

/** What ends the process of the node. */
export const RESTARTS: readonly ChaosKind[] = ['nodeCrash', 'nodeStop', 'restoreBackup'];

/** What befalls the one node and its disk. */
export class SoleChaos extends Chaos<SoleWorld> {
  #backup: ReturnType<SoleWorld['disk']['backup']> | null = null;

  protected strikeServers(kind: ChaosKind): void {
    const { world, random } = this;
    switch (kind) {
      case 'nodeCrash':
        world.crashNode();
        world.time.at(random.wait(2_000), () => world.startNode());
        return;
      case 'nodeStop':
        void world
          .stopNode()
          .then(() => world.time.sleep(random.wait(1_000)))
          .then(() => world.startNode());
        return;
      case 'nodeClockJump':
        world.jumpNodeClock(this.#farthestJump() * random.between(-1, 1));
        return;
      case 'restoreBackup':
        return this.#backUpOrRestore();
    }
  }

  /** What a node has told of the time, and is in no data, ends with its process: set back behind that it may do harm. */
  #farthestJump(): number {
    const { chaos } = this.world.profile;
    const isRestarted = RESTARTS.some((kind) => chaos.has(kind));
    return isRestarted ? 20_000 : this.random.pick([20_000, 300_000, 3_600_000]);
  }

  /** First a backup is made; the next time the node goes back to it. */
  #backUpOrRestore(): void {
    const { world } = this;
    if (this.#backup === null) {
      this.#backup = world.disk.backup();
      return;
    }
    world.crashNode();
    world.disk.restore(this.#backup);
    this.#backup = null;
    world.history.restores++;
    world.history.wire.forgetAcks();
    world.time.at(this.random.wait(1_000), () => world.startNode());
  }
}
