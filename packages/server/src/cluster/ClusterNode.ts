import { type Runtime, type Timer, TopGunError } from '@topgunbuild/core';
import type { ClusterPorts } from '../backbone/Backbone.js';
import type { RegistryEntry, Watch } from '../backbone/Registry.js';
import { type Logger, SILENT } from '../Logger.js';
import type { ShardHost } from '../shard/Role.js';
import { type ClusterMap, indexInMap, MAP_KEY, rolesIn } from './ClusterMap.js';
import { type ClusterTiming, DEFAULT_CLUSTER_TIMING } from './ClusterTiming.js';
import { Controller } from './Controller.js';
import { Departure } from './Departure.js';
import { LEADER_KEY, Lease } from './Lease.js';
import { MapKeeper } from './MapKeeper.js';
import { Membership } from './Membership.js';
import { Probes } from './Probes.js';
import { NODE_KEYS } from './Registration.js';
import { tellHosting } from './tellHosting.js';

export interface ClusterNodeOptions {
  /** 1..64 characters of A-Z, a-z, 0-9, `-` and `_`. */
  readonly nodeId: string;
  /** Where clients reach the node. */
  readonly endpoint: string;
  /** The backbone must be open. */
  readonly ports: Pick<ClusterPorts, 'registry' | 'bus'>;
  /** Told of every change of what this node is to be. */
  readonly host: ShardHost;
  readonly runtime: Runtime;
  readonly clusterId: string;
  readonly shardCount: number;
  /** Standbys of each shard. Default 1. That of the leader counts. */
  readonly backups?: number | undefined;
  /** Of the program, for the registry. */
  readonly version?: string | undefined;
  readonly logger?: Logger | undefined;
  readonly timing?: Partial<ClusterTiming> | undefined;
  /** Told once when another process has taken the node's id: this one is nothing any more, and should end. */
  readonly onReplaced?: (() => void) | undefined;
}

export interface ShardOwner {
  readonly nodeId: string;
  readonly endpoint: string;
  readonly epoch: number;
}

export interface ClusterNodeStats {
  readonly isLeader: boolean;
  /** Of the leader; it grows with each new one. */
  readonly term: number;
  readonly leaderId: string | null;
  /** Of the map that this node acts on; 0 = it has none. */
  readonly version: number;
  /** Shards that this node, as a leader, gave to others because their owners had died. */
  readonly takeovers: number;
  /** Shards that this node, as a leader, moved between living nodes. */
  readonly moves: number;
}

const NODE_ID = /^[A-Za-z0-9_-]{1,64}$/;
/** Leaders renew three times within a lease: after two of these in silence something is wrong. */
const SILENT_LEASES = 2;

/**
 * One node's part in its cluster: it is registered, answers probes, knows the latest map and tells its host what to be,
 * watches the leader, and leads if it comes to that. What it believes of others is void whenever it stood still itself.
 */
export class ClusterNode {
  readonly nodeId: string;
  /** This process of the node. */
  readonly boot: string;
  readonly #options: ClusterNodeOptions;
  readonly #runtime: Runtime;
  readonly #timing: ClusterTiming;
  readonly #logger: Logger;
  readonly #probes: Probes;
  readonly #lease: Lease;
  readonly #maps: MapKeeper;
  readonly #membership: Membership;
  readonly #controller: Controller;
  readonly #listeners = new Set<(map: ClusterMap) => void>();
  #wasLeading = false;
  #hasResigned = false;
  #isClosed = false;
  #departure: Promise<void> | null = null;
  #tickedAt: number;
  #timer: Timer | null = null;
  #watch: Watch | null = null;
  #unsubscribe: (() => void) | null = null;

  private constructor(options: ClusterNodeOptions) {
    const { nodeId, endpoint, ports, host, runtime, logger = SILENT, version = '', backups = 1 } = options;
    const { clusterId, shardCount } = options;
    const { registry, bus } = ports;
    const timing = { ...DEFAULT_CLUSTER_TIMING, ...options.timing };
    this.nodeId = nodeId;
    this.boot = runtime.id();
    this.#options = options;
    this.#runtime = runtime;
    this.#timing = timing;
    this.#logger = logger;
    this.#tickedAt = runtime.monotonic();
    const self = { id: nodeId, boot: this.boot };
    const onChange = (): void => this.#changed();
    this.#probes = new Probes({ bus, runtime, timing, selfId: nodeId, onChange });
    this.#maps = new MapKeeper({ clusterId, shardCount, registry, logger, onMap: (map) => this.#onMap(map) });
    this.#membership = new Membership({
      ...{ registry, bus, runtime, timing, logger, onChange },
      self: { nodeId, boot: this.boot, endpoint, version, leaving: false },
      answer: () => tellHosting(host, this.#maps.map, self),
    });
    this.#lease = new Lease({
      ...{ self, registry, runtime, timing, logger, onChange },
      rank: () => this.#rank(),
      isDead: (leader) => this.#probes.of(leader)?.liveness === 'dead' || this.#hasOtherBoot(leader),
    });
    const [lease, membership, maps, probes] = [this.#lease, this.#membership, this.#maps, this.#probes];
    this.#controller = new Controller({
      ...{ self, clusterId, shardCount, backups, lease, membership, maps, probes, host },
      ...{ registry, runtime, timing, logger },
    });
  }

  /**
   * Registers the node, and takes part from then on. There may be no map yet: see `problem`.
   * @throws TopGunError INVALID_VALUE when the id is not one, or a living node has it; UNAVAILABLE
   */
  static async join(options: ClusterNodeOptions): Promise<ClusterNode> {
    if (!NODE_ID.test(options.nodeId)) {
      throw new TopGunError('INVALID_VALUE', 'The id of a node has 1 to 64 characters of A-Z, a-z, 0-9, - and _.');
    }
    const node = new ClusterNode(options);
    try {
      await node.#begin();
    } catch (error) {
      node.close();
      throw error;
    }
    return node;
  }

  get map(): ClusterMap | null {
    return this.#maps.map;
  }

  /** Called with each newer map, after the host. Returns the unsubscribe. */
  onMap(listener: (map: ClusterMap) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Null: nobody owns it, as far as this node knows. */
  ownerOf(shard: number): ShardOwner | null {
    const { map } = this;
    const owner = map?.nodes[map.owners[shard] ?? -1];
    if (map === null || owner === undefined) return null;
    return { nodeId: owner.id, endpoint: owner.endpoint, epoch: map.epochs[shard] ?? 0 };
  }

  /** Why this node has no part in the cluster's work now, for /readyz; null = it has. */
  get problem(): string | null {
    const { map } = this;
    if (this.#isClosed) return 'the node has left the cluster';
    if (this.#membership.isReplaced) return 'another process has taken the id of this node';
    if (map === null) return 'the cluster has no map yet';
    if (indexInMap(map, this.nodeId, this.boot) < 0) return 'the cluster has not taken this node in yet';
    const silentMs = this.#runtime.monotonic() - this.#lease.changedAt;
    if (silentMs > SILENT_LEASES * this.#timing.leaseMs) return 'the cluster cannot be reached, or has no leader';
    return null;
  }

  get stats(): ClusterNodeStats {
    const { takeovers, moves } = this.#controller;
    const { isLeading, term, leader } = this.#lease;
    return {
      isLeader: isLeading,
      term,
      leaderId: leader?.id ?? null,
      version: this.map?.version ?? 0,
      takeovers,
      moves,
    };
  }

  /**
   * Gives away what this node owns, waits until others serve it or `timeoutMs` have passed, and closes. Never fails:
   * whoever goes without is found out by the others.
   */
  leave(timeoutMs: number): Promise<void> {
    this.#departure ??= this.#leave(timeoutMs);
    return this.#departure;
  }

  /** At once, as if the process had died, but for what it has told the host. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#timer !== null) this.#runtime.clearTimer(this.#timer);
    this.#unsubscribe?.();
    this.#watch?.close();
    this.#controller.rest();
    this.#lease.close();
    this.#membership.close();
    this.#probes.close();
  }

  async #begin(): Promise<void> {
    const { registry, bus } = this.#options.ports;
    await this.#membership.register();
    this.#unsubscribe = bus.onInterrupted(() => {
      this.#probes.interrupted();
    });
    this.#watch = await registry.watch('', (key, entry) => this.#onEntry(key, entry));
    this.#membership.onPresentTold();
    this.#tickedAt = this.#runtime.monotonic();
    this.#tick();
  }

  #tick(): void {
    if (this.#isClosed) return;
    const now = this.#runtime.monotonic();
    const gapMs = now - this.#tickedAt;
    this.#tickedAt = now;
    if (gapMs >= this.#timing.awayMs) {
      this.#logger.warn({ gapMs }, 'this process stood still; it looks at the cluster anew');
      this.#lease.restart();
      this.#probes.restart();
    }
    this.#timer = this.#runtime.setTimer(this.#timing.tickMs, () => this.#tick());
    this.#membership.tick(now);
    this.#probes.tick(now);
    this.#lease.tick(now);
    this.#controller.tick(now);
  }

  #onEntry(key: string, entry: RegistryEntry | null): void {
    if (this.#isClosed) return;
    if (key === MAP_KEY) {
      this.#maps.onEntry(entry);
      this.#changed();
    } else if (key === LEADER_KEY) {
      this.#lease.onEntry(entry);
    } else if (key.startsWith(NODE_KEYS)) {
      this.#membership.onEntry(key, entry);
    }
  }

  /** Who leads, who is there, or what is known of them has changed. */
  #changed(): void {
    if (this.#isClosed) return;
    if (this.#membership.isReplaced) {
      this.#resignAll();
      return;
    }
    const { isLeading, leader } = this.#lease;
    const others = [...this.#membership.nodes.values()].map(({ nodeId: id, boot }) => ({ id, boot }));
    const targets = isLeading ? others : leader === null ? [] : [leader];
    // About to lead, or just having led: what is known of the others may be needed in a moment.
    const isBetween = !isLeading && leader?.id === this.nodeId;
    if (!isBetween) this.#probes.follow(targets.filter(({ id }) => id !== this.nodeId));
    if (isLeading && !this.#wasLeading) {
      this.#wasLeading = true;
      this.#probes.tick(this.#runtime.monotonic());
      this.#controller.lead();
    } else if (!isLeading && this.#wasLeading) {
      this.#wasLeading = false;
      this.#controller.rest();
    } else if (isLeading) {
      this.#controller.wake();
    }
  }

  #onMap(map: ClusterMap): void {
    if (this.#isClosed || this.#membership.isReplaced) return;
    this.#options.host.setRoles(rolesIn(map, this.nodeId, this.boot));
    for (const listener of [...this.#listeners]) {
      try {
        listener(map);
      } catch (error) {
        this.#logger.error({ err: error }, 'a listener failed on a new map');
      }
    }
  }

  /** Another process acts under this node's id: this one must be nothing, and stay so. */
  #resignAll(): void {
    if (this.#hasResigned) return;
    this.#hasResigned = true;
    this.#controller.rest();
    this.#lease.close();
    this.#probes.close();
    this.#options.host.setRoles(Array.from({ length: this.#options.shardCount }, () => ({ name: 'none' as const })));
    this.#options.onReplaced?.();
  }

  /** Among those who might take the lease; those who leave come last. */
  #rank(): number | null {
    if (!this.#membership.isRegistered) return null;
    const nodes = [...this.#membership.nodes.values()].filter(({ nodeId }) => nodeId !== this.#lease.leader?.id);
    nodes.sort((a, b) => Number(a.leaving) - Number(b.leaving) || (a.nodeId < b.nodeId ? -1 : 1));
    const rank = nodes.findIndex(({ nodeId }) => nodeId === this.nodeId);
    return Math.max(0, rank);
  }

  #hasOtherBoot({ id, boot }: { readonly id: string; readonly boot: string }): boolean {
    const registered = this.#membership.nodes.get(id);
    return registered !== undefined && registered.boot !== boot;
  }

  async #leave(timeoutMs: number): Promise<void> {
    if (this.#isClosed) return;
    const departure = new Departure({
      self: { id: this.nodeId, boot: this.boot },
      bus: this.#options.ports.bus,
      runtime: this.#runtime,
      timing: this.#timing,
      logger: this.#logger,
      membership: this.#membership,
      map: () => this.map,
      resign: () => this.#lease.resign(),
    });
    await departure.run(timeoutMs);
    this.close();
  }
}
