import type { ClusterMap, MapNode } from './ClusterMap.js';

/** A node that lives, as the leader sees it. */
export interface LiveNode extends MapNode {
  /** It keeps what it has until others are ready, and gets nothing new. */
  readonly isLeaving: boolean;
  /** By shard, as it told last: 0 = holds nothing, 1 = could take over at once, 2 = serves. Null: it has not told yet. */
  readonly readiness: Uint8Array | null;
  /** It told so knowing the map that is to be changed. */
  readonly isCurrent: boolean;
}

export interface AssignInput {
  /** The map that is to be changed; null = there is none yet. */
  readonly base: ClusterMap | null;
  readonly clusterId: string;
  /** For a map that is made from nothing. */
  readonly incarnation: string;
  readonly shardCount: number;
  /** Standbys of each shard, as far as there are nodes for them. */
  readonly backups: number;
  readonly nodes: readonly LiveNode[];
  /** Epochs that owners met in logs although the map knows of none as high. */
  readonly metEpochs: ReadonlyMap<number, number>;
}

/** The next map in the making. Nodes are known by their place in `nodes`. */
export class Draft {
  readonly nodes: readonly LiveNode[];
  /** Those that may get something: all but the leaving; all when everybody leaves. */
  readonly eligible: readonly number[];
  readonly backups: number;
  /** By shard; -1 = its owner is dead, or it never had one. */
  readonly owners: number[];
  /** By shard: who is to own it in the end. Differs from the owner while the one to come is not ready. */
  readonly goals: number[];
  /** By shard, in the order of the map, without the dead. */
  readonly standbys: number[][];
  readonly #isEligible: readonly boolean[];

  constructor({ base, nodes, shardCount, backups }: AssignInput) {
    this.nodes = [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1));
    const staying = this.nodes.flatMap(({ isLeaving }, node) => (isLeaving ? [] : [node]));
    this.eligible = staying.length > 0 ? staying : this.nodes.map((_, node) => node);
    this.#isEligible = this.nodes.map((_, node) => this.eligible.includes(node));
    this.backups = backups;
    const places = (base?.nodes ?? []).map(({ id, boot }) =>
      this.nodes.findIndex((node) => node.id === id && node.boot === boot),
    );
    const shards = Array.from({ length: shardCount }, (_, shard) => shard);
    this.owners = shards.map((shard) => places[base?.owners[shard] ?? -1] ?? -1);
    this.standbys = shards.map((shard) =>
      (base?.standbys[shard] ?? []).map((at) => places[at] ?? -1).filter((node) => node >= 0),
    );
    this.goals = [...this.owners];
  }

  get shardCount(): number {
    return this.owners.length;
  }

  isEligible(node: number): boolean {
    return this.#isEligible[node] ?? false;
  }

  standbysOf(shard: number): readonly number[] {
    return this.standbys[shard] ?? [];
  }

  /** As it told last, even if it knew another map then: 0, 1, 2. */
  readiness(node: number, shard: number): number {
    return this.nodes[node]?.readiness?.[shard] ?? 0;
  }

  /** A standby that could take over now, beyond doubt. */
  isHot(node: number, shard: number): boolean {
    return this.nodes[node]?.isCurrent === true && this.readiness(node, shard) > 0;
  }

  /** Shards by node. */
  loads(owners: readonly number[]): number[] {
    const loads = this.nodes.map(() => 0);
    for (const owner of owners) if (owner >= 0) loads[owner] = (loads[owner] ?? 0) + 1;
    return loads;
  }
}

/** The one with the highest score; of equals the first. Null: there is none. */
export function best<T>(items: Iterable<T>, score: (item: T) => number): T | null {
  let found: T | null = null;
  let highest = Number.NEGATIVE_INFINITY;
  for (const item of items) {
    const reached = score(item);
    if (found !== null && reached <= highest) continue;
    found = item;
    highest = reached;
  }
  return found;
}
