import { PARTITION_COUNT, type PartitionMap, partitionsPerNode } from '@topgunbuild/core';
import type { DataPlaneStats } from '../shard/DataPlane.js';

/** What `GET /cluster` answers. */
export interface ClusterReport {
  readonly clusterId: string;
  readonly logId: string;
  readonly mapVersion: number;
  readonly incarnation: string;
  readonly partitionCount: number;
  readonly shardCount: number;
  readonly nodes: readonly NodeReportRow[];
  /** By partition: the id of the node that owns it, or null. */
  readonly owners: readonly (string | null)[];
}

export interface NodeReportRow {
  readonly id: string;
  readonly endpoint: string;
  readonly partitions: number;
  readonly shards: number;
  /** Log records that the node has still to apply. */
  readonly lag: number;
  readonly ready: boolean;
  readonly sessions: number;
  readonly records: number;
}

/** A node that is alone: it writes the log itself, so it never lags behind it. */
export function clusterReport(
  map: PartitionMap,
  logId: string,
  node: { readonly ready: boolean; readonly sessions: number; readonly stats: DataPlaneStats },
): ClusterReport {
  const partitions = partitionsPerNode(map);
  return {
    clusterId: map.clusterId,
    logId,
    mapVersion: map.version,
    incarnation: map.incarnation,
    partitionCount: PARTITION_COUNT,
    shardCount: map.shardCount,
    nodes: map.nodes.map(({ id, endpoint }, index) => ({
      id,
      endpoint,
      partitions: partitions[index] ?? 0,
      shards: map.owners.filter((owner) => owner === index).length,
      lag: 0,
      ready: node.ready,
      sessions: node.sessions,
      records: node.stats.totals.records,
    })),
    owners: Array.from({ length: PARTITION_COUNT }, (_, partition) => {
      const owner = map.owners[partition % map.shardCount] ?? -1;
      return map.nodes[owner]?.id ?? null;
    }),
  };
}
