import { decodeServerMessage, WIRE_TYPES } from '@topgunbuild/core';
import { type ClusterMap, clusterMapCodec, MAP_KEY } from '../../../packages/server/src/cluster/ClusterMap.js';
import type { History } from '../history/History.js';
import type { Link } from '../world/Link.js';

interface Seen {
  readonly incarnation: string;
  readonly version: number;
  readonly epochs: readonly number[];
}

/**
 * Promise 7, in the map: versions and epochs only grow, in the registry and as every node and every connection sees them;
 * a shard that gets another owner gets another epoch with it, and an epoch has one owner.
 */
export class MapWatch {
  readonly #history: History;
  /** What the registry holds. */
  map: ClusterMap | null = null;
  /** Maps that were written. */
  count = 0;
  /** By shard and epoch: node and process. */
  readonly #owners = new Map<string, { readonly id: string; readonly boot: string }>();
  readonly #byProcess = new Map<string, Seen>();
  readonly #byLink = new WeakMap<Link, { readonly incarnation: string; readonly version: number }>();

  constructor(history: History) {
    this.#history = history;
  }

  /** Which node owns the shard in that epoch, if any was ever said to. */
  ownerIn(shard: number, epoch: number): string | null {
    return this.#owners.get(`${shard}/${epoch}`)?.id ?? null;
  }

  written(key: string, value: Uint8Array | null): void {
    if (key !== MAP_KEY) return;
    const map = value === null ? null : clusterMapCodec.decode(value);
    if (map === null) return this.#history.violate('7', 'the map of the cluster was deleted, or cannot be read');
    this.count++;
    if (this.map !== null) this.#compare('the registry', this.map, map);
    this.map = map;
    map.owners.forEach((owner, shard) => {
      const node = map.nodes[owner];
      if (node === undefined) return;
      const place = `${shard}/${map.epochs[shard]}`;
      const known = this.#owners.get(place);
      if (known === undefined) this.#owners.set(place, node);
      else if (known.id !== node.id || known.boot !== node.boot) {
        this.#history.violate(
          '7',
          `two owners in epoch ${map.epochs[shard]} of shard ${shard}: ${known.id}, ${node.id}`,
        );
      }
    });
  }

  /** A process acts on this map from now on. */
  taken(process: string, map: Seen): void {
    const known = this.#byProcess.get(process);
    if (known !== undefined) this.#compare(process, known, map);
    this.#byProcess.set(process, map);
  }

  /** A frame leaves a server. */
  sent(link: Link, frame: Uint8Array): void {
    const type = frame[1];
    const isMap =
      type === WIRE_TYPES.AUTH_ACK || type === WIRE_TYPES.PARTITION_MAP || type === WIRE_TYPES.PARTITION_MAP_DELTA;
    if (!isMap) return;
    const message = decodeServerMessage(frame.slice());
    const known = this.#byLink.get(link);
    if (message.type === 'PARTITION_MAP_DELTA') {
      const { incarnation, base, version } = message.delta;
      if (known?.incarnation !== incarnation || known.version !== base || version <= base) {
        this.#history.violate('7', `link ${link.id} was at map ${known?.version} and is told ${base} to ${version}`);
      }
      this.#byLink.set(link, { incarnation, version });
      return;
    }
    const map = message.type === 'AUTH_ACK' || message.type === 'PARTITION_MAP' ? message.map : null;
    if (map === null) return;
    if (known !== undefined && known.incarnation === map.incarnation && map.version < known.version) {
      this.#history.violate('7', `link ${link.id} was at map ${known.version} and is told ${map.version}`);
    }
    this.#byLink.set(link, map);
  }

  #compare(where: string, before: Seen, after: Seen): void {
    const violate = (what: string): void => this.#history.violate('7', `${where}: ${what}`);
    if (before.incarnation !== after.incarnation) return violate('another incarnation of the map');
    if (after.version <= before.version) violate(`map ${after.version} after ${before.version}`);
    after.epochs.forEach((epoch, shard) => {
      const former = before.epochs[shard] ?? 0;
      if (epoch < former) violate(`epoch ${epoch} of shard ${shard} after ${former}`);
    });
  }
}
