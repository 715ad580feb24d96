import type { PartitionMap } from '@topgunbuild/core';
import type { ClusterView } from '../session/ClusterView.js';

/** The owners of shards by the map of the moment, ready to be looked up. */
export class Owners {
  readonly #view: ClusterView;
  #map: PartitionMap | null = null;
  #ids: readonly (string | null)[] = [];

  constructor(view: ClusterView) {
    this.#view = view;
  }

  get mapVersion(): number {
    return this.#view.map.version;
  }

  /** By shard: the id of its owner; null = nobody owns it now. */
  get ids(): readonly (string | null)[] {
    const { map } = this.#view;
    if (map !== this.#map) {
      this.#map = map;
      this.#ids = map.owners.map((owner) => map.nodes[owner]?.id ?? null);
    }
    return this.#ids;
  }
}
