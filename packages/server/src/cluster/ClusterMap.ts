import type { PartitionMap } from '@topgunbuild/core';
import { z } from 'zod';
import type { Role } from '../shard/Role.js';
import { type DocumentCodec, documentCodec } from './documentCodec.js';

/** One process of a node. `boot` is new at each start: who comes back under the same id has none of its former roles. */
export interface MapNode {
  readonly id: string;
  readonly boot: string;
  /** Where clients reach it. */
  readonly endpoint: string;
}

/**
 * Who is what for which shard. There is one at a time, in the registry, and only the leader changes it, by
 * compare-and-set. `version` and each shard's epoch only grow within an incarnation; the epoch of a shard grows with every
 * change of its owner, a new boot of the same node included.
 */
export interface ClusterMap {
  readonly clusterId: string;
  /** New when the map had to be made from nothing. */
  readonly incarnation: string;
  readonly version: number;
  readonly shardCount: number;
  readonly nodes: readonly MapNode[];
  /** By shard: index of its owner in `nodes`; -1 = nobody. */
  readonly owners: readonly number[];
  /** By shard: the epoch of that ownership. */
  readonly epochs: readonly number[];
  /** By shard: indexes in `nodes` of those who follow its log, never the owner. The first `backups` are meant to stay. */
  readonly standbys: readonly (readonly number[])[];
}

export const MAP_KEY = 'map';
const MAX_NODES = 1_000;
const MAX_SHARDS = 271;

const count = z.number().int().min(0);
const index = z.number().int().min(-1);

const schema: z.ZodType<ClusterMap> = z
  .object({
    clusterId: z.string().min(1),
    incarnation: z.string().min(1),
    version: count.min(1),
    shardCount: count.min(1).max(MAX_SHARDS),
    nodes: z
      .array(z.object({ id: z.string().min(1), boot: z.string().min(1), endpoint: z.string().min(1) }))
      .max(MAX_NODES),
    owners: z.array(index).max(MAX_SHARDS),
    epochs: z.array(count).max(MAX_SHARDS),
    standbys: z.array(z.array(count).max(MAX_NODES)).max(MAX_SHARDS),
  })
  .refine(({ shardCount, nodes, owners, epochs, standbys }) => {
    const isNode = (at: number): boolean => at < nodes.length;
    return (
      [owners, epochs, standbys].every((column) => column.length === shardCount) &&
      new Set(nodes.map(({ id }) => id)).size === nodes.length &&
      owners.every(isNode) &&
      standbys.every((row, shard) => {
        const roles = new Set(row).add(owners[shard] ?? -1);
        return row.every(isNode) && roles.size === row.length + 1;
      })
    );
  });

export const clusterMapCodec: DocumentCodec<ClusterMap> = documentCodec(schema);

/** What clients are told of it. */
export function toPartitionMap(map: ClusterMap): PartitionMap {
  const { clusterId, incarnation, version, shardCount, owners, epochs } = map;
  const nodes = map.nodes.map(({ id, endpoint }) => ({ id, endpoint }));
  return { clusterId, incarnation, version, shardCount, nodes, owners, epochs };
}

/** The place of a process in the map; -1 = it has none, even if another process of the same node has. */
export function indexInMap(map: ClusterMap, id: string, boot: string): number {
  return map.nodes.findIndex((node) => node.id === id && node.boot === boot);
}

/** What a process is to be, by shard. */
export function rolesIn(map: ClusterMap, id: string, boot: string): Role[] {
  const self = indexInMap(map, id, boot);
  return map.owners.map((owner, shard): Role => {
    if (self < 0) return { name: 'none' };
    if (owner === self) return { name: 'owner', epoch: map.epochs[shard] ?? 0 };
    return { name: map.standbys[shard]?.includes(self) === true ? 'standby' : 'none' };
  });
}
