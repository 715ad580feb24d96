import type { SoleWorld } from '../world/SoleWorld.js';
import { Chaos } from './Chaos.js';
import type { ChaosKind } from './Profile.js';

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
        world.jumpNodeClock(random.between(-20_000, 20_000));
        return;
      case 'restoreBackup':
        return this.#backUpOrRestore();
    }
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
