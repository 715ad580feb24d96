import { systemRuntime } from '@topgunbuild/core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NatsServer } from '../../../../tests/support/NatsServer.js';
import type { Backbone, ClusterPorts, Log, LogRecord, Tail } from './Backbone.js';
import { MemoryCluster } from './MemoryCluster.js';
import { NatsBackbone } from './nats/NatsBackbone.js';
import type { RegistryEntry } from './Registry.js';

interface NodeOptions {
  readonly shardCount?: number;
  readonly replicas?: number;
}

type ClusterBackbone = Backbone & { readonly cluster: ClusterPorts };

/** Something that makes clusters, and backbones for their nodes. */
interface World {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A cluster that was never there before. */
  create(): (options?: NodeOptions) => ClusterBackbone;
}

const runtime = systemRuntime();
let server: NatsServer;
let clusters = 0;

const WORLDS: Record<string, World> = {
  memory: {
    start: async () => undefined,
    stop: async () => undefined,
    create: () => {
      const cluster = new MemoryCluster({ runtime });
      return (options = {}) => cluster.backbone(options);
    },
  },
  nats: {
    start: async () => {
      server = await NatsServer.start();
    },
    stop: () => server.stop(),
    create: () => {
      const cluster = `c${clusters++}`;
      return (options = {}) => new NatsBackbone({ servers: [server.url], cluster, runtime, ...options });
    },
  },
};

const bytes = (length: number, fill = 1): Uint8Array => new Uint8Array(length).fill(fill);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const read = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);

async function until(condition: () => boolean): Promise<void> {
  for (const end = runtime.monotonic() + 5_000; !condition(); ) {
    if (runtime.monotonic() > end) throw new Error('it did not come about within 5 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe.each(Object.keys(WORLDS))('nodes that share a %s backbone', (kind) => {
  const world = WORLDS[kind] as World;
  const opened: ClusterBackbone[] = [];
  const tails: Tail[] = [];
  let join: (options?: NodeOptions) => ClusterBackbone;
  let a: ClusterBackbone;
  let b: ClusterBackbone;

  beforeAll(() => world.start());
  afterAll(() => world.stop());

  beforeEach(async () => {
    join = world.create();
    [a, b] = await Promise.all([open(), open()]);
  });

  afterEach(async () => {
    for (const tail of tails.splice(0)) tail.close();
    await Promise.all(opened.splice(0).map((backbone) => backbone.close()));
  });

  async function open(options?: NodeOptions): Promise<ClusterBackbone> {
    const backbone = join(options);
    opened.push(backbone);
    await backbone.open();
    return backbone;
  }

  /** Appends records and returns their sequences. */
  async function fill(log: Log, shard: number, count: number, size = 3): Promise<number[]> {
    const seqs: number[] = [];
    for (let head = await log.head(shard); seqs.length < count; head = seqs.at(-1) ?? 0) {
      const result = await log.append(shard, bytes(size, seqs.length + 1), head);
      if (result.status === 'fenced') throw new Error('fenced');
      seqs.push(result.seq);
    }
    return seqs;
  }

  async function records(log: Log, shard: number, fromSeq = 0): Promise<LogRecord[]> {
    const found: LogRecord[] = [];
    for await (const { seq, prev, bytes } of log.read(shard, fromSeq)) {
      found.push({ seq, prev, bytes: Uint8Array.from(bytes) });
    }
    return found;
  }

  async function seqs(log: Log, shard: number, fromSeq = 0): Promise<number[]> {
    return (await records(log, shard, fromSeq)).map(({ seq }) => seq);
  }

  function follow(node: ClusterBackbone, shard: number, fromSeq: number): { records: LogRecord[]; tail: Tail } {
    const followed: LogRecord[] = [];
    const tail = node.cluster.tails.tail(shard, fromSeq, (record) => followed.push(record));
    tails.push(tail);
    return { records: followed, tail };
  }

  describe('have a log', () => {
    it('with an id that all of them see, and another cluster does not', async () => {
      expect(a.log.logId).toBe(b.log.logId);
      join = world.create();
      expect((await open()).log.logId).not.toBe(a.log.logId);
    });

    it('whose records ascend in each shard, each knowing the one before', async () => {
      const [first = 0, second = 0] = await fill(a.log, 3, 2);
      await fill(a.log, 11, 1);
      const [third = 0] = await fill(a.log, 3, 1);
      expect([first < second, second < third]).toEqual([true, true]);
      expect(await Promise.all([b.log.head(3), b.log.head(4)])).toEqual([third, 0]);
      expect(await records(b.log, 3)).toEqual([
        { seq: first, prev: 0, bytes: bytes(3, 1) },
        { seq: second, prev: first, bytes: bytes(3, 2) },
        { seq: third, prev: second, bytes: bytes(3, 1) },
      ]);
      expect(await seqs(b.log, 3, first)).toEqual([second, third]);
      expect(await seqs(b.log, 3, second)).toEqual([third]);
      expect(await seqs(b.log, 3, third)).toEqual([]);
      expect(await seqs(b.log, 4)).toEqual([]);
    });

    it('that takes records of any size up to a megabyte', async () => {
      const sizes = [0, 1, 4_096, 65_536, 1_000_000];
      for (const size of sizes) await fill(a.log, 1, 1, size);
      expect((await records(b.log, 1)).map((record) => record.bytes.length)).toEqual(sizes);
    });

    it('that fences an append that does not follow the head', async () => {
      const [first = 0, second = 0] = await fill(a.log, 1, 2);
      for (const expected of [0, first, second + 1, 99]) {
        expect(await b.log.append(1, bytes(1), expected)).toEqual({ status: 'fenced' });
      }
      expect(await seqs(a.log, 1)).toEqual([first, second]);
      expect(await b.log.append(1, bytes(1), second)).toMatchObject({ status: 'appended' });
      expect(await a.log.append(1, bytes(1), second)).toEqual({ status: 'fenced' });
    });

    it('on which of two rivals one wins each time, and the chain has no gap', async () => {
      const wins = [0, 0];
      for (let round = 0; round < 30; round++) {
        const head = await a.log.head(2);
        const results = await Promise.all([a, b].map((node, rival) => node.log.append(2, bytes(2, rival), head)));
        expect(results.map(({ status }) => status).sort()).toEqual(['appended', 'fenced']);
        const winner = results.findIndex(({ status }) => status === 'appended');
        wins[winner] = (wins[winner] ?? 0) + 1;
      }
      const found = await records(a.log, 2);
      expect(found.length).toBe(30);
      expect(found.map(({ prev }) => prev)).toEqual([0, ...found.slice(0, -1).map(({ seq }) => seq)]);
      expect(found.filter((record) => record.bytes[0] === 1).length).toBe(wins[1]);
    });

    it('that is read up to the head at the time of the call', async () => {
      const written = await fill(a.log, 1, 300);
      const reading = b.log.read(1, 0);
      await a.log.head(1);
      const found: number[] = [];
      for await (const { seq } of reading) {
        if (found.length === 0) await fill(a.log, 1, 1);
        found.push(seq);
      }
      expect(found).toEqual(written);
      const three = written.slice(-3);
      for await (const { seq } of b.log.read(1, (three[0] ?? 0) - 1)) {
        expect(seq).toBe(three[0]);
        break;
      }
    });

    it('that forgets what is trimmed, of one shard, and never the last record', async () => {
      const written = await fill(a.log, 1, 10);
      const others = await fill(a.log, 10, 3);
      await a.log.trim(1, written[3] ?? 0);
      expect(await seqs(b.log, 1)).toEqual(written.slice(4));
      expect((await records(b.log, 1))[0]?.prev).toBe(written[3]);
      await a.log.trim(1, 999);
      expect(await seqs(b.log, 1)).toEqual(written.slice(-1));
      await a.log.trim(2, 5);
      expect(await b.log.head(1)).toBe(written.at(-1));
      expect(await seqs(b.log, 10)).toEqual(others);
      await fill(b.log, 1, 1);
    });
  });

  describe('have snapshots', () => {
    it('none until one is saved, then the last one', async () => {
      expect(await b.log.loadSnapshot(1)).toBeNull();
      await a.log.saveSnapshot(1, { seq: 5, chunks: [bytes(10, 1), bytes(0), bytes(2_000_000, 2)] });
      expect(await b.log.loadSnapshot(2)).toBeNull();
      const snapshot = await b.log.loadSnapshot(1);
      expect(snapshot?.seq).toBe(5);
      expect(snapshot?.chunks.map((chunk) => [chunk.length, chunk[0]])).toEqual([
        [10, 1],
        [0, undefined],
        [2_000_000, 2],
      ]);
      await b.log.saveSnapshot(1, { seq: 9, chunks: [bytes(1, 7)] });
      await b.log.saveSnapshot(2, { seq: 1, chunks: [] });
      expect(await a.log.loadSnapshot(1)).toMatchObject({ seq: 9, chunks: { length: 1 } });
      expect(await a.log.loadSnapshot(2)).toMatchObject({ seq: 1, chunks: { length: 0 } });
    });

    it('whole ones at any time, while others are being saved', async () => {
      const chunksOf = (fill: number): Uint8Array[] => Array.from({ length: 5 }, () => bytes(300_000, fill));
      await a.log.saveSnapshot(1, { seq: 1, chunks: chunksOf(1) });
      let isSaved = false;
      const saving = (async () => {
        for (const seq of [2, 3, 4]) await a.log.saveSnapshot(1, { seq, chunks: chunksOf(seq) });
        isSaved = true;
      })();
      while (!isSaved) {
        const snapshot = await b.log.loadSnapshot(1);
        expect(snapshot?.chunks.map((chunk) => chunk[0])).toEqual(Array(5).fill(snapshot?.seq));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await saving;
      expect((await b.log.loadSnapshot(1))?.seq).toBe(4);
    });
  });

  describe('have tails', () => {
    it('that hand over each record behind a sequence, those there and those to come, in order and once', async () => {
      const written = await fill(a.log, 1, 5);
      const { records } = follow(b, 1, written[1] ?? 0);
      await until(() => records.length === 3);
      const more = await fill(a.log, 1, 40);
      await until(() => records.length === 43);
      expect(records.map(({ seq }) => seq)).toEqual([...written.slice(2), ...more]);
      expect(records.map(({ prev }) => prev)).toEqual([...written.slice(1), ...more.slice(0, -1)]);
      expect(records.at(-1)?.bytes).toEqual(bytes(3, 40));
    });

    it('of an empty shard, and of many shards at once', async () => {
      const followed = Array.from({ length: 32 }, (_, shard) => follow(b, shard, 0).records);
      await Promise.all(followed.map((_, shard) => fill(a.log, shard, 3)));
      await until(() => followed.every((records) => records.length === 3));
      expect(followed.map((records) => records[0]?.prev)).toEqual(Array(32).fill(0));
    });

    it('that show by `prev` what was trimmed before they could hand it over', async () => {
      const written = await fill(a.log, 1, 6);
      await a.log.trim(1, written[3] ?? 0);
      const { records } = follow(b, 1, written[0] ?? 0);
      await until(() => records.length === 2);
      expect(records.map(({ seq, prev }) => [seq, prev])).toEqual([
        [written[4], written[3]],
        [written[5], written[4]],
      ]);
    });

    it('that hand over nothing once closed', async () => {
      const { records, tail } = follow(b, 1, 0);
      await fill(a.log, 1, 1);
      await until(() => records.length === 1);
      tail.close();
      const other = follow(b, 1, 0);
      await fill(a.log, 1, 1);
      await until(() => other.records.length === 2);
      expect(records.length).toBe(1);
    });
  });

  describe('have a registry', () => {
    it('whose values are set by whoever knows the revision', async () => {
      const one = a.cluster.registry;
      const two = b.cluster.registry;
      expect(await one.get('leader')).toBeNull();
      const first = (await one.compareAndSet('leader', text('a'), 0)) ?? 0;
      expect(first).toBeGreaterThan(0);
      expect(await two.compareAndSet('leader', text('b'), 0)).toBeNull();
      const second = (await two.compareAndSet('leader', text('b'), first)) ?? 0;
      expect(second).toBeGreaterThan(first);
      expect(await one.compareAndSet('leader', text('c'), first)).toBeNull();
      const entry = await one.get('leader');
      expect([read(entry?.value), entry?.revision]).toEqual(['b', second]);
    });

    it('whose values are deleted in the same way, and may come again', async () => {
      const { registry } = a.cluster;
      const first = (await registry.compareAndSet('node.x', text('1'), 0)) ?? 0;
      expect(await registry.delete('node.x', first + 1)).toBe(false);
      expect(await registry.delete('node.y', 0)).toBe(false);
      expect(await registry.delete('node.x', first)).toBe(true);
      expect(await b.cluster.registry.get('node.x')).toBeNull();
      expect(await registry.compareAndSet('node.x', text('2'), first)).toBeNull();
      const again = (await b.cluster.registry.compareAndSet('node.x', text('2'), 0)) ?? 0;
      expect(again).toBeGreaterThan(first);
      expect(read((await registry.get('node.x'))?.value)).toBe('2');
    });

    it('in which of many that set at the same time one wins, and none is lost', async () => {
      const add = async ({ cluster }: ClusterBackbone): Promise<void> => {
        for (let done = 0; done < 10; ) {
          const entry = await cluster.registry.get('count');
          const next = String(Number(read(entry?.value) || 0) + 1);
          if ((await cluster.registry.compareAndSet('count', text(next), entry?.revision ?? 0)) !== null) done++;
        }
      };
      await Promise.all([a, b, a, b].map(add));
      expect(read((await a.cluster.registry.get('count'))?.value)).toBe('40');
    });

    it('that tells watchers what is there, then what changes', async () => {
      const { registry } = a.cluster;
      const x = (await registry.compareAndSet('node.x', text('x1'), 0)) ?? 0;
      const y = (await registry.compareAndSet('node.y', text('y1'), 0)) ?? 0;
      await registry.compareAndSet('nodes', text('no'), 0);
      await registry.delete('node.y', y);
      const seen: [string, string | null][] = [];
      const revisions: number[] = [];
      const watch = await b.cluster.registry.watch('node.', (key: string, entry: RegistryEntry | null) => {
        seen.push([key, entry === null ? null : read(entry.value)]);
        if (entry !== null) revisions.push(entry.revision);
      });
      expect(seen).toEqual([['node.x', 'x1']]);
      await registry.compareAndSet('node.x', text('x2'), x);
      await until(() => seen.length === 2);
      await registry.delete('node.x', revisions[1] ?? 0);
      await registry.compareAndSet('node.z', text('z1'), 0);
      await until(() => seen.length === 4);
      expect(seen.slice(1)).toEqual([
        ['node.x', 'x2'],
        ['node.x', null],
        ['node.z', 'z1'],
      ]);
      expect(revisions).toEqual([...revisions].sort((left, right) => left - right));
      watch.close();
      await registry.compareAndSet('node.w', text('w1'), 0);
      await b.cluster.registry.get('node.w');
      expect(seen.length).toBe(4);
    });

    it('whose watch of nothing begins at once', async () => {
      const seen: string[] = [];
      const watch = await b.cluster.registry.watch('map', (key) => seen.push(key));
      expect(seen).toEqual([]);
      await a.cluster.registry.compareAndSet('map', text('1'), 0);
      await until(() => seen.length === 1);
      watch.close();
    });

    it('that refuses keys it cannot hold', async () => {
      for (const key of ['', 'a b', 'a.', '*', 'a.>', 'ä']) {
        await expect(a.cluster.registry.get(key)).rejects.toMatchObject({ code: 'INTERNAL' });
      }
    });
  });

  describe('have a bus', () => {
    it('on which requests are answered', async () => {
      b.cluster.bus.serve('node.b.ping', (payload) => bytes(payload.length + 1, 7));
      await b.cluster.registry.get('nothing');
      expect(await a.cluster.bus.request('node.b.ping', bytes(3), 1_000)).toEqual(bytes(4, 7));
      const replies = await Promise.all(
        Array.from({ length: 50 }, (_, length) => a.cluster.bus.request('node.b.ping', bytes(length), 1_000)),
      );
      expect(replies.map((reply) => reply.length)).toEqual(Array.from({ length: 50 }, (_, length) => length + 1));
    });

    it('that says at once when nobody serves a subject, also not any more', async () => {
      await expect(a.cluster.bus.request('node.b.ping', bytes(1), 60_000)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
      });
      const served = b.cluster.bus.serve('node.b.ping', () => bytes(1));
      await b.cluster.registry.get('nothing');
      await a.cluster.bus.request('node.b.ping', bytes(1), 1_000);
      served.close();
      await b.cluster.registry.get('nothing');
      await expect(a.cluster.bus.request('node.b.ping', bytes(1), 60_000)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
      });
    });

    it('that does not wait for an answer beyond the time given', async () => {
      b.cluster.bus.serve('slow', () => new Promise(() => undefined));
      b.cluster.bus.serve('broken', () => {
        throw new Error('no');
      });
      await b.cluster.registry.get('nothing');
      for (const subject of ['slow', 'broken']) {
        await expect(a.cluster.bus.request(subject, bytes(1), 20)).rejects.toMatchObject({ code: 'TIMEOUT' });
      }
    });

    it('that carries messages to everybody who listens, in order, the sender included', async () => {
      const heard: number[][] = [[], []];
      const subscriptions = [a, b].map((node, index) =>
        node.cluster.bus.subscribe('topic.x', (payload) => heard[index]?.push(payload[0] ?? -1)),
      );
      await Promise.all([a, b].map((node) => node.cluster.registry.get('nothing')));
      for (let n = 0; n < 100; n++) a.cluster.bus.publish('topic.x', bytes(1, n));
      a.cluster.bus.publish('topic.y', bytes(1, 255));
      await until(() => heard.every((list) => list.length === 100));
      expect(heard).toEqual(Array(2).fill(Array.from({ length: 100 }, (_, n) => n)));
      subscriptions[1]?.close();
      a.cluster.bus.publish('topic.x', bytes(1, 200));
      await until(() => heard[0]?.length === 101);
      expect(heard[1]?.length).toBe(100);
    });

    it('that refuses what is too large', async () => {
      const { bus } = a.cluster;
      const large = bytes(bus.maxPayload + 1);
      expect(() => bus.publish('x', large)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
      await expect(bus.request('x', large, 100)).rejects.toMatchObject({ code: 'TOO_LARGE' });
      b.cluster.bus.serve('x', () => bytes(1));
      await b.cluster.registry.get('nothing');
      expect(await bus.request('x', large.subarray(1), 1_000)).toEqual(bytes(1));
    });

    it('that does not mix clusters', async () => {
      b.cluster.bus.serve('x', () => bytes(1));
      await b.cluster.registry.get('nothing');
      join = world.create();
      const stranger = await open();
      await expect(stranger.cluster.bus.request('x', bytes(1), 100)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    });
  });

  it('refuse a node whose options are not those of the cluster', async () => {
    await expect(join({ shardCount: 16 }).open()).rejects.toMatchObject({
      code: 'INVALID_VALUE',
      message: expect.stringContaining('shardCount 32'),
    });
    await expect(join({ replicas: 3 }).open()).rejects.toMatchObject({ code: 'INVALID_VALUE' });
  });

  it('have no problem while all is well', () => {
    expect([a.problem, b.problem]).toEqual([null, null]);
  });
});
