import type { ClusterMap } from './ClusterMap.js';
import { best, type Draft } from './Draft.js';

/** Every shard gets a living owner: its readiest standby, or else whoever owns least. Returns how many lacked one. */
export function replaceDeadOwners(draft: Draft, base: ClusterMap | null): number {
  const loads = draft.loads(draft.owners);
  const give = (shard: number, node: number): void => {
    draft.owners[shard] = node;
    draft.goals[shard] = node;
    draft.standbys[shard] = draft.standbysOf(shard).filter((standby) => standby !== node);
    loads[node] = (loads[node] ?? 0) + 1;
  };
  const orphans = draft.owners.flatMap((owner, shard) => (owner < 0 ? [shard] : []));
  const homeless = orphans.filter((shard) => {
    const heirs = draft.standbysOf(shard).filter((node) => draft.isEligible(node));
    const heir = best(heirs, (node) => (draft.readiness(node, shard) > 0 ? draft.shardCount : 0) - (loads[node] ?? 0));
    if (heir !== null) give(shard, heir);
    return heir === null;
  });

  // Nobody has a copy: as it was before, as far as that is balanced. After the start of a whole cluster clients then find
  // everything where it was.
  const fair = Math.floor(draft.shardCount / draft.eligible.length);
  let spare = draft.shardCount % draft.eligible.length;
  for (const node of draft.eligible) if ((loads[node] ?? 0) > fair) spare--;
  const strangers = homeless.filter((shard) => {
    const formerId = base?.nodes[base.owners[shard] ?? -1]?.id;
    const former = draft.nodes.findIndex(({ id }) => id === formerId);
    const load = loads[former] ?? 0;
    if (!draft.isEligible(former) || load > fair || (load === fair && spare <= 0)) return true;
    if (load === fair) spare--;
    give(shard, former);
    return false;
  });
  for (const shard of strangers) {
    const node = best(draft.eligible, (candidate) => -(loads[candidate] ?? 0));
    if (node !== null) give(shard, node);
  }
  return orphans.length;
}
