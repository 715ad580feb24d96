import type { Runtime } from '@topgunbuild/core';
import type { Bus } from '../backbone/Bus.js';
import type { Logger } from '../Logger.js';
import { type ClusterMap, indexInMap } from './ClusterMap.js';
import type { ClusterTiming } from './ClusterTiming.js';
import type { Membership } from './Membership.js';
import { PING, pingReplyCodec, pingSubject } from './PingReply.js';

export interface DepartureOptions {
  readonly self: { readonly id: string; readonly boot: string };
  readonly bus: Bus;
  readonly runtime: Runtime;
  readonly timing: ClusterTiming;
  readonly logger: Logger;
  readonly membership: Membership;
  readonly map: () => ClusterMap | null;
  /** Leads no longer. */
  readonly resign: () => Promise<void>;
}

const SERVES = 2;

/** A node's orderly way out of its cluster. */
export class Departure {
  readonly #options: DepartureOptions;
  #isOver = false;

  constructor(options: DepartureOptions) {
    this.#options = options;
  }

  /** Resolves when others serve what this node owned, or the time is up, and the node is no longer registered. */
  async run(timeoutMs: number): Promise<void> {
    const { logger, timing } = this.#options;
    const isDone = await this.#atMost(timeoutMs, this.#handOver());
    this.#isOver = true;
    if (!isDone) logger.warn({ timeoutMs }, 'not everything was handed over in time: others will take it');
    // Bounded as well: a registry that does not answer must not keep a node from ending.
    await this.#atMost(timing.leaseMs, this.#goodbye());
  }

  /** Whether the work is done by then. Leaves no timer behind: a process does not end before its last one. */
  #atMost(timeoutMs: number, work: Promise<void>): Promise<boolean> {
    const { runtime } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = runtime.setTimer(timeoutMs, () => resolve(false));
      work.then(() => resolve(true), reject).finally(() => runtime.clearTimer(timer));
    });
  }

  async #handOver(): Promise<void> {
    const { membership, map, timing, logger } = this.#options;
    const owned = this.#owned();
    if (this.#hasNobody()) return;
    try {
      await membership.announceLeaving();
    } catch (error) {
      logger.warn({ err: error }, 'the node could not tell that it leaves');
    }
    for (const shard of this.#owned()) owned.add(shard);
    while (!this.#isOver) {
      const present = map();
      if (this.#hasNobody()) return;
      if (present !== null && this.#owned().size === 0 && (await this.#isServed(present, owned))) return;
      await this.#pause(timing.tickMs);
    }
  }

  async #goodbye(): Promise<void> {
    await this.#options.resign();
    await this.#options.membership.deregister();
  }

  #owned(): Set<number> {
    const { self, map } = this.#options;
    const present = map();
    if (present === null) return new Set();
    const index = indexInMap(present, self.id, self.boot);
    return new Set(present.owners.flatMap((owner, shard) => (owner === index && index >= 0 ? [shard] : [])));
  }

  /** Nobody could take anything. */
  #hasNobody(): boolean {
    const { self, membership } = this.#options;
    return ![...membership.nodes.values()].some(({ nodeId, leaving }) => nodeId !== self.id && !leaving);
  }

  async #isServed(map: ClusterMap, shards: ReadonlySet<number>): Promise<boolean> {
    const { bus, timing } = this.#options;
    const owners = new Set([...shards].map((shard) => map.owners[shard] ?? -1));
    for (const owner of owners) {
      const node = map.nodes[owner];
      if (node === undefined) return false;
      try {
        const answer = await bus.request(pingSubject(node.id), PING, timing.probeTimeoutMs);
        const readiness = pingReplyCodec.decode(answer)?.readiness;
        const isServing = (shard: number): boolean => map.owners[shard] !== owner || readiness?.[shard] === SERVES;
        if (![...shards].every(isServing)) return false;
      } catch {
        return false;
      }
    }
    return true;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.runtime.setTimer(ms, resolve);
    });
  }
}
