import { expect } from 'vitest';
import { assign } from '../assign.js';
import { type ClusterMap, clusterMapCodec } from '../ClusterMap.js';
import type { AssignInput, LiveNode } from '../Draft.js';

interface ModelNode {
  readonly id: string;
  readonly boot: string;
  isLeaving: boolean;
  readonly readiness: Uint8Array;
}

/** Nodes without time or messages: who is there, and which copies are ready. Checks every map that it takes on. */
export class AssignmentModel {
  readonly live = new Map<string, ModelNode>();
  /** Copies that nodes had to begin. */
  made = 0;
  readonly #shardCount: number;
  readonly #backups: number;
  #map: ClusterMap | null = null;
  #boots = 0;
  #random: number;

  constructor({ shardCount = 32, backups = 1, seed = 1 } = {}) {
    this.#shardCount = shardCount;
    this.#backups = backups;
    this.#random = seed;
  }

  get map(): ClusterMap {
    if (this.#map === null) throw new Error('no map yet');
    return this.#map;
  }

  join(id: string): void {
    if (this.live.has(id)) return;
    const readiness = new Uint8Array(this.#shardCount);
    this.live.set(id, { id, boot: `b${this.#boots++}`, isLeaving: false, readiness });
  }

  die(id: string): void {
    this.live.delete(id);
  }

  leave(id: string): void {
    const node = this.live.get(id);
    if (node !== undefined) node.isLeaving = true;
  }

  forget(id: string, shard: number): void {
    this.live.get(id)?.readiness.fill(0, shard, shard + 1);
  }

  shardsOf(id: string): number[] {
    return this.map.owners.flatMap((owner, shard) => (this.map.nodes[owner]?.id === id ? [shard] : []));
  }

  ownerLoads(): number[] {
    return this.map.nodes.map((_, node) => this.map.owners.filter((owner) => owner === node).length);
  }

  standbyLoads(): number[] {
    return this.map.nodes.map((_, node) => this.map.standbys.filter((row) => row.includes(node)).length);
  }

  input(changes: Partial<AssignInput> = {}): AssignInput {
    const nodes = [...this.live.values()].map(
      ({ id, boot, isLeaving, readiness }): LiveNode => ({
        ...{ id, boot, endpoint: `ws://${id}`, isLeaving, readiness: readiness.slice(), isCurrent: true },
      }),
    );
    const [shardCount, backups, metEpochs] = [this.#shardCount, this.#backups, new Map<number, number>()];
    return { base: this.#map, clusterId: 'c', incarnation: 'i', shardCount, backups, nodes, metEpochs, ...changes };
  }

  step(): ClusterMap {
    return assign(this.input());
  }

  isRestless(): boolean {
    const [before, next] = [this.#map, this.step()];
    const cold = [...this.live.values()].some((node) => this.#roles(node).some((shard) => node.readiness[shard] === 0));
    return next !== before || cold;
  }

  /** Takes the next map on. Unless `heat` is false, all copies are ready then. */
  advance({ heat = true } = {}): ClusterMap {
    const before = this.#map;
    const readiness = new Map([...this.live].map(([id, node]) => [id, node.readiness.slice()]));
    const next = this.step();
    if (before !== next) this.#check(before, next, readiness);
    this.#map = next;
    for (const node of this.live.values()) {
      const roles = new Set(this.#roles(node));
      node.readiness.forEach((ready, shard) => {
        if (!roles.has(shard)) node.readiness[shard] = 0;
        else if (ready === 0) node.readiness[shard] = heat || this.#owns(node, shard) ? 1 : 0;
      });
    }
    return next;
  }

  /** Of the copies that are being made, so many are ready now. */
  warm(share: number): void {
    if (this.#map === null) return;
    for (const node of this.live.values()) {
      for (const shard of this.#roles(node)) if (this.#chance() < share) node.readiness[shard] = 1;
    }
  }

  rest(): void {
    for (let i = 0; i < 50; i++) {
      if (!this.isRestless()) return;
      this.advance();
    }
    throw new Error('comes not to rest');
  }

  checkRest(): void {
    const { map } = this;
    const nodes = map.nodes.map(({ id }) => this.live.get(id));
    const staying = nodes.flatMap((node, at) => (node?.isLeaving === false ? [at] : []));
    if (staying.length === 0) return;
    const [owned, stood] = [this.ownerLoads(), this.standbyLoads()];
    expect(spread(staying.map((node) => owned[node] ?? 0))).toBeLessThanOrEqual(1);
    expect(spread(staying.map((node) => stood[node] ?? 0))).toBeLessThanOrEqual(this.#backups > 1 ? 2 : 1);
    const wanted = Math.min(this.#backups, staying.length - 1);
    for (const [shard, row] of map.standbys.entries()) {
      expect(row).toHaveLength(wanted);
      for (const at of [...row, map.owners[shard] ?? -1]) expect(nodes[at]?.isLeaving).toBe(false);
    }
  }

  #check(before: ClusterMap | null, next: ClusterMap, readiness: ReadonlyMap<string, Uint8Array>): void {
    expect(clusterMapCodec.decode(clusterMapCodec.encode(next))).toEqual(next);
    expect(next.version).toBe((before?.version ?? 0) + 1);
    expect(next.nodes.map(({ id }) => id)).toEqual([...this.live.keys()].sort());
    for (let shard = 0; shard < this.#shardCount; shard++) {
      const [was, is] = [this.#owner(before, shard), this.#owner(next, shard)];
      expect(is).toBeDefined();
      const isSame = was?.boot === is?.boot;
      expect(next.epochs[shard]).toBe((before?.epochs[shard] ?? 0) + (isSame ? 0 : 1));
      const row = next.standbys[shard] ?? [];
      expect(row.length).toBeLessThanOrEqual(2 * this.#backups + 1);
      const copies = before === null ? [] : [...(before.standbys[shard] ?? []), before.owners[shard] ?? -1];
      const holders = new Set(copies.map((at) => before?.nodes[at]?.boot));
      this.made += row.filter((at) => !holders.has(next.nodes[at]?.boot)).length;
      const wasLive = was !== undefined && this.live.get(was.id)?.boot === was.boot;
      if (wasLive && !isSame) expect(readiness.get(is?.id ?? '')?.[shard]).toBe(1);
    }
  }

  #owner(map: ClusterMap | null, shard: number) {
    return map?.nodes[map.owners[shard] ?? -1];
  }

  #owns(node: ModelNode, shard: number): boolean {
    return this.#owner(this.#map, shard)?.boot === node.boot;
  }

  #roles({ boot }: ModelNode): number[] {
    const map = this.#map;
    if (map === null) return [];
    const self = map.nodes.findIndex((node) => node.boot === boot);
    return map.owners.flatMap((owner, shard) =>
      owner === self || map.standbys[shard]?.includes(self) === true ? [shard] : [],
    );
  }

  #chance(): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#random / 2 ** 32;
  }
}

export function spread(loads: readonly number[]): number {
  return Math.max(...loads) - Math.min(...loads);
}

/** Shards whose owner is another. */
export function ownerMoves(from: ClusterMap, to: ClusterMap): number {
  const boot = (map: ClusterMap, shard: number) => map.nodes[map.owners[shard] ?? -1]?.boot;
  return from.owners.filter((_, shard) => boot(from, shard) !== boot(to, shard)).length;
}
