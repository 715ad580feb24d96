import { PARTITION_COUNT } from './partition.js';

/** One node of a cluster as clients see it. */
export interface NodeInfo {
  readonly id: string;
  /** The WebSocket address that the node advertises to clients. */
  readonly endpoint: string;
}

/** Who owns which shard. `version` only grows within an `incarnation`; a new incarnation starts over. */
export interface PartitionMap {
  readonly clusterId: string;
  readonly incarnation: string;
  readonly version: number;
  readonly shardCount: number;
  readonly nodes: readonly NodeInfo[];
  /** By shard: the index of its owner in `nodes`, or -1 while nobody owns it. */
  readonly owners: readonly number[];
  /** By shard: the epoch of that ownership. */
  readonly epochs: readonly number[];
}

/** The node that owns `partition`, or null while nobody does. */
export function ownerOfPartition(map: PartitionMap, partition: number): NodeInfo | null {
  const index = map.owners[partition % map.shardCount];
  return index === undefined || index < 0 ? null : (map.nodes[index] ?? null);
}

/** Partitions that each node of the map owns, in the order of `nodes`. */
export function partitionsPerNode(map: PartitionMap): number[] {
  const counts = map.nodes.map(() => 0);
  for (let partition = 0; partition < PARTITION_COUNT; partition++) {
    const owner = map.owners[partition % map.shardCount] ?? -1;
    if (owner >= 0) counts[owner] = (counts[owner] ?? 0) + 1;
  }
  return counts;
}
