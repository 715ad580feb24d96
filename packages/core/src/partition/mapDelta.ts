import type { NodeInfo, PartitionMap } from './PartitionMap.js';

/** What two versions of a partition map differ by. */
export interface MapDelta {
  readonly incarnation: string;
  /** The version that this changes. */
  readonly base: number;
  /** The version that it makes of it. */
  readonly version: number;
  /** All nodes of the new version. */
  readonly nodes: readonly NodeInfo[];
  /** Flat triples: shard, index of its owner in `nodes` (-1 = nobody), epoch, ... Other shards keep node and epoch. */
  readonly changes: readonly number[];
}

export const MAX_MAP_NODES = 10_000;

/** What makes `to` of `from`, or null when the two have nothing in common that a delta could build on. */
export function mapDelta(from: PartitionMap, to: PartitionMap): MapDelta | null {
  const isSame = from.clusterId === to.clusterId && from.incarnation === to.incarnation;
  if (!isSame || from.shardCount !== to.shardCount || from.version >= to.version) return null;
  const changes: number[] = [];
  for (let shard = 0; shard < to.shardCount; shard++) {
    const owner = to.owners[shard] ?? -1;
    const epoch = to.epochs[shard] ?? 0;
    const keepsOwner = ownerId(from, shard) === ownerId(to, shard);
    if (!keepsOwner || from.epochs[shard] !== epoch) changes.push(shard, owner, epoch);
  }
  return { incarnation: to.incarnation, base: from.version, version: to.version, nodes: to.nodes, changes };
}

/**
 * `map` with `delta` applied. Null when it cannot be: another incarnation or version, or a delta that contradicts itself;
 * the whole map has to be asked for then.
 */
export function applyMapDelta(map: PartitionMap, delta: MapDelta): PartitionMap | null {
  const { incarnation, base, version, nodes, changes } = delta;
  if (incarnation !== map.incarnation || base !== map.version || version <= base || changes.length % 3 !== 0)
    return null;
  const places = new Map(nodes.map(({ id }, index) => [id, index]));
  const owners = map.owners.map((_, shard) => {
    const id = ownerId(map, shard);
    return id === null ? -1 : (places.get(id) ?? -1);
  });
  const epochs = [...map.epochs];
  for (let i = 0; i < changes.length; i += 3) {
    const shard = changes[i] as number;
    const owner = changes[i + 1] as number;
    if (!(shard >= 0 && shard < map.shardCount && owner >= -1 && owner < nodes.length)) return null;
    owners[shard] = owner;
    epochs[shard] = changes[i + 2] as number;
  }
  return { ...map, version, nodes, owners, epochs };
}

function ownerId(map: PartitionMap, shard: number): string | null {
  return map.nodes[map.owners[shard] ?? -1]?.id ?? null;
}
