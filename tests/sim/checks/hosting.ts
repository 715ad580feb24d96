import type { ClusterWorld } from '../world/ClusterWorld.js';

/**
 * Now that all is quiet: every shard is served by the one node that the map names, and followed by as many others as there
 * are to be; nobody holds anything else; owners have as much to do as each other; who follows is where the owner is.
 */
export function checkHosting(world: ClusterWorld): void {
  const { history, members, profile, maps } = world;
  const { map } = maps;
  const violate = (what: string): void => history.violate('hosting', what);
  if (map === null) return violate('there is no map');
  const names = map.nodes.map(({ id }) => id).sort();
  const alive = members.map(({ id }) => id).sort();
  if (names.join() !== alive.join()) return violate(`the map has ${names.join()}; ${alive.join()} are there`);
  for (const member of members) {
    const known = member.core?.partitionMap;
    if (known?.version !== map.version) violate(`${member.id} knows map ${known?.version}, not ${map.version}`);
  }
  const loads = new Map(names.map((name) => [name, 0]));
  const backups = Math.min(profile.backups, names.length - 1);
  for (let shard = 0; shard < map.shardCount; shard++) {
    const owner = map.nodes[map.owners[shard] ?? -1]?.id ?? 'nobody';
    const standbys = (map.standbys[shard] ?? []).map((at) => map.nodes[at]?.id ?? '');
    loads.set(owner, (loads.get(owner) ?? 0) + 1);
    if (standbys.length !== backups || standbys.includes(owner)) {
      violate(`shard ${shard} of ${owner} is followed by [${standbys.join()}]; there are to be ${backups}`);
    }
    const { head } = world.shared.logs.shard(shard);
    for (const member of members) {
      const hosting = member.core?.plane.hosting()[shard];
      if (hosting === undefined) continue;
      const { readiness, appliedSeq, epoch, state } = hosting;
      const expected = member.id === owner ? 2 : standbys.includes(member.id) ? 1 : 0;
      const what = `${member.id} is ${state} for shard ${shard}`;
      if (readiness !== expected) violate(`${what}: ${readiness} instead of ${expected}`);
      if (readiness > 0 && appliedSeq !== head) violate(`${what}: it is at ${appliedSeq}, the log at ${head}`);
      if (readiness > 0 && epoch !== map.epochs[shard]) {
        violate(`${what}: in epoch ${epoch}, the map says ${map.epochs[shard]}`);
      }
    }
  }
  const counts = [...loads.values()];
  if (Math.max(...counts) - Math.min(...counts) > 1) {
    violate(`the owners are not balanced: ${[...loads].map(([id, count]) => `${id} ${count}`).join()}`);
  }
}
