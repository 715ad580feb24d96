import type { Registry, RegistryEntry } from '../backbone/Registry.js';
import type { Logger } from '../Logger.js';
import { type ClusterMap, clusterMapCodec, MAP_KEY } from './ClusterMap.js';

export interface MapKeeperOptions {
  readonly clusterId: string;
  readonly shardCount: number;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly onMap: (map: ClusterMap) => void;
}

/** The latest map that this node knows, and what the registry holds. Never goes back to an older one. */
export class MapKeeper {
  readonly #options: MapKeeperOptions;
  #map: ClusterMap | null = null;
  /** Of the entry that was seen last; 0 = none is there. */
  #revision = 0;
  #isMissing = true;

  constructor(options: MapKeeperOptions) {
    this.#options = options;
  }

  get map(): ClusterMap | null {
    return this.#map;
  }

  /** The registry does not hold the map that is known here: it was lost, or overwritten by something else. */
  get isMissing(): boolean {
    return this.#isMissing;
  }

  /** What the registry holds, or held a moment ago. */
  onEntry(entry: RegistryEntry | null): void {
    if (entry === null) {
      this.#revision = 0;
      this.#isMissing = true;
      return;
    }
    if (entry.revision <= this.#revision) return;
    this.#revision = entry.revision;
    const map = clusterMapCodec.decode(entry.value);
    const { clusterId, shardCount, logger } = this.#options;
    const isOurs = map !== null && map.clusterId === clusterId && map.shardCount === shardCount;
    this.#isMissing = !isOurs || (map.incarnation === this.#map?.incarnation && map.version < this.#map.version);
    if (!isOurs || this.#isMissing) {
      logger.error({ revision: entry.revision }, 'a map of the cluster cannot be read, or is not its next: ignored');
    } else if (map.incarnation !== this.#map?.incarnation || map.version > this.#map.version) {
      this.#take(map);
    }
  }

  /** @throws TopGunError UNAVAILABLE */
  async refresh(): Promise<void> {
    this.onEntry(await this.#options.registry.get(MAP_KEY));
  }

  /** False: somebody else was faster, and the map is another now. @throws TopGunError UNAVAILABLE: it may be set or not */
  async replace(next: ClusterMap): Promise<boolean> {
    const revision = await this.#options.registry.compareAndSet(MAP_KEY, clusterMapCodec.encode(next), this.#revision);
    if (revision === null) return false;
    if (revision > this.#revision) {
      this.#revision = revision;
      this.#isMissing = false;
      this.#take(next);
    }
    return true;
  }

  #take(map: ClusterMap): void {
    this.#map = map;
    this.#options.onMap(map);
  }
}
