import type { TopGunClientOptions } from '@topgunbuild/client';
import type { EntryBatch } from '@topgunbuild/core';
import type { Peer } from '../../../packages/server/src/session/Peer.js';
import type { Random } from '../kernel/Random.js';
import { EPOCH_MS, SimProcess } from '../kernel/SimProcess.js';
import type { Profile } from '../workload/Profile.js';
import type { Acceptance } from './Link.js';
import { ServerDisk } from './ServerDisk.js';
import { SimNode } from './SimNode.js';
import { describe, type Tracer, World } from './World.js';

/** One node with a disk of its own, and its clients. */
export class SoleWorld extends World {
  readonly disk: ServerDisk;
  node: SimNode | null = null;
  #nodeWallOffset = 0;
  #starts = 0;

  constructor(profile: Profile, random: Random, tracer: Tracer | null) {
    super(profile, random, tracer);
    this.disk = new ServerDisk(this.time, this.storageRandom, this.faults);
  }

  connectOptions(): Pick<TopGunClientOptions, 'url'> {
    return { url: 'ws://node' };
  }

  protected accept(peer: Peer): Acceptance {
    return this.node?.accept(peer) ?? null;
  }

  rows(map: string): EntryBatch[] {
    return this.node?.rows(map) ?? [];
  }

  get isServing(): boolean {
    return this.node?.isServing === true;
  }

  get problem(): string {
    return this.node === null ? 'the node does not run' : 'the node is starting';
  }

  heal(): void {
    this.startNode();
  }

  /** The node's wall clock, whether it runs or not. */
  nodeNow(): number {
    return Math.floor(EPOCH_MS + this.time.now + this.#nodeWallOffset);
  }

  dataNow(): number {
    return this.node?.plane.now() ?? this.nodeNow();
  }

  jumpNodeClock(ms: number): void {
    this.#nodeWallOffset += ms;
    this.node?.process.jump(ms);
  }

  startNode(): void {
    if (this.node !== null) return;
    const process = new SimProcess(`node.${++this.#starts}`, this.time, this.random.fork(), this.#nodeWallOffset);
    const node = new SimNode(process, this.disk, this.faults, this.profile, this.nodeLogger(process));
    this.node = node;
    this.trace(() => `${process.name} starts`);
    node.start().catch((error: unknown) => {
      this.trace(() => `${process.name} did not start: ${describe(error)}`);
      if (this.node !== node) return;
      const isDisk = this.faults.appendFails > 0 || this.faults.diskFull;
      if (!isDisk) this.history.violate('start', `${process.name} did not start: ${describe(error)}`);
      // The service manager tries again.
      this.crashNode();
      this.time.at(1_000, () => this.startNode());
    });
  }

  crashNode(): void {
    const { node } = this;
    if (node === null) return;
    this.node = null;
    this.trace(() => `${node.process.name} is killed`);
    node.process.kill();
    this.disk.crash(node.process);
    this.network.serverDied(node.process);
  }

  /** Stops the node as SIGTERM does; a node that takes too long is killed. */
  async stopNode(checkLeaks = true): Promise<void> {
    const { node } = this;
    if (node === null) return;
    if (!node.isServing) return this.crashNode();
    const { process } = node;
    const how = await Promise.race([node.stop(), this.time.sleep(12_000)]);
    if (!process.isAlive) return;
    await this.time.sleep(50);
    if (checkLeaks && how === 'closed' && process.liveTimers.length > 0 && node.sessionCount === 0) {
      this.history.violate('leak', `${process.name} left ${process.liveTimers.join()}`);
    }
    if (this.node === node) this.crashNode();
  }
}
