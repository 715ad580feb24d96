import type { ClusterMembership } from '../cluster/ClusterMembership.js';
import type { DataPlaneStats, ShardStats } from '../shard/DataPlane.js';
import type { MetricsText, Sample } from './MetricsText.js';

/** Each shard of this node, and the node's place in its cluster. */
export function writeShards(
  text: MetricsText,
  { shards, totals }: DataPlaneStats,
  membership: Pick<ClusterMembership, 'map' | 'stats'> | null,
): void {
  const hosted = shards.filter(({ role }) => role !== 'none');
  const owned = hosted.filter(({ role }) => role === 'owner');
  const followed = hosted.filter(({ role }) => role === 'standby');
  const each = (of: readonly ShardStats[], value: (shard: ShardStats) => number | null): Sample[] =>
    of.flatMap((stats): Sample[] => {
      const known = value(stats);
      return known === null ? [] : [[known, { shard: stats.shard }]];
    });
  text.gauge(
    'topgun_shards',
    'Shards of this node, by role.',
    [owned.length, { role: 'owner' }],
    [followed.length, { role: 'standby' }],
  );
  text.gauge('topgun_shard_records', 'Records of a shard.', ...each(hosted, ({ records }) => records));
  text.counter(
    'topgun_shard_ops_total',
    'Operations that changed a record.',
    ...each(owned, ({ opsApplied }) => opsApplied),
  );
  text.counter('topgun_shard_appends_total', 'Log records appended.', ...each(owned, ({ appends }) => appends));
  text.gauge('topgun_shard_epoch', 'Epoch of the ownership, as in the log.', ...each(hosted, ({ epoch }) => epoch));
  text.gauge(
    'topgun_standby_lag_records',
    'Log records that a standby has still to apply, at most.',
    ...each(followed, ({ lagRecords }) => lagRecords),
  );
  text.gauge(
    'topgun_standby_lag_seconds',
    'Since a standby was last known to be at the head of the log.',
    ...each(followed, ({ lagMs }) => (lagMs === null ? null : lagMs / 1_000)),
  );
  text.counter('topgun_appends_fenced_total', 'Log records refused because another node had taken the shard over.', [
    totals.appendsFenced,
  ]);
  text.counter('topgun_shard_takeovers_total', 'Shards that this node took over.', [totals.takeovers]);
  text.gauge(
    'topgun_shard_takeover_seconds',
    'The last takeover of a shard, from being told to serving.',
    ...each(hosted, ({ lastTakeoverMs }) => (lastTakeoverMs === null ? null : lastTakeoverMs / 1_000)),
  );
  if (membership === null) return;
  const { map, stats } = membership;
  text.gauge('topgun_cluster_nodes', 'Nodes in the partition map.', [map.nodes.length]);
  text.gauge('topgun_cluster_map_version', 'Version of the partition map that this node acts on.', [map.version]);
  text.gauge('topgun_cluster_leader', 'Whether this node leads the cluster.', [stats.isLeader ? 1 : 0]);
  text.gauge('topgun_cluster_term', 'Leaders that the cluster has had.', [stats.term]);
  text.counter(
    'topgun_cluster_takeovers_total',
    'Shards that this leader gave to others because their owners had died.',
    [stats.takeovers],
  );
  text.counter('topgun_cluster_moves_total', 'Shards that this leader moved between living nodes.', [stats.moves]);
}
