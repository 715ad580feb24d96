import { PARTITION_COUNT, type PartitionMap, partitionsPerNode } from '@topgunbuild/core';
import type { ClusterMembership } from '../cluster/ClusterMembership.js';
import type { DataPlaneStats } from '../shard/DataPlane.js';

/** What `GET /cluster` answers: the cluster as this node sees it, and what only this node knows of itself. */
export interface ClusterReport {
  readonly clusterId: string;
  readonly logId: string;
  readonly mapVersion: number;
  readonly incarnation: string;
  readonly partitionCount: number;
  readonly shardCount: number;
  /** The id of the node that leads the cluster; null = none that is known. */
  readonly leader: string | null;
  /** The id of the node that answers. */
  readonly self: string;
  readonly nodes: readonly NodeReportRow[];
  /** By partition: the id of the node that owns it, or null. */
  readonly owners: readonly (string | null)[];
  /** By shard: the epoch of its ownership. */
  readonly epochs: readonly number[];
  /** By shard: the ids of the nodes that follow it. */
  readonly standbys: readonly (readonly string[])[];
}

/** What nodes do not know of each other is null in the rows of others: ask them. */
export interface NodeReportRow {
  readonly id: string;
  readonly endpoint: string;
  readonly partitions: number;
  readonly shards: number;
  /** Shards that it follows. */
  readonly standbys: number;
  /** Log records that it has still to apply, over the shards that it follows. */
  readonly lag: number | null;
  readonly ready: boolean | null;
  readonly sessions: number | null;
  readonly records: number | null;
}

export interface ClusterReportSources {
  readonly nodeId: string;
  readonly map: PartitionMap;
  readonly logId: string;
  readonly membership: ClusterMembership | null;
  readonly ready: boolean;
  readonly sessions: number;
  readonly stats: DataPlaneStats;
}

export function clusterReport(sources: ClusterReportSources): ClusterReport {
  const { nodeId, map, logId, membership, ready, sessions, stats } = sources;
  const partitions = partitionsPerNode(map);
  const standbys = membership?.standbys ?? map.owners.map(() => []);
  const own = { lag: lagOf(stats), ready, sessions, records: stats.totals.records };
  const unknown = { lag: null, ready: null, sessions: null, records: null };
  return {
    clusterId: map.clusterId,
    logId,
    mapVersion: map.version,
    incarnation: map.incarnation,
    partitionCount: PARTITION_COUNT,
    shardCount: map.shardCount,
    leader: membership === null ? nodeId : membership.stats.leaderId,
    self: nodeId,
    nodes: map.nodes.map(({ id, endpoint }, index) => ({
      id,
      endpoint,
      partitions: partitions[index] ?? 0,
      shards: map.owners.filter((owner) => owner === index).length,
      standbys: standbys.filter((of) => of.includes(id)).length,
      ...(id === nodeId ? own : unknown),
    })),
    owners: Array.from({ length: PARTITION_COUNT }, (_, partition) => {
      const owner = map.owners[partition % map.shardCount] ?? -1;
      return map.nodes[owner]?.id ?? null;
    }),
    epochs: map.epochs,
    standbys,
  };
}

/** A node that is alone writes the log itself, so it never lags behind it. */
function lagOf({ shards }: DataPlaneStats): number {
  return shards.reduce((lag, { lagRecords }) => lag + (lagRecords ?? 0), 0);
}
