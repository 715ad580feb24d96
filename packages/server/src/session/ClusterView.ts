import type { NotOwnerShard, PartitionMap, Runtime } from '@topgunbuild/core';

/** Who owns what, as far as this node knows. */
export interface ClusterView {
  readonly map: PartitionMap;
  /** Calls `listener` after each change of `map`, once this node has taken the roles it has by it. Returns the unsubscribe. */
  onMap(listener: () => void): () => void;
}

/** How long somebody who knows of a newer map is kept waiting for it to come here. */
const MAP_WAIT_MS = 500;

/** Runs `then` once the map has `version`, or after half a second; at once when it has. */
export function whenMapIs(cluster: ClusterView, version: number, runtime: Runtime, then: () => void): void {
  if (cluster.map.version >= version) {
    then();
    return;
  }
  const settle = (): void => {
    runtime.clearTimer(timer);
    unsubscribe();
    then();
  };
  const timer = runtime.setTimer(MAP_WAIT_MS, settle);
  const unsubscribe = cluster.onMap(() => {
    if (cluster.map.version >= version) settle();
  });
}

/** Whose these shards are. Of shards that the map gives to `nodeId` itself, or to nobody, nothing is known. */
export function ownersOf(map: PartitionMap, shards: Iterable<number>, nodeId: string): NotOwnerShard[] {
  const found: NotOwnerShard[] = [];
  for (const shard of shards) {
    const owner = map.nodes[map.owners[shard] ?? -1];
    const isKnown = owner !== undefined && owner.id !== nodeId;
    found.push({
      shard,
      owner: isKnown ? owner.id : '',
      endpoint: isKnown ? owner.endpoint : '',
      epoch: isKnown ? (map.epochs[shard] ?? 0) : 0,
    });
  }
  return found;
}
