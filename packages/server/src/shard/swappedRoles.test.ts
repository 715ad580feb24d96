import { shardOfKey } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { type Op, stamp } from '../testing/ops.js';
import { owner, type PendingAnswer, PlaneCluster, type PlaneNode, STANDBY } from '../testing/PlaneCluster.js';
import { StreamClient } from '../testing/StreamClient.js';
import type { Stream } from './DataPlane.js';
import type { Role } from './Role.js';

const SHARDS = 3;
const NODES = 3;
const ROUNDS = 60;
const SEEDS = 40;
const EPOCH = 1_000;

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

/** Follows one shard wherever it is served, going on by cursors. */
class Reader {
  readonly client = new StreamClient(SHARDS);
  readonly shard: number;
  #stream: Stream | null = null;
  #moved = 0;

  constructor(shard: number) {
    this.shard = shard;
  }

  /** Opens the stream somewhere if it is nowhere. */
  look(nodes: readonly PlaneNode[]): void {
    if (this.#stream !== null && this.client.moved === this.#moved) return;
    this.#stream = null;
    this.#moved = this.client.moved;
    for (const node of nodes) {
      if (!node.plane.owns(this.shard)) continue;
      this.#stream = node.subscribe({}, { shards: [this.shard], client: this.client }).stream;
      return;
    }
  }

  /** The subscriber gives up its stream, as one does that has heard of another owner. */
  leave(): void {
    this.#stream?.close();
    this.#stream = null;
  }
}

class World {
  readonly random: () => number;
  readonly cluster: PlaneCluster;
  readonly nodes: PlaneNode[] = [];
  readonly readers = Array.from({ length: SHARDS }, (_, shard) => new Reader(shard));
  readonly acked: Op[] = [];
  readonly sent = new Map<string, Set<number>>();
  moved = 0;
  #epoch = 0;
  #clock = 0;
  #pending: { readonly op: Op; readonly pending: PendingAnswer }[] = [];
  /** By shard: what the map of the cluster says. */
  readonly #owners: { node: number; epoch: number }[] = [];

  constructor(seed: number) {
    this.random = randomFrom(seed);
    const delay = seed % 3 === 0 ? {} : { delay: () => this.random() * 8 };
    const tuning = seed % 2 === 0 ? { snapshotLogBytes: 400, snapshotStepRows: 3 } : {};
    this.cluster = new PlaneCluster({ shardCount: SHARDS, tuning, ...delay });
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)] as T;
  }

  async begin(): Promise<void> {
    for (let i = 0; i < NODES; i++) this.nodes.push(await this.cluster.node());
    for (let shard = 0; shard < SHARDS; shard++) this.assign(shard);
    for (const node of this.nodes) this.tell(node);
  }

  assign(shard: number): void {
    this.#owners[shard] = { node: Math.floor(this.random() * NODES), epoch: ++this.#epoch };
  }

  /** Gives a node the roles of the map, as it is now. Nodes learn of it at different times, if at all. */
  tell(node: PlaneNode): void {
    const index = this.nodes.indexOf(node);
    for (const [shard, place] of this.#owners.entries()) node.be(this.roleOf(index, place), shard);
  }

  roleOf(index: number, { node, epoch }: { readonly node: number; readonly epoch: number }): Role {
    if (index === node) return owner(epoch);
    return this.random() < 0.7 ? STANDBY : { name: 'none' };
  }

  write(): void {
    const value = ++this.#clock;
    // Some keys are written once, so that nothing later covers a loss.
    const key = this.random() < 0.5 ? `once${value}` : `k${Math.floor(this.random() * 8)}`;
    const op: Op = { key, set: value, at: stamp(EPOCH + value) };
    const values = this.sent.get(key) ?? new Set();
    this.sent.set(key, values.add(value));
    this.#pending.push({ op, pending: this.pick(this.nodes).start(op) });
  }

  async turn(ms: number): Promise<void> {
    await this.cluster.settle(ms);
    this.#pending = this.#pending.filter(({ op, pending: { answer, answers } }) => {
      if (answer === null) return true;
      expect(answers).toBe(1);
      this.moved += answer.notOwner.length;
      if (answer.rejected.length + answer.notOwner.length === 0) this.acked.push(op);
      return false;
    });
  }

  get unanswered(): number {
    return this.#pending.length;
  }

  disturb(): void {
    const node = this.pick(this.nodes);
    const dice = this.random();
    if (dice < 0.3) {
      this.assign(Math.floor(this.random() * SHARDS));
      for (const one of this.nodes) if (this.random() < 0.7) this.tell(one);
    } else if (dice < 0.45) this.tell(node);
    else if (dice < 0.55) node.link.freeze();
    else if (dice < 0.62) node.link.cut();
    else if (dice < 0.9) this.heal(node);
    else this.pick(this.readers).leave();
  }

  heal({ link }: PlaneNode): void {
    link.thaw();
    link.mend();
  }

  async settleDown(): Promise<void> {
    for (const node of this.nodes) this.heal(node);
    for (let i = 0; i < 40; i++) await this.turn(500);
  }

  /** Makes one node the owner of everything and the others standbys. */
  async ownedBy(node: PlaneNode): Promise<void> {
    const epoch = ++this.#epoch;
    for (const other of this.nodes) other.be(other === node ? owner(epoch) : STANDBY);
    for (let i = 0; i < 10; i++) await this.turn(500);
  }
}

function contentOf(node: PlaneNode, keys: Iterable<string>): Map<string, unknown> {
  return new Map([...keys].map((key) => [key, node.read(key)]));
}

describe('roles that change at random', () => {
  it('lose no acked write, show every plane the same, and every reader everything', async () => {
    let [acked, moved, takeovers, resumed] = [0, 0, 0, 0];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const world = new World(seed);
      await world.begin();
      for (let round = 0; round < ROUNDS; round++) {
        for (let i = 0; i < 3; i++) world.write();
        if (world.random() < 0.5) world.disturb();
        for (const reader of world.readers) reader.look(world.nodes);
        await world.turn(world.pick([0, 1, 5, 20, 200]));
      }
      await world.settleDown();
      expect(world.unanswered, `seed ${seed}`).toBe(0);
      const keys = [...world.sent.keys()];
      const contents: Map<string, unknown>[] = [];
      for (const node of world.nodes) {
        await world.ownedBy(node);
        for (let shard = 0; shard < SHARDS; shard++) expect(node.hosting(shard).readiness, `seed ${seed}`).toBe(2);
        for (const reader of world.readers) reader.look([node]);
        await world.turn(10);
        contents.push(contentOf(node, keys));
      }
      for (const content of contents) expect(content, `seed ${seed}`).toEqual(contents[0]);
      for (const op of world.acked) {
        const value = Number(contents[0]?.get(op.key));
        expect(value, `seed ${seed} ${op.key}`).toBeGreaterThanOrEqual(op.at.ms - EPOCH);
        expect(world.sent.get(op.key)?.has(value)).toBe(true);
      }
      for (const { client, shard } of world.readers) {
        const expected = [...(contents[0] as Map<string, unknown>)].filter(
          ([key, value]) => value !== undefined && shardOfKey(key, SHARDS) === shard,
        );
        expect(new Map([...client.values(0)].sort()), `seed ${seed}`).toEqual(new Map(expected.sort()));
        // Going on by cursors brings each version once.
        const versions = client.everSeen.map(({ key, value }) => `${key} ${String(value)}`);
        expect(new Set(versions).size, `seed ${seed}`).toBe(versions.length);
        expect(client.resets, `seed ${seed}`).toEqual([]);
        resumed += client.moved;
      }
      acked += world.acked.length;
      moved += world.moved;
      for (const node of world.nodes) takeovers += node.plane.stats().totals.takeovers;
    }
    // The run was worth something.
    expect(acked).toBeGreaterThan(SEEDS * 20);
    expect(moved).toBeGreaterThan(SEEDS * 10);
    expect(takeovers).toBeGreaterThan(SEEDS * 10);
    expect(resumed).toBeGreaterThan(SEEDS * 3);
  }, 120_000);
});
