import type { Cluster } from './readCluster.js';

/** The state of a cluster as a table. `problem`: why the node that was asked is not ready. */
export function statusText(problem: string | null, cluster: Cluster): string {
  const head = [
    problem === null ? 'ready' : `not ready: ${problem}`,
    `cluster ${cluster.clusterId || '-'}  map version ${cluster.mapVersion}  partitions ${cluster.partitionCount}`,
    '',
  ];
  const rows = cluster.nodes.map((node) =>
    [
      node.id,
      node.endpoint,
      node.ready ? 'ready' : 'not ready',
      node.partitions,
      node.shards,
      node.lag,
      node.sessions,
      node.records,
    ].map(String),
  );
  return [
    ...head,
    ...table([['NODE', 'ENDPOINT', 'STATE', 'PARTITIONS', 'SHARDS', 'LAG', 'SESSIONS', 'RECORDS'], ...rows]),
  ].join('\n');
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
