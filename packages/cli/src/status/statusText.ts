import type { Cluster, NodeRow } from './readCluster.js';

const TITLES = ['NODE', 'ENDPOINT', 'STATE', 'PARTITIONS', 'SHARDS', 'STANDBYS', 'LAG', 'SESSIONS', 'RECORDS'];

/** The state of a cluster as a table. `problem`: why the node that was asked is not ready. */
export function statusText(problem: string | null, cluster: Cluster): string {
  const facts = [
    `cluster ${cluster.clusterId || '-'}`,
    `map version ${cluster.mapVersion}`,
    `partitions ${cluster.partitionCount}`,
    ...(cluster.shardCount === null ? [] : [`shards ${cluster.shardCount}`]),
    ...(cluster.leader === null ? [] : [`leader ${cluster.leader}`]),
    ...epochsOf(cluster),
  ];
  const troubles = [
    ...cluster.nodes.flatMap((node) => (node.problem === null ? [] : [`${node.id}: ${node.problem}`])),
    ...gapsOf(cluster),
  ];
  return [
    problem === null ? 'ready' : `not ready: ${problem}`,
    facts.join('  '),
    '',
    ...table([TITLES, ...cluster.nodes.map(cellsOf)]),
    ...(troubles.length === 0 ? [] : ['', ...troubles]),
  ].join('\n');
}

/** Partitions that nobody serves. */
export function orphans(cluster: Cluster): number {
  return cluster.owners.filter((owner) => owner === null).length;
}

function cellsOf(node: NodeRow): readonly string[] {
  const { id, endpoint, partitions, shards, standbys, lag, sessions, records } = node;
  const numbers = [partitions, shards, standbys, lag, sessions, records];
  return [id, endpoint, stateOf(node), ...numbers.map((number) => (number === null ? '-' : String(number)))];
}

function stateOf({ ready }: NodeRow): string {
  if (ready === null) return 'unknown';
  return ready ? 'ready' : 'not ready';
}

function epochsOf({ epochs }: Cluster): readonly string[] {
  if (epochs.length === 0) return [];
  const [first, last] = [Math.min(...epochs), Math.max(...epochs)];
  return [first === last ? `epoch ${first}` : `epochs ${first} to ${last}`];
}

function gapsOf(cluster: Cluster): readonly string[] {
  const ownerless = orphans(cluster);
  const alone = cluster.standbys.filter((nodes) => nodes.length === 0).length;
  return [
    ...(ownerless === 0 ? [] : [`${ownerless} partitions have no owner: nobody takes writes to them`]),
    // A node on its own has no standbys, and nobody expects them.
    ...(alone === 0 || cluster.nodes.length < 2
      ? []
      : [`${alone} shards have no standby: their takeover takes longer`]),
  ];
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
