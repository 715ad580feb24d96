import type { ClusterMap } from './ClusterMap.js';
import { type AssignInput, Draft } from './Draft.js';
import { moveOwners } from './moveOwners.js';
import { placeStandbys } from './placeStandbys.js';
import { replaceDeadOwners } from './replaceDeadOwners.js';

/**
 * The map that follows from the present one and the nodes that live; the present one itself when nothing is to be
 * changed. Applied again and again while copies become ready it comes to rest: every shard owned by a living node,
 * owners and standbys balanced within one. Needs one node at least.
 */
export function assign(input: AssignInput): ClusterMap {
  const { base, clusterId, incarnation, shardCount, metEpochs } = input;
  const draft = new Draft(input);
  // While some shards wait for a new owner, those that work are left alone.
  const isCalm = replaceDeadOwners(draft, base) === 0;
  if (isCalm) moveOwners(draft);
  placeStandbys(draft);

  const { owners, standbys } = draft;
  const nodes = draft.nodes.map(({ id, boot, endpoint }) => ({ id, boot, endpoint }));
  const epochs = owners.map((owner, shard) => {
    const epoch = base?.epochs[shard] ?? 0;
    const former = base?.nodes[base.owners[shard] ?? -1];
    const isSame = former !== undefined && former.id === nodes[owner]?.id && former.boot === nodes[owner]?.boot;
    const met = metEpochs.get(shard);
    if (met !== undefined) return Math.max(epoch, met) + 1;
    return isSame ? epoch : epoch + 1;
  });
  if (base === null) return { clusterId, incarnation, version: 1, shardCount, nodes, owners, epochs, standbys };
  const next = { ...base, version: base.version + 1, nodes, owners, epochs, standbys };
  return isSameAssignment(base, next) ? base : next;
}

function isSameAssignment(a: ClusterMap, b: ClusterMap): boolean {
  const essence = ({ nodes, owners, epochs, standbys }: ClusterMap): string =>
    JSON.stringify([nodes.map(({ id, boot, endpoint }) => [id, boot, endpoint]), owners, epochs, standbys]);
  return essence(a) === essence(b);
}
