import type { Runtime } from '@topgunbuild/core';
import type { Registry } from '../backbone/Registry.js';
import type { Logger } from '../Logger.js';
import type { ShardHost } from '../shard/Role.js';
import { assign } from './assign.js';
import { type ClusterMap, indexInMap } from './ClusterMap.js';
import type { ClusterTiming } from './ClusterTiming.js';
import type { LiveNode } from './Draft.js';
import type { Lease } from './Lease.js';
import type { MapKeeper } from './MapKeeper.js';
import type { Membership, RegisteredNode } from './Membership.js';
import type { Probes } from './Probes.js';
import { nodeKey } from './Registration.js';
import { tellHosting } from './tellHosting.js';

export interface ControllerOptions {
  readonly self: { readonly id: string; readonly boot: string };
  readonly clusterId: string;
  readonly shardCount: number;
  readonly backups: number;
  readonly lease: Lease;
  readonly membership: Membership;
  readonly maps: MapKeeper;
  readonly probes: Probes;
  readonly host: ShardHost;
  readonly registry: Registry;
  readonly runtime: Runtime;
  readonly timing: ClusterTiming;
  readonly logger: Logger;
}

/**
 * What the leader does: it looks at who lives and how far they are, and writes the map that follows. One thought at a
 * time; what changes meanwhile leads to another. It decides nothing from before it led: the map is read anew, and every
 * node is heard first.
 *
 *   idle ──lead──> gathering ──all heard, or time is up──> deciding ──rest──> idle
 */
export class Controller {
  readonly #options: ControllerOptions;
  /** Since when this node leads; null = it does not. */
  #leadsSince: number | null = null;
  /** The map was read since. */
  #knowsMap = false;
  /** Since when nobody who lives owns anything; null = somebody does. */
  #coldSince: number | null = null;
  #isThinking = false;
  #hasNews = false;
  #isBurying = false;
  #thinkAgainAt = Number.NEGATIVE_INFINITY;
  #buryAgainAt = Number.NEGATIVE_INFINITY;
  #takeovers = 0;
  #moves = 0;

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  /** Shards that got a new owner because the former one had died. */
  get takeovers(): number {
    return this.#takeovers;
  }

  /** Shards that got a new owner while the former one lived. */
  get moves(): number {
    return this.#moves;
  }

  lead(): void {
    this.#leadsSince = this.#now();
    this.#knowsMap = false;
    this.#coldSince = null;
    this.#thinkAgainAt = Number.NEGATIVE_INFINITY;
    this.wake();
  }

  rest(): void {
    this.#leadsSince = null;
  }

  /** Something that the map may depend on has changed. */
  wake(): void {
    this.#hasNews = true;
    if (!this.#isThinking) void this.#think();
  }

  tick(now: number): void {
    if (this.#leadsSince === null) return;
    if (this.#hasNews && !this.#isThinking) void this.#think();
    if (!this.#isBurying && now >= this.#buryAgainAt) void this.#bury();
  }

  async #think(): Promise<void> {
    const { logger, maps, timing } = this.#options;
    this.#isThinking = true;
    try {
      while (this.#hasNews && this.#mayThink()) {
        if (!this.#knowsMap) {
          await maps.refresh();
          this.#knowsMap = true;
          continue;
        }
        const nodes = this.#liveNodes();
        if (nodes.length === 0 || !this.#hasHeardAll() || !this.#hasSettled(nodes)) return;
        this.#hasNews = false;
        const next = this.#next(nodes);
        if (next !== null) await this.#write(next);
      }
    } catch (error) {
      logger.warn({ err: error }, 'the map of the cluster could not be changed; trying again');
      // Whether it was written or not: the registry knows.
      this.#knowsMap = false;
      this.#hasNews = true;
      this.#thinkAgainAt = this.#now() + timing.retryMs;
    } finally {
      this.#isThinking = false;
    }
  }

  #mayThink(): boolean {
    return this.#leadsSince !== null && this.#options.lease.isLeading && this.#now() >= this.#thinkAgainAt;
  }

  /** Null: all is as it should be. */
  #next(nodes: readonly LiveNode[]): ClusterMap | null {
    const { clusterId, shardCount, backups, maps, runtime } = this.#options;
    const base = maps.map;
    const incarnation = base?.incarnation ?? runtime.id(8);
    const metEpochs = this.#metEpochs();
    const next = assign({ base, clusterId, incarnation, shardCount, backups, nodes, metEpochs });
    if (next !== base) return next;
    return maps.isMissing ? { ...next, version: next.version + 1 } : null;
  }

  async #write(next: ClusterMap): Promise<void> {
    const { maps, logger } = this.#options;
    const base = maps.map;
    const isWritten = await maps.replace(next);
    // Planned moves go on with the new map, a lost race with that of the winner.
    this.#hasNews = true;
    if (!isWritten) {
      this.#knowsMap = false;
      return;
    }
    const { takeovers, moves } = countChanges(base, next);
    this.#takeovers += takeovers;
    this.#moves += moves;
    const nodes = next.nodes.map(({ id }) => id);
    logger.info({ version: next.version, nodes, takeovers, moves }, 'the cluster has a new map');
  }

  /** Whoever is in the map lives until it is known to be dead; whoever is not, once it has answered. */
  #liveNodes(): LiveNode[] {
    const { self, membership, maps, probes, host } = this.#options;
    const { map } = maps;
    return [...membership.nodes.values()].flatMap(({ nodeId: id, boot, endpoint, leaving }): LiveNode[] => {
      const node = { id, boot, endpoint, isLeaving: leaving };
      if (id === self.id) {
        const { readiness } = tellHosting(host, map, self);
        return boot === self.boot ? [{ ...node, readiness, isCurrent: true }] : [];
      }
      const probe = probes.of({ id, boot });
      const isMember = map !== null && indexInMap(map, id, boot) >= 0;
      if (probe?.liveness === 'dead' || (probe?.liveness !== 'alive' && !isMember)) return [];
      const reply = probe?.reply ?? null;
      const isCurrent = reply !== null && reply.mapVersion === map?.version;
      return [{ ...node, readiness: reply?.readiness ?? null, isCurrent }];
    });
  }

  /** A new leader knows little of the others: it asks before it chooses among them. */
  #hasHeardAll(): boolean {
    const { membership, probes, timing } = this.#options;
    if (this.#leadsSince === null || this.#now() >= this.#leadsSince + timing.gatherMs) return true;
    return [...membership.nodes.values()].every((node) => this.#isSelf(node) || this.#isHeard(node, probes));
  }

  #isHeard({ nodeId: id, boot }: RegisteredNode, probes: Probes): boolean {
    const liveness = probes.of({ id, boot })?.liveness;
    return liveness === 'alive' || liveness === 'dead';
  }

  /** While nothing is served anyway, those who start at the same time are awaited: nothing has to move afterwards. */
  #hasSettled(nodes: readonly LiveNode[]): boolean {
    const { membership, maps, timing } = this.#options;
    const { map } = maps;
    const isAlive = (at: number): boolean => {
      const owner = map?.nodes[at];
      return owner !== undefined && nodes.some(({ id, boot }) => id === owner.id && boot === owner.boot);
    };
    if (map?.owners.some(isAlive) === true) {
      this.#coldSince = null;
      return true;
    }
    const now = this.#now();
    this.#coldSince ??= now;
    // Those that died, and did not leave, are likely to be started again as well.
    const isAwaited = [...membership.nodes.values()].some(
      ({ nodeId, boot }) =>
        map !== null && indexInMap(map, nodeId, boot) >= 0 && !nodes.some(({ id }) => id === nodeId),
    );
    const isQuiet = !isAwaited && now - Math.max(this.#coldSince, membership.joinedAt) >= timing.settleMs;
    return isQuiet || now - this.#coldSince >= timing.settleMaxMs;
  }

  #metEpochs(): Map<number, number> {
    const { self, membership, maps, probes, host } = this.#options;
    const { map } = maps;
    const met = new Map<number, number>();
    if (map === null) return met;
    const add = (shards: readonly number[], node: number): void => {
      for (let i = 0; i + 1 < shards.length; i += 2) {
        const [shard, epoch] = [shards[i] ?? -1, shards[i + 1] ?? 0];
        if (node >= 0 && map.owners[shard] === node) met.set(shard, epoch);
      }
    };
    add(tellHosting(host, map, self).metEpochs, indexInMap(map, self.id, self.boot));
    for (const { nodeId: id, boot } of membership.nodes.values()) {
      const reply = probes.of({ id, boot })?.reply;
      // Told of an older map, it may be mended already.
      if (reply?.mapVersion === map.version) add(reply.metEpochs, indexInMap(map, id, boot));
    }
    return met;
  }

  /** Removes the registrations of dead processes that the map knows no more. Living ones register again. */
  async #bury(): Promise<void> {
    const { lease, membership, maps, probes, registry, logger, timing } = this.#options;
    const { map } = maps;
    const dead = [...membership.nodes.values()].find(({ nodeId: id, boot }) => {
      const isMember = map === null || indexInMap(map, id, boot) >= 0;
      return !isMember && probes.of({ id, boot })?.liveness === 'dead';
    });
    if (dead === undefined || !lease.isLeading) return;
    this.#isBurying = true;
    try {
      await registry.delete(nodeKey(dead.nodeId), dead.revision);
      logger.warn({ nodeId: dead.nodeId }, 'a node does not answer: it is no longer part of the cluster');
    } catch (error) {
      logger.debug({ err: error }, 'a registration could not be removed');
    } finally {
      this.#isBurying = false;
      this.#buryAgainAt = this.#now() + timing.retryMs;
    }
  }

  #isSelf({ nodeId }: RegisteredNode): boolean {
    return nodeId === this.#options.self.id;
  }

  #now(): number {
    return this.#options.runtime.monotonic();
  }
}

function countChanges(base: ClusterMap | null, next: ClusterMap): { takeovers: number; moves: number } {
  const counts = { takeovers: 0, moves: 0 };
  if (base === null) return counts;
  next.owners.forEach((owner, shard) => {
    const former = base.nodes[base.owners[shard] ?? -1];
    if (former === undefined || next.nodes[owner] === undefined) return;
    const { id, boot } = former;
    if (indexInMap(next, id, boot) < 0) counts.takeovers++;
    else if (indexInMap(next, id, boot) !== owner) counts.moves++;
  });
  return counts;
}
