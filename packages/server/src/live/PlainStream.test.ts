import { shardOfKey } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { FaultyBackbone } from '../testing/FaultyBackbone.js';
import { type Op, stamp } from '../testing/ops.js';
import { PlaneHarness } from '../testing/PlaneHarness.js';
import { StreamClient } from '../testing/StreamClient.js';

const one = { shardCount: 1 } as const;
const set = (key: string, value: unknown, ms: number, counter = 0): Op => ({ key, set: value, at: stamp(ms, counter) });
const keys = (client: StreamClient): string[] => [...client.rows.keys()].sort();

describe('a stream of a map', () => {
  it('brings what changed during an absence, and hardly more bytes than that', async () => {
    const h = await PlaneHarness.open({ shardCount: 32 });
    const text = 'x'.repeat(60);
    const value = (i: number) => ({ id: i, title: `todo number ${i} ${text}`, done: false, owner: 'ann' });
    for (let from = 0; from < 100_000; from += 1_000) {
      await h.write(...Array.from({ length: 1_000 }, (_, i) => set(`todo-${from + i}`, value(from + i), 1, i)));
    }
    const client = h.subscribe();
    while (!client.complete) await h.settle();
    expect(client.rows.size).toBe(100_000);
    client.stream.close();

    const logBytes = (): number => h.plane.stats().totals.logBytes;
    const before = logBytes();
    const changes = Array.from({ length: 1_000 }, (_, i) => set(`todo-${(i * 97) % 100_000}`, value(i + 5e5), 2, i));
    await h.write(...changes);
    const changedBytes = logBytes() - before;

    client.bytes = 0;
    client.records = 0;
    const resumed = h.subscribe({}, { client });
    expect(resumed.resets).toEqual([]);
    expect(resumed.records).toBe(1_000);
    expect(resumed.values(0).get('todo-97')).toEqual(value(1 + 5e5));
    expect(resumed.bytes).toBeLessThan(1.2 * changedBytes);
  }, 60_000);

  it('sends messages of about 64 KiB', async () => {
    const h = await PlaneHarness.open();
    await h.write(...Array.from({ length: 4_000 }, (_, i) => set(`k${i}`, 'x'.repeat(100), 1, i)));
    const sizes: number[] = [];
    const client = new StreamClient(h.shardCount);
    let last = 0;
    client.onFrame = () => {
      sizes.push(client.bytes - last);
      last = client.bytes;
    };
    h.subscribe({}, { client });
    expect(client.rows.size).toBe(4_000);
    expect(Math.max(...sizes)).toBeLessThan(70 * 1024);
    expect(sizes.length).toBeLessThan(12);
  });

  it('is asked for more by its sink, never the other way round', async () => {
    const h = await PlaneHarness.open();
    await h.write(...Array.from({ length: 4_000 }, (_, i) => set(`k${i}`, 'x'.repeat(100), 1, i)));
    const client = new StreamClient(h.shardCount);
    client.onFrame = () => {
      client.hasRoom = false;
    };
    const { stream } = h.subscribe({}, { client });
    for (let frames = 1; !client.complete; frames++) {
      expect(client.frames).toBe(frames);
      await h.write(set(`k${frames}`, 'changed', 2));
      await h.settle();
      expect(client.frames).toBe(frames);
      client.hasRoom = true;
      stream.resume();
    }
    client.hasRoom = true;
    await h.settle();
    expect([...client.values(0).values()].filter((value) => value === 'changed').length).toBeGreaterThan(4);
  });

  it('lets others have their turn while a large map is on its way', async () => {
    const h = await PlaneHarness.open({ tuning: { turnBytes: 100_000 } });
    await h.write(...Array.from({ length: 4_000 }, (_, i) => set(`k${i}`, 'x'.repeat(100), 1, i)));
    const client = h.subscribe();
    expect(client.complete).toBe(false);
    await h.settle();
    expect(client.complete).toBe(true);
    expect(client.rows.size).toBe(4_000);
  });

  it('never moves a cursor past rows that it has not sent', async () => {
    const h = await PlaneHarness.open({ ...one, tuning: { chunkBytes: 40 } });
    await h.write(...Array.from({ length: 20 }, (_, i) => set(`a${i}`, i, 1, i)));
    await h.write(...Array.from({ length: 20 }, (_, i) => set(`b${i}`, i, 1, i)));
    for (let frames = 1; frames < 20; frames++) {
      const client = new StreamClient(h.shardCount);
      client.onFrame = () => {
        client.hasRoom = client.frames < frames;
      };
      h.subscribe({}, { client }).stream.close();
      client.onFrame = null;
      client.hasRoom = true;
      expect(h.subscribe({}, { client }).rows.size, `cut off after ${frames} messages`).toBe(40);
    }
  });

  it('puts shards whose records became durable together into one message', async () => {
    const h = await PlaneHarness.open({ shardCount: 32 });
    const client = h.subscribe();
    await h.write(...Array.from({ length: 100 }, (_, i) => set(`k${i}`, i, 1, i)));
    await h.settle();
    expect(client.rows.size).toBe(100);
    expect(client.frames).toBe(2);
  });

  it('sends each change of a turn once, with its last value', async () => {
    const h = await PlaneHarness.open(one);
    const client = h.subscribe();
    client.records = 0;
    await h.write(...Array.from({ length: 100 }, (_, i) => set('k', i, i)));
    await h.settle();
    expect(client.records).toBe(1);
    expect(client.values(0).get('k')).toBe(99);
  });

  it('encodes a change once for all subscribers, whatever their query ids', async () => {
    const h = await PlaneHarness.open(one);
    const frames: Uint8Array[] = [];
    const clients = [1, 1, 2, 70_000].map((queryId) => {
      const client = new StreamClient(1);
      const sink = {
        hasRoom: true,
        send: (frame: Uint8Array) => {
          frames.push(frame);
          client.send(frame);
        },
      };
      const spec = {
        queryId,
        map: 'todos',
        query: {},
        logId: null,
        cursors: [],
        restriction: null,
        shards: null,
        onMoved: () => undefined,
      };
      h.plane.subscribe(spec, sink);
      return client;
    });
    frames.length = 0;
    await h.write(set('k', 'v', 1));
    await h.settle();
    expect(clients.map((client) => client.values(0).get('k'))).toEqual(['v', 'v', 'v', 'v']);
    expect(clients.map((client) => client.queryIds.at(-1))).toEqual([1, 1, 2, 70_000]);
    expect(frames).toHaveLength(4);
    expect(frames[0]).toBe(frames[1]);
  });

  it('suffers nothing from the failure of another sink', async () => {
    const h = await PlaneHarness.open(one);
    const broken = {
      hasRoom: true,
      send: (): void => {
        throw new Error('the socket is gone');
      },
    };
    const spec = { map: 'todos', logId: null, cursors: [], restriction: null, shards: null, onMoved: () => undefined };
    const streams = [{}, { limit: 2 }].map((query) => h.plane.subscribe({ ...spec, query, queryId: 9 }, broken));
    const client = h.subscribe();
    expect(await h.write(set('k', 'v', 1))).toEqual([]);
    await h.settle();
    for (const stream of streams) stream.resume();
    expect(client.values(0).get('k')).toBe('v');
  });

  it('stops when it is closed, and leaves nothing behind', async () => {
    const h = await PlaneHarness.open();
    const clients = [h.subscribe(), h.subscribe({ where: { a: 1 } }), h.subscribe({ limit: 3 })];
    const frames = clients.map((client) => client.frames);
    expect(h.plane.stats()).toMatchObject({ streams: 3, windows: 1 });
    for (const { stream } of clients) stream.close();
    for (const { stream } of clients) stream.close();
    await h.write(set('k', { a: 1 }, 1));
    await h.settle();
    for (const { stream } of clients) stream.resume();
    expect(clients.map((client) => client.frames)).toEqual(frames);
    expect(h.plane.stats()).toMatchObject({ streams: 0, windows: 0 });
  });

  it('keeps tombstones in the stream, so that a newcomer with older writes learns that they are void', async () => {
    const h = await PlaneHarness.open(one);
    await h.write(set('k', 1, 1));
    await h.write({ key: 'k', remove: true, at: stamp(2) });
    const client = h.subscribe();
    expect(keys(client)).toEqual(['k']);
    expect(client.values(0).size).toBe(0);
  });
});

describe('cursors', () => {
  it('are reset when they are of another log, or of a future that this log does not have', async () => {
    const h = await PlaneHarness.open(one);
    await h.write(set('a', 1, 1));
    const client = h.subscribe();
    client.stream.close();
    client.logId = 'another log';
    expect(h.subscribe({}, { client }).resets).toEqual([[0]]);
    client.stream.close();
    client.cursors.set(0, 999);
    expect(h.subscribe({}, { client }).resets).toEqual([[0], [0]]);
    expect(keys(client)).toEqual(['a']);
  });

  it('make the client drop what the server no longer has, after a reset', async () => {
    const h = await PlaneHarness.open(one);
    await h.write(set('a', 1, 1));
    const client = h.subscribe();
    client.stream.close();
    const backbone = new FaultyBackbone();
    backbone.logId = 'log-2';
    const restored = await PlaneHarness.open({ ...one, backbone });
    await restored.write(set('b', 1, 1));
    expect(keys(restored.subscribe({}, { client }))).toEqual(['b']);
  });

  it('of 0 are no beginning for a client that holds rows of a message without one', async () => {
    const h = await PlaneHarness.open({ shardCount: 1 });
    await h.write({ key: 'a', set: { n: 1 }, at: stamp(1) });
    const client = h.subscribe({ where: { n: 1 } });
    client.stream.close();
    client.cursors.set(0, 0);
    await h.write({ key: 'a', remove: true, at: stamp(2) });
    h.subscribe({ where: { n: 1 } }, { client });
    expect(client.resets).toEqual([[0]]);
    expect(client.values(0).size).toBe(0);
  });

  it('move on even when nothing that passes the filter changes', async () => {
    const h = await PlaneHarness.open({ ...one, tuning: { quietRows: 10 } });
    const client = h.subscribe({ where: { n: -1 } });
    for (let i = 1; i <= 25; i++) await h.write(set('k', { n: i }, i));
    await h.settle();
    expect(client.cursors.get(0)).toBeGreaterThanOrEqual(20);
    expect(client.records).toBe(0);
    client.stream.close();
    expect(h.subscribe({ where: { n: -1 } }, { client }).left.length).toBeLessThanOrEqual(1);
  });

  it('name only the shards of the keys that a query pins', async () => {
    const h = await PlaneHarness.open({ shardCount: 32 });
    await h.write(...Array.from({ length: 100 }, (_, i) => set(`k${i}`, i, 1, i)));
    const client = h.subscribe({ where: { _key: { $in: ['k1', 'k2'] } } });
    expect(keys(client)).toEqual(['k1', 'k2']);
    const shards = new Set(['k1', 'k2'].map((key) => shardOfKey(key, 32)));
    expect(new Set(client.cursors.keys())).toEqual(shards);
    await h.write(...Array.from({ length: 100 }, (_, i) => set(`k${i}`, -i, 2, i)));
    await h.settle();
    expect(client.values(0)).toEqual(
      new Map([
        ['k1', -1],
        ['k2', -2],
      ]),
    );
    expect(new Set(client.cursors.keys())).toEqual(shards);
  });

  it('are all there, at once and complete, for a query that nothing can match', async () => {
    const h = await PlaneHarness.open();
    expect(h.subscribe({ where: { _key: { $in: [] } } }).complete).toBe(true);
    expect(h.subscribe({ where: { _key: { $in: [] } }, limit: 3 }).complete).toBe(true);
  });
});

describe('a filter', () => {
  it('tells once of a row that leaves it, by its key, and of a deleted one by its tombstone', async () => {
    const h = await PlaneHarness.open(one);
    await h.write(set('a', { n: 1 }, 1), set('b', { n: 1 }, 1), set('c', { n: 0 }, 1));
    const client = h.subscribe({ where: { n: 1 } });
    expect(keys(client)).toEqual(['a', 'b']);
    await h.write(set('a', { n: 2 }, 2), { key: 'b', remove: true, at: stamp(2) });
    await h.write(set('a', { n: 3 }, 3), set('c', { n: 4 }, 3));
    await h.settle();
    expect(client.left).toEqual(['a']);
    expect(keys(client)).toEqual(['b']);
    expect(client.values(0).size).toBe(0);
  });

  it('tells of rows that left it during an absence', async () => {
    const h = await PlaneHarness.open(one);
    await h.write(set('a', { n: 1 }, 1), set('b', { n: 1 }, 1));
    const client = h.subscribe({ where: { n: 1 } });
    client.stream.close();
    await h.write(set('a', { n: 2 }, 2));
    expect(keys(h.subscribe({ where: { n: 1 } }, { client }))).toEqual(['b']);
  });

  it('tells a writer who lost against a row outside of it that his version is void', async () => {
    const h = await PlaneHarness.open(one);
    await h.write(set('a', { n: 2 }, 10));
    const client = h.subscribe({ where: { n: 1 } });
    expect(await h.write(set('a', { n: 1 }, 5))).toEqual([]);
    await h.settle();
    expect(client.left).toEqual(['a']);
  });

  it.each([
    ['behind', true, {}],
    ['falling behind', false, {}],
    ['behind, when there is too much to do at once', true, { flushTests: -1 }],
    ['put off, when there is too much to do at once', false, { flushTests: -1 }],
  ])('tells so a writer whose stream is %s', async (_, isBehind, tuning) => {
    const h = await PlaneHarness.open({ ...one, tuning });
    await h.write(set('a', { n: 2 }, 10));
    const client = h.subscribe({ where: { n: 1 } });
    client.hasRoom = false;
    if (isBehind) {
      await h.write(set('b', { n: 1 }, 11));
      await h.settle();
    }
    await h.write(set('a', { n: 1 }, 5));
    await h.settle();
    client.hasRoom = true;
    client.stream.resume();
    await h.settle();
    expect(client.left).toEqual(['a']);
  });

  it('looks into arrays of OR records and into counters', async () => {
    const h = await PlaneHarness.open(one);
    await h.write({ key: 't', add: 'red', at: stamp(1) });
    const client = h.subscribe({ where: { $not: { _key: 'x' } } });
    expect(client.values(0).get('t')).toEqual(['red']);
    await h.write({ key: 't', drop: [stamp(1)], at: stamp(2) });
    await h.settle();
    expect(client.left).toEqual(['t']);
  });
});

describe('a restricted stream', () => {
  const restriction = { owner: 'ann' };

  it('gives one LEFT, and never the new value, when a row leaves what is permitted', async () => {
    const h = await PlaneHarness.open(one);
    await h.write(set('a', { owner: 'ann', n: 1 }, 1), set('b', { owner: 'bob' }, 1));
    const client = h.subscribe({}, { restriction });
    expect(keys(client)).toEqual(['a']);
    await h.write(set('a', { owner: 'bob', secret: 1 }, 2));
    await h.write(set('a', { owner: 'bob', secret: 2 }, 3), set('b', { owner: 'cy' }, 3));
    await h.write({ key: 'b', remove: true, at: stamp(4) });
    await h.settle();
    expect(client.left).toEqual(['a']);
    expect(client.everSeen).toEqual([{ key: 'a', value: { owner: 'ann', n: 1 } }]);
  });

  it('does not confirm hidden rows to a writer', async () => {
    const h = await PlaneHarness.open(one);
    await h.write(set('b', { owner: 'bob' }, 10));
    const client = h.subscribe({}, { restriction });
    await h.write(set('b', { owner: 'ann' }, 5));
    await h.settle();
    expect(client.left).toEqual([]);
  });

  it('starts again instead of resuming, since LEFT must not tell of hidden keys', async () => {
    const h = await PlaneHarness.open(one);
    await h.write(set('a', { owner: 'ann' }, 1), set('b', { owner: 'ann' }, 1));
    const client = h.subscribe({}, { restriction });
    client.stream.close();
    await h.write(set('a', { owner: 'bob' }, 2), set('c', { owner: 'bob' }, 2));
    const resumed = h.subscribe({}, { client, restriction });
    expect(resumed.resets).toEqual([[0]]);
    expect(resumed.left).toEqual([]);
    expect(keys(resumed)).toEqual(['b']);
  });

  it('shares nothing with unrestricted streams of the same condition', async () => {
    const h = await PlaneHarness.open(one);
    await h.write(set('a', { owner: 'bob' }, 10));
    const open = h.subscribe({ where: restriction });
    const restricted = h.subscribe({}, { restriction, queryId: 2 });
    await h.write(set('a', { owner: 'ann' }, 5));
    await h.settle();
    expect([open.left, restricted.left]).toEqual([['a'], []]);
  });
});
