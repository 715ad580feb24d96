import type { PartitionMap } from '@topgunbuild/core';
import type { ClusterView } from '../session/ClusterView.js';

/** A cluster's map, changed by hand. Owners by shard; '' = nobody. */
export class HandView implements ClusterView {
  readonly #listeners = new Set<() => void>();
  #map: PartitionMap;

  constructor(owners: readonly string[], nodes: readonly string[] = known(owners)) {
    this.#map = {
      clusterId: 'log-1',
      incarnation: 'boot-1',
      version: 1,
      shardCount: owners.length,
      nodes: nodes.map((id) => ({ id, endpoint: `ws://${id}` })),
      owners: owners.map((id) => nodes.indexOf(id)),
      epochs: owners.map(() => 1),
    };
  }

  get map(): PartitionMap {
    return this.#map;
  }

  onMap(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A new version, in which the named shards have other owners and `gone` nodes are not any more. */
  move(owners: Readonly<Record<number, string>>, gone: readonly string[] = []): void {
    const before = this.#map;
    const nodes = before.nodes.filter(({ id }) => !gone.includes(id));
    const ids = nodes.map(({ id }) => id);
    const next = before.owners.map((owner, shard) => owners[shard] ?? before.nodes[owner]?.id ?? '');
    this.#map = {
      ...before,
      version: before.version + 1,
      nodes,
      owners: next.map((id) => ids.indexOf(id)),
      epochs: before.epochs.map((epoch, shard) => (owners[shard] === undefined ? epoch : epoch + 1)),
    };
    for (const listener of [...this.#listeners]) listener();
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

function known(owners: readonly string[]): string[] {
  return [...new Set(owners)].filter((id) => id !== '');
}
