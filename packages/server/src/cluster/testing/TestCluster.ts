import { TopGunError } from '@topgunbuild/core';
import { expect } from 'vitest';
import { MemoryCluster } from '../../backbone/MemoryCluster.js';
import type { MemoryClusterBackbone } from '../../backbone/memory/MemoryClusterBackbone.js';
import { TestRuntime } from '../../testing/TestRuntime.js';
import { type ClusterMap, clusterMapCodec, MAP_KEY } from '../ClusterMap.js';
import { ClusterNode } from '../ClusterNode.js';
import { spread } from './AssignmentModel.js';
import { TestHost } from './TestHost.js';
import { seeded, TestProcess } from './TestProcess.js';

export interface TestClusterOptions {
  readonly seed?: number;
  readonly shardCount?: number;
  readonly backups?: number;
  /** How long a message takes one way at most, ms. */
  readonly delayMs?: number;
  readonly restoreMs?: number;
}

/** One process of a node. */
export interface TestNode {
  readonly id: string;
  readonly process: TestProcess;
  readonly backbone: MemoryClusterBackbone;
  readonly host: TestHost;
  /** Null: it has not joined yet, or could not. */
  node: ClusterNode | null;
  error: unknown;
  /** How often it was told that another process has its id. */
  replaced: number;
  state: 'up' | 'stopped' | 'cut' | 'gone';
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Whole clusters' control on virtual time. Every map that any node sees is checked to be newer than the one before. */
export class TestCluster {
  readonly time = new TestRuntime();
  readonly cluster: MemoryCluster;
  readonly nodes = new Map<string, TestNode>();
  readonly chance: () => number;
  readonly #options: Required<TestClusterOptions>;
  /** Version of the registry's map at each of its changes, with the time. */
  readonly history: { readonly at: number; readonly map: ClusterMap }[] = [];

  constructor(options: TestClusterOptions = {}) {
    this.#options = { seed: 1, shardCount: 32, backups: 1, delayMs: 1, restoreMs: 40, ...options };
    this.chance = seeded(this.#options.seed);
    const { delayMs, shardCount } = this.#options;
    this.cluster = new MemoryCluster({ runtime: this.time, shardCount, delay: () => this.chance() * delayMs });
    this.cluster.registry.watchers.add(() => this.#record());
  }

  get now(): number {
    return this.time.monotonic();
  }

  /** Runs virtual time. */
  async run(ms: number): Promise<void> {
    const end = this.now + ms;
    await turn();
    for (let next = this.time.nextTimerMs; next !== null && this.now + next <= end; next = this.time.nextTimerMs) {
      this.time.advance(next);
      await turn();
    }
    this.time.advance(Math.max(0, end - this.now));
    await turn();
  }

  /** Until it is so; returns the ms that it took. */
  async until(condition: () => boolean, atMostMs = 10_000): Promise<number> {
    const start = this.now;
    while (!condition()) {
      if (this.now - start > atMostMs) throw new Error(`not within ${atMostMs} ms`);
      await this.run(1);
    }
    return this.now - start;
  }

  /** Another process of the node; the former one, if there is one, is left as it is. */
  start(id: string): TestNode {
    const { shardCount, backups, restoreMs } = this.#options;
    const process = new TestProcess(this.time, this.chance);
    const backbone = this.cluster.backbone({ runtime: process });
    const host = new TestHost(process, shardCount, { restoreMs: () => restoreMs * (0.5 + this.chance()) });
    const one: TestNode = { id, process, backbone, host, node: null, error: null, replaced: 0, state: 'up' };
    this.nodes.set(id, one);
    const join = async (): Promise<void> => {
      await backbone.open();
      const node = await ClusterNode.join({
        ...{ nodeId: id, endpoint: `ws://${id}`, ports: backbone.cluster, host, runtime: process },
        ...{ clusterId: backbone.cluster.clusterId, shardCount, backups },
        onReplaced: () => one.replaced++,
      });
      node.onMap(newerEachTime(id));
      one.node = node;
    };
    join().catch((error: unknown) => {
      one.error = error;
      if (!(error instanceof TopGunError)) throw error;
    });
    return one;
  }

  /** Starts them at once, and runs until all is at rest. */
  async startAll(count: number): Promise<void> {
    for (let i = 1; i <= count; i++) this.start(`n${i}`);
    await this.run(3_000);
    this.checkRest();
  }

  at(id: string): TestNode {
    const one = this.nodes.get(id);
    if (one === undefined) throw new Error(`no node ${id}`);
    return one;
  }

  clusterNode(id: string): ClusterNode {
    const { node, error } = this.at(id);
    if (node === null) throw new Error(`${id} has not joined`, { cause: error });
    return node;
  }

  kill(id: string): void {
    const one = this.at(id);
    one.process.kill();
    one.backbone.link.kill();
    one.state = 'gone';
  }

  stop(id: string): void {
    const one = this.at(id);
    one.process.stop();
    one.backbone.link.freeze();
    one.state = 'stopped';
  }

  continue(id: string): void {
    const one = this.at(id);
    one.backbone.link.thaw();
    one.process.continue();
    one.state = 'up';
  }

  cut(id: string): void {
    this.at(id).backbone.link.cut();
    this.at(id).state = 'cut';
  }

  mend(id: string): void {
    this.at(id).backbone.link.mend();
    this.at(id).state = 'up';
  }

  leave(id: string, timeoutMs = 5_000): Promise<void> {
    const one = this.at(id);
    return this.clusterNode(id)
      .leave(timeoutMs)
      .then(() => {
        one.state = 'gone';
        one.backbone.link.kill();
        one.process.kill();
      });
  }

  live(): TestNode[] {
    return [...this.nodes.values()].filter(({ state, error }) => state !== 'gone' && error === null);
  }

  leaders(): string[] {
    return this.live().flatMap(({ id, node }) => (node?.stats.isLeader === true ? [id] : []));
  }

  leader(): string {
    const [leader] = this.leaders();
    if (leader === undefined) throw new Error('nobody leads');
    return leader;
  }

  /** What the registry holds. */
  get map(): ClusterMap {
    const value = this.cluster.registry.get(MAP_KEY)?.value;
    const map = value === undefined || value === null ? null : clusterMapCodec.decode(value);
    if (map === null) throw new Error('no map');
    return map;
  }

  shardsOf(id: string): number[] {
    const { owners, nodes } = this.map;
    return owners.flatMap((owner, shard) => (nodes[owner]?.id === id ? [shard] : []));
  }

  /** All these shards are served, by somebody who lives. */
  isServed(shards: readonly number[]): boolean {
    const { owners, nodes, epochs } = this.map;
    return shards.every((shard) => {
      const id = nodes[owners[shard] ?? -1]?.id ?? '';
      const one = this.nodes.get(id);
      const hosting = one?.host.hosting()[shard];
      return one?.state === 'up' && hosting?.readiness === 2 && hosting.epoch === epochs[shard];
    });
  }

  /** One map, known to all; balanced; every owner lives and serves, every standby is hot. */
  checkRest(): void {
    const { map } = this;
    const live = this.live();
    expect(map.nodes.map(({ id, boot }) => [id, boot])).toEqual(
      live.map(({ id, node }) => [id, node?.boot]).sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
    );
    for (const { node } of live) {
      expect(node?.map).toEqual(map);
      expect(node?.problem).toBeNull();
    }
    expect(this.leaders()).toHaveLength(1);
    const loads = (columns: readonly (readonly number[])[]): number[] =>
      map.nodes.map((_, at) => columns.filter((row) => row.includes(at)).length);
    expect(spread(loads(map.owners.map((owner) => [owner])))).toBeLessThanOrEqual(1);
    const { shardCount, backups } = this.#options;
    expect(spread(loads(map.standbys))).toBeLessThanOrEqual(backups > 1 ? 2 : 1);
    const readiness = (at: number, shard: number): unknown =>
      this.nodes.get(map.nodes[at]?.id ?? '')?.host.hosting()[shard]?.readiness;
    for (let shard = 0; shard < shardCount; shard++) {
      expect(map.standbys[shard]).toHaveLength(Math.min(backups, live.length - 1));
      expect(readiness(map.owners[shard] ?? -1, shard)).toBe(2);
      for (const at of map.standbys[shard] ?? []) expect(readiness(at, shard)).toBe(1);
    }
  }

  #record(): void {
    const value = this.cluster.registry.get(MAP_KEY)?.value;
    const map = value === undefined || value === null ? null : clusterMapCodec.decode(value);
    const last = this.history.at(-1);
    if (map === null || (map.version === last?.map.version && map.incarnation === last.map.incarnation)) return;
    if (last !== undefined) checkNewer(last.map, map);
    this.history.push({ at: this.now, map });
  }
}

function newerEachTime(id: string): (map: ClusterMap) => void {
  let former: ClusterMap | null = null;
  return (map) => {
    if (former !== null) checkNewer(former, map, id);
    former = map;
  };
}

function checkNewer(former: ClusterMap, next: ClusterMap, who = 'the registry'): void {
  expect(next.incarnation, who).toBe(former.incarnation);
  expect(next.version, who).toBeGreaterThan(former.version);
  next.epochs.forEach((epoch, shard) => {
    const was = former.epochs[shard] ?? 0;
    const [a, b] = [former.nodes[former.owners[shard] ?? -1]?.boot, next.nodes[next.owners[shard] ?? -1]?.boot];
    if (a === b) expect(epoch, who).toBeGreaterThanOrEqual(was);
    else expect(epoch, who).toBeGreaterThan(was);
  });
}
