import { type PartitionMap, TopGunError } from '@topgunbuild/core';
import type { ClusterView } from '../session/ClusterView.js';
import { type ClusterMap, indexInMap, toPartitionMap } from './ClusterMap.js';
import { ClusterNode, type ClusterNodeOptions, type ClusterNodeStats } from './ClusterNode.js';

/** A cluster without a map by then has no leader that reaches its registry. */
const FIRST_MAP_MS = 30_000;

/** A node's place in its cluster, as its sessions and its operators see it. */
export class ClusterMembership implements ClusterView {
  readonly #node: ClusterNode;
  readonly #listeners = new Set<() => void>();
  #clusterMap: ClusterMap;
  #map: PartitionMap;

  private constructor(node: ClusterNode, map: ClusterMap) {
    this.#node = node;
    this.#clusterMap = map;
    this.#map = toPartitionMap(map);
    node.onMap((newer) => {
      this.#clusterMap = newer;
      this.#map = toPartitionMap(newer);
      for (const listener of [...this.#listeners]) listener();
    });
  }

  /**
   * Registers the node and waits until the cluster has taken it in.
   * @throws TopGunError INVALID_VALUE when the id is not one, or a living node has it; UNAVAILABLE
   */
  static async join(options: ClusterNodeOptions): Promise<ClusterMembership> {
    const node = await ClusterNode.join(options);
    try {
      const first = await firstMap(node, options);
      // Another may have come in the same turn, before anybody listened.
      return new ClusterMembership(node, node.map ?? first);
    } catch (error) {
      node.close();
      throw error;
    }
  }

  get map(): PartitionMap {
    return this.#map;
  }

  /** By shard: the ids of the nodes that follow it. */
  get standbys(): readonly (readonly string[])[] {
    const { nodes, standbys } = this.#clusterMap;
    return standbys.map((of) => of.flatMap((index) => nodes[index]?.id ?? []));
  }

  get problem(): string | null {
    return this.#node.problem;
  }

  get stats(): ClusterNodeStats {
    return this.#node.stats;
  }

  onMap(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Gives away what this node owns, waits until others serve it or `timeoutMs` have passed, and leaves. Never fails. */
  leave(timeoutMs: number): Promise<void> {
    return this.#node.leave(timeoutMs);
  }

  /** At once: the others find out. */
  close(): void {
    this.#node.close();
  }
}

function firstMap(node: ClusterNode, { runtime }: ClusterNodeOptions): Promise<ClusterMap> {
  const taken = (map: ClusterMap | null): map is ClusterMap =>
    map !== null && indexInMap(map, node.nodeId, node.boot) >= 0;
  return new Promise((resolve, reject) => {
    if (taken(node.map)) {
      resolve(node.map);
      return;
    }
    const timer = runtime.setTimer(FIRST_MAP_MS, () => {
      unsubscribe();
      const why = node.problem ?? 'it has no map';
      reject(new TopGunError('UNAVAILABLE', `The cluster did not take the node in for ${FIRST_MAP_MS} ms: ${why}.`));
    });
    const unsubscribe = node.onMap((map) => {
      if (!taken(map)) return;
      runtime.clearTimer(timer);
      unsubscribe();
      resolve(map);
    });
  });
}
