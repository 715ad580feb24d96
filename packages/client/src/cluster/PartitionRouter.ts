import {
  applyMapDelta,
  type MapDelta,
  type NotOwnerShard,
  PARTITION_COUNT,
  type PartitionMap,
  partitionOf,
  shardOfPartition,
} from '@topgunbuild/core';

/** Who can be reached; the pool's to know. */
export interface Reachability {
  /** Whether operations can be sent to this node now. */
  isUsable(nodeId: string): boolean;
  /** Ids of all nodes that operations can be sent to now. */
  usableNodes(): readonly string[];
}

export interface Route {
  readonly nodeId: string;
  /** True: to the owner. False: to a node that forwards. */
  readonly isDirect: boolean;
}

export interface KeyOwner {
  readonly nodeId: string;
  readonly partition: number;
}

/** Operations by the way they went. */
export interface RoutingMetrics {
  /** Sent to the owner of their key. */
  readonly directRoutes: number;
  /** Sent to another node, to be forwarded. */
  readonly fallbackRoutes: number;
  /** Of keys that nobody is known to own. */
  readonly partitionMisses: number;
  /** Sent again because the node said that it is not the owner. */
  readonly notOwnerRetries: number;
  readonly totalRoutes: number;
}

export const NO_ROUTES: RoutingMetrics = {
  directRoutes: 0,
  fallbackRoutes: 0,
  partitionMisses: 0,
  notOwnerRetries: 0,
  totalRoutes: 0,
};

/** taken: it is the map now · known: nothing new · refused: not one of ours · unfit: a change of another map, ask for the whole one. */
export type MapVerdict = 'taken' | 'known' | 'refused' | 'unfit';

interface Learned {
  readonly nodeId: string;
  readonly epoch: number;
}

/**
 * Where operations go: the partition map, what NOT_OWNER has taught since it was made, and who can be reached. Versions of the
 * map only go forward; a map of another cluster, or one that lists no nodes, changes nothing: unknown is never gone.
 */
export class PartitionRouter {
  readonly #reach: Reachability;
  #map: PartitionMap | null = null;
  /** By shard; of shards whose owner was told in a later epoch than the map's. */
  readonly #learned = new Map<number, Learned>();
  /** By shard; derived from both. */
  #owners: (string | null)[] = [];
  #isBehind = false;
  readonly #counts = { direct: 0, fallback: 0, misses: 0, notOwner: 0 };

  constructor(reach: Reachability) {
    this.#reach = reach;
  }

  get map(): PartitionMap | null {
    return this.#map;
  }

  get version(): number {
    return this.#map?.version ?? 0;
  }

  /** Null while there is no map. */
  get shardCount(): number | null {
    return this.#map?.shardCount ?? null;
  }

  /** Something newer than the map has been heard of. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  get metrics(): RoutingMetrics {
    const { direct, fallback, misses, notOwner } = this.#counts;
    const totalRoutes = direct + fallback;
    return {
      directRoutes: direct,
      fallbackRoutes: fallback,
      partitionMisses: misses,
      notOwnerRetries: notOwner,
      totalRoutes,
    };
  }

  /** Takes the whole map of the version, or what changed since the last one. */
  updateMap(next: PartitionMap | MapDelta): MapVerdict {
    const current = this.#map;
    if (!('owners' in next)) {
      if (current === null || next.incarnation !== current.incarnation) return 'unfit';
      if (next.version <= current.version) return 'known';
      const map = applyMapDelta(current, next);
      return map === null ? 'unfit' : this.updateMap(map);
    }
    if (next.nodes.length === 0 || next.version < 1) return 'refused';
    if (current !== null) {
      if (next.clusterId !== current.clusterId) return 'refused';
      if (next.incarnation === current.incarnation && next.version <= current.version) {
        if (next.version === current.version) this.#isBehind = false;
        return 'known';
      }
      if (next.incarnation !== current.incarnation) this.#learned.clear();
    }
    this.#map = next;
    for (const [shard, { epoch }] of this.#learned) {
      if (shard >= next.shardCount || epoch <= (next.epochs[shard] ?? 0)) this.#learned.delete(shard);
    }
    this.#isBehind = this.#learned.size > 0;
    this.#derive(next);
    return 'taken';
  }

  /** Starts over, for another cluster. */
  reset(): void {
    this.#map = null;
    this.#learned.clear();
    this.#owners = [];
    this.#isBehind = false;
  }

  /** The owner of a shard; null while none is known. */
  ownerOfShard(shard: number): string | null {
    return this.#owners[shard] ?? null;
  }

  /** The owner of `key`; null while there is no map, or nobody owns it. */
  getOwner(key: string): KeyOwner | null {
    const partition = partitionOf(key);
    const nodeId = this.#map === null ? null : this.ownerOfShard(shardOfPartition(partition, this.#map.shardCount));
    return nodeId === null ? null : { nodeId, partition };
  }

  /** Owners that NOT_OWNER has told of, and the map does not know yet. */
  get learnedNodes(): readonly string[] {
    return [...this.#learned.values()].map(({ nodeId }) => nodeId);
  }

  get partitionCount(): number {
    return PARTITION_COUNT;
  }

  /** Where to send an operation on `key`; null: nobody can be reached. */
  route(key: string): Route | null {
    return this.routeShard(this.#map === null ? null : shardOfPartition(partitionOf(key), this.#map.shardCount));
  }

  /** Where to send operations of a shard (null: it is not known which); null: nobody can be reached. */
  routeShard(shard: number | null): Route | null {
    const owner = shard === null ? null : this.ownerOfShard(shard);
    if (owner !== null && this.#reach.isUsable(owner)) return { nodeId: owner, isDirect: true };
    const nodes = this.#reach.usableNodes();
    // Always the same one as long as the same ones are there: operations of a key stay in their order.
    const nodeId = nodes[(shard ?? 0) % Math.max(1, nodes.length)];
    return nodeId === undefined ? null : { nodeId, isDirect: false };
  }

  /** Counts operations of a shard that were sent. */
  count(shard: number | null, isDirect: boolean, ops: number): void {
    if (isDirect) this.#counts.direct += ops;
    else this.#counts.fallback += ops;
    if (shard === null || this.ownerOfShard(shard) === null) this.#counts.misses += ops;
  }

  /**
   * `fromNode` said that these shards are not its own; `ops`: operations that have to be sent again. An owner of a later
   * epoch than what is known is believed at once. Returns whether all of them have another way to go now.
   */
  handleNotOwner(shards: readonly NotOwnerShard[], fromNode: string, ops = 0): boolean {
    this.#counts.notOwner += ops;
    let hasProgress = true;
    for (const { shard, owner, epoch } of shards) {
      const known = this.#learned.get(shard)?.epoch ?? this.#map?.epochs[shard] ?? 0;
      if (owner !== '' && epoch > known && shard < (this.#map?.shardCount ?? 0)) {
        this.#learned.set(shard, { nodeId: owner, epoch });
        this.#owners[shard] = owner;
        this.#isBehind = true;
      }
      if (this.ownerOfShard(shard) === fromNode) {
        hasProgress = false;
        this.#isBehind = true;
      }
    }
    return hasProgress;
  }

  #derive(map: PartitionMap): void {
    this.#owners = map.owners.map((index) => map.nodes[index]?.id ?? null);
    for (const [shard, { nodeId }] of this.#learned) this.#owners[shard] = nodeId;
  }
}
