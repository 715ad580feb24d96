import { describe, expect, it } from 'vitest';
import { type ClusterClient, ForwardCluster } from '../testing/ForwardCluster.js';

const SHARDS = 6;
const NODES = ['a', 'b', 'c'];
const ROUNDS = 25;
const SEEDS = 25;

/** Mulberry32: a seed's run is the same each time. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Batch {
  readonly client: ClusterClient;
  readonly id: number;
  readonly keys: readonly string[];
  readonly stamp: number;
  readonly removes: boolean;
}

/** A cluster, its clients, and what they wrote. */
class World {
  readonly cluster: ForwardCluster;
  readonly random: () => number;
  readonly batches: Batch[] = [];
  #clients: ClusterClient[] = [];
  #stamp = 0;

  constructor(cluster: ForwardCluster, seed: number) {
    this.cluster = cluster;
    this.random = randomFrom(seed);
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)] as T;
  }

  get alive(): string[] {
    return [...this.cluster.nodes.values()].filter(({ isAlive }) => isAlive).map(({ id }) => id);
  }

  async join(id: string): Promise<ClusterClient> {
    const client = await this.cluster.node(id).join();
    client.subscribe();
    client.subscribe({ sort: { n: 'desc' }, limit: 5 }, { queryId: 2 });
    this.#clients.push(client);
    return client;
  }

  write(): void {
    const clients = this.#clients.filter(({ peer }) => peer.closed === null);
    const client = this.pick(clients);
    const stamp = ++this.#stamp;
    const keys = Array.from({ length: 1 + Math.floor(this.random() * 4) }, () => {
      return this.cluster.keyIn(Math.floor(this.random() * SHARDS), Math.floor(this.random() * 4));
    });
    const removes = this.random() < 0.3;
    const values = Object.fromEntries(keys.map((key) => [key, removes ? undefined : { n: stamp }]));
    this.batches.push({ client, id: client.set(values, { ms: stamp }), keys, stamp, removes });
  }

  async disturb(): Promise<void> {
    const { cluster, alive } = this;
    const dice = this.random();
    if (dice < 0.35) {
      cluster.move({ [Math.floor(this.random() * SHARDS)]: this.pick(alive) });
    } else if (dice < 0.5) {
      const late = this.pick(alive);
      const owner = this.pick(alive);
      const shard = Math.floor(this.random() * SHARDS);
      const others = alive.filter((id) => id !== late);
      cluster.move({ [shard]: owner }, [], others);
      await cluster.settle(this.random() * 300);
      cluster.move({ [shard]: owner }, [], [late]);
    } else if (dice < 0.7) {
      const { bus } = cluster.node(this.pick(alive));
      let left = 1 + Math.floor(this.random() * 3);
      bus.change = (_, payload) => (left-- > 0 ? null : payload);
    } else if (dice < 0.8) {
      const { link } = cluster.node(this.pick(alive)).backbone;
      link.cut();
      await cluster.settle(this.random() * 500);
      link.mend();
    } else if (dice < 0.9 && alive.length > 2) {
      const id = this.pick(alive);
      for (const client of this.#clients) if (client.nodeId === id) client.session.onClosed();
      this.#clients = this.#clients.filter((client) => client.nodeId !== id);
      cluster.kill(id);
    }
  }

  /** What every key must be in the end: the latest write that was acked, or one that came later. */
  check(values: Record<string, unknown>): void {
    const acked = new Map<string, number>();
    for (const { client, id, keys, stamp } of this.batches) {
      const ack = client.ack(id);
      if (ack === null || ack.rejected.length > 0) continue;
      for (const key of keys) acked.set(key, Math.max(acked.get(key) ?? 0, stamp));
    }
    for (const [key, stamp] of acked) {
      const value = values[key] as { n: number } | undefined;
      const removed = this.batches.filter((batch) => batch.removes && batch.keys.includes(key)).at(-1)?.stamp ?? 0;
      expect(value?.n ?? removed, `${key} was acked`).toBeGreaterThanOrEqual(stamp);
    }
  }

  get clients(): readonly ClusterClient[] {
    return this.#clients;
  }
}

describe('a cluster under which everything moves', () => {
  it.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
    'answers every write and loses none, seed %i',
    async (seed) => {
      const cluster = await ForwardCluster.start({ shardCount: SHARDS, nodes: NODES });
      const world = new World(cluster, seed);
      for (const id of NODES) await world.join(id);
      for (let round = 0; round < ROUNDS; round++) {
        for (let i = 0; i < 3; i++) world.write();
        await world.disturb();
        for (let i = 0; i < 3; i++) world.write();
        await cluster.settle(world.random() * 1_500);
      }
      await cluster.settle(20_000);
      const [reference, ...others] = world.clients as [ClusterClient, ...ClusterClient[]];
      world.check(reference.values());
      const top = (client: ClusterClient): unknown[] => {
        const rows = Object.entries(client.values(2)) as [string, { n: number }][];
        return rows.sort(([a, x], [b, y]) => y.n - x.n || (a < b ? -1 : 1)).slice(0, 5);
      };
      for (const other of others) {
        expect(other.values()).toEqual(reference.values());
        expect(top(other)).toEqual(top(reference));
      }
      for (const { client, id } of world.batches) {
        if (world.clients.includes(client)) expect(client.ack(id), `batch ${id}`).not.toBeNull();
      }
      expect(cluster.logger.errors).toEqual([]);
    },
  );
});
