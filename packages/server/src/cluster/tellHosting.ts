import type { ShardHost } from '../shard/Role.js';
import { type ClusterMap, rolesIn } from './ClusterMap.js';
import type { PingReply } from './PingReply.js';

/** How far a node is with what the map wants of it, as it answers probes. */
export function tellHosting(
  host: ShardHost,
  map: ClusterMap | null,
  self: { readonly id: string; readonly boot: string },
): PingReply {
  const hosting = host.hosting();
  const metEpochs: number[] = [];
  if (map !== null) {
    rolesIn(map, self.id, self.boot).forEach((role, shard) => {
      const met = hosting[shard]?.epoch ?? 0;
      // It can never serve in an epoch that others have outdone: only a new one helps.
      if (role.name === 'owner' && met > role.epoch) metEpochs.push(shard, met);
    });
  }
  const readiness = Uint8Array.from(hosting, ({ readiness }) => readiness);
  return { boot: self.boot, mapVersion: map?.version ?? 0, readiness, metEpochs };
}
