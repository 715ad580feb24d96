import { decodeTotals, decodeValue } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import type { WriteRejection } from './engine/ClientEvents.js';
import { MemoryAdapter } from './storage/MemoryAdapter.js';
import { TopGunClient } from './TopGunClient.js';
import { rowsOf, World } from './testing/World.js';

const NOW = 1_760_000_000_000;

describe('A client without a server', () => {
  it('reads what it wrote, at once', async () => {
    const client = new TopGunClient();
    await client.start();
    const todos = client.getMap<{ title: string }>('todos');
    todos.set('a', { title: 'milk' });
    todos.set('b', { title: 'bread' });
    todos.update('b', (old) => ({ title: `${old?.title}!` }));
    todos.remove('a');
    expect(todos.get('a')).toBeUndefined();
    expect([...todos]).toEqual([['b', { title: 'bread!' }]]);
    expect(todos.size).toBe(1);
    expect(client.status).toBe('local');
    await client.close();
    expect(client.status).toBe('closed');
    expect(() => todos.set('c', { title: 'x' })).toThrow(/closed/);
  });

  it('tells listeners of every change, with the value before', async () => {
    const client = new TopGunClient();
    const map = client.getMap<number>('n');
    const seen: unknown[] = [];
    const stop = map.subscribe(({ changes }) => seen.push(...changes));
    map.set('a', 1);
    map.set('a', 2);
    map.remove('a');
    stop();
    map.set('a', 3);
    expect(seen).toEqual([
      { key: 'a', value: 1, origin: 'local' },
      { key: 'a', value: 2, previous: 1, origin: 'local' },
      { key: 'a', previous: 2, origin: 'local' },
    ]);
    await client.close();
  });

  it('keeps null, which is a value, and refuses what is none', async () => {
    const client = new TopGunClient();
    const map = client.getMap('m');
    map.set('a', null);
    expect(map.get('a')).toBeNull();
    expect(map.has('a')).toBe(true);
    expect(() => map.set('b', undefined)).toThrow(TypeError);
    expect(() => map.set('b', () => 1)).toThrow(TypeError);
    expect(() => map.set('\ud800', 1)).toThrow(TypeError);
    expect(map.has('b')).toBe(false);
    await client.close();
  });

  it('is not changed by what the application does to a value afterwards', async () => {
    const client = new TopGunClient();
    const map = client.getMap<{ n: number }>('m');
    const value = { n: 1 };
    map.set('a', value);
    value.n = 2;
    expect(map.get('a')).toEqual({ n: 1 });
    await client.close();
  });

  it('forgets a record at its deadline and says so', async () => {
    const world = new World();
    const client = new TopGunClient({ runtime: world.runtime() });
    const map = client.getMap<number>('m');
    const seen: unknown[] = [];
    map.subscribe(({ changes }) => seen.push(...changes));
    map.set('a', 1, { ttlMs: 1000 });
    await world.time.advance(999);
    expect(map.size).toBe(1);
    await world.time.advance(2);
    expect(map.get('a')).toBeUndefined();
    expect(map.size).toBe(0);
    expect(seen.at(-1)).toEqual({ key: 'a', previous: 1, origin: 'remote' });
  });

  it('counts, and keeps several values under one key', () => {
    const client = new TopGunClient();
    const hits = client.getCounter('hits');
    hits.increment(5);
    hits.decrement(2);
    expect(hits.value).toBe(3);
    const tags = client.getORMap<string>('tags');
    tags.add('x', 'red');
    tags.add('x', 'blue');
    tags.add('x', 'red');
    expect(tags.get('x')).toEqual(['red', 'blue']);
    tags.remove('x', 'red');
    expect(tags.get('x')).toEqual(['blue']);
    expect(() => client.getMap('tags').set('x', 1)).toThrow(/OR set/);
  });

  it('answers a query live, in order and within its window', () => {
    const client = new TopGunClient();
    const map = client.getMap<{ p: number; done: boolean }>('todos');
    for (const [key, p] of Object.entries({ a: 3, b: 1, c: 2, d: 4 })) map.set(key, { p, done: false });
    const q = client.query<{ p: number; done: boolean }>('todos', {
      where: { done: false },
      sort: { p: 'asc' },
      limit: 2,
    });
    const seen: string[][] = [];
    q.subscribe((rows) => seen.push(rows.map((row) => row.key)));
    map.set('b', { p: 1, done: true });
    map.set('e', { p: 0, done: false });
    expect(seen).toEqual([
      ['b', 'c'],
      ['c', 'a'],
      ['e', 'c'],
    ]);
    q.close();
  });
});

describe('Writes', () => {
  it('made before the client is online are sent once it is, and leave the log with their ack', async () => {
    const world = new World();
    const client = world.client();
    await client.start();
    const write = client.getMap<number>('m').set('a', 1);
    expect(client.pendingWrites).toBe(1);
    await world.time.advance(100);
    expect(client.status).toBe('online');
    expect(world.lastBatch().ops.keys).toEqual(['a']);
    expect(client.pendingWrites).toBe(1);
    await world.answer(world.lastBatch());
    await write.acked;
    await client.flush();
    expect(client.pendingWrites).toBe(0);
    await client.close();
  });

  it('of one key coalesce while they are unsent, and all of them are acked', async () => {
    const world = new World();
    const client = world.client();
    await client.start();
    const map = client.getMap<number>('m');
    const writes = [map.set('a', 1), map.set('a', 2), map.set('b', 9), map.set('a', 3)];
    const acked = Promise.all(writes.map((write) => write.acked));
    expect(client.pendingWrites).toBe(2);
    await world.time.advance(100);
    const { ops } = world.lastBatch();
    expect(ops.keys).toEqual(['b', 'a']);
    expect(decodeValue(ops.bytes(1))).toBe(3);
    await world.answer(world.lastBatch());
    await acked;
    await client.close();
  });

  it('whose answer was lost are sent again as the very same operations', async () => {
    const world = new World();
    const client = await world.online();
    client.getMap<number>('m').set('a', 1);
    await world.time.advance(5);
    const first = world.lastBatch();
    world.node.peer.close(1006, 'cut');
    await world.time.advance(60_000);
    const second = world.lastBatch();
    expect(second).not.toBe(first);
    expect([second.ops.ms, second.ops.counters, second.ops.replicas]).toEqual([
      first.ops.ms,
      first.ops.counters,
      first.ops.replicas,
    ]);
    await world.answer(second);
    expect(client.pendingWrites).toBe(0);
    await client.close();
  });

  it('that are refused are undone and reported, and hold up nobody', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    map.get('a');
    await world.time.advance(10);
    await world.stream(rowsOf('m', [['a', 7, NOW]]), { cursors: [0, 1], last: true });
    const rejections: WriteRejection[] = [];
    client.on('write-rejected', (rejection) => rejections.push(rejection));
    const refused = map.set('a', 8);
    const good = map.set('b', 1);
    const refusedAck = expect(refused.acked).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await world.time.advance(10);
    await world.answer(world.lastBatch(), [{ index: 0, code: 'FORBIDDEN', message: 'no' }]);
    await refusedAck;
    await good.acked;
    expect(map.get('a')).toBe(7);
    expect(map.get('b')).toBe(1);
    expect(rejections).toMatchObject([
      { map: 'm', key: 'a', operation: 'set', value: 8, error: { code: 'FORBIDDEN' } },
    ]);
    expect(client.pendingWrites).toBe(0);
    await client.close();
  });

  it('that are refused for a passing reason are kept and tried again', async () => {
    const world = new World();
    const client = await world.online();
    client.getMap<number>('m').set('a', 1);
    await world.time.advance(10);
    await world.answer(world.lastBatch(), [{ index: 0, code: 'RATE_LIMITED', message: 'slow down' }]);
    expect(client.pendingWrites).toBe(1);
    const before = world.batches.length;
    await world.time.advance(1000);
    expect(world.batches.length).toBe(before + 1);
    await world.answer(world.lastBatch());
    expect(client.pendingWrites).toBe(0);
    await client.close();
  });

  it('too large for any server are refused on the spot, as a server would', async () => {
    const client = new TopGunClient();
    const map = client.getMap<string>('m');
    const write = map.set('k'.repeat(1025), 'v');
    await expect(write.acked).rejects.toMatchObject({ code: 'TOO_LARGE' });
    expect(map.size).toBe(0);
    expect(client.pendingWrites).toBe(0);
  });
});

describe('Counters', () => {
  it('send one operation at a time, and a refused one is not part of the next', async () => {
    const world = new World();
    const client = await world.online();
    const hits = client.getCounter('hits');
    hits.increment(5);
    await world.time.advance(10);
    const first = world.lastBatch();
    hits.increment(1);
    hits.increment(1);
    await world.time.advance(10);
    expect(world.lastBatch()).toBe(first);
    expect(hits.value).toBe(7);
    await world.answer(first, [{ index: 0, code: 'FORBIDDEN', message: 'no' }]);
    const second = world.lastBatch();
    expect(second).not.toBe(first);
    expect(second.ops.count).toBe(1);
    expect(decodeTotals(second.ops.bytes(0))).toEqual({ added: 2, removed: 0 });
    expect(hits.value).toBe(2);
    await world.answer(second);
    expect(hits.value).toBe(2);
    await client.close();
  });
});

describe('Storage', () => {
  it('brings back what was pending, under the same timestamps, and what was synced with its cursors', async () => {
    const world = new World();
    const storage = new MemoryAdapter();
    const first = await world.online({ storage });
    const map = first.getMap<number>('m');
    map.get('a');
    await world.time.advance(10);
    await world.stream(rowsOf('m', [['a', 1, NOW]]), { cursors: [2, 9], last: true });
    const write = map.set('b', 2);
    await write.persisted;
    await world.time.advance(10);
    const sent = world.lastBatch();
    await first.close();

    const second = await world.online({ storage });
    expect(second.getMap<number>('m').get('a')).toBe(1);
    expect(second.getMap<number>('m').get('b')).toBe(2);
    await world.time.advance(10);
    expect(world.lastBatch()).not.toBe(sent);
    expect([world.lastBatch().ops.ms, world.lastBatch().ops.replicas]).toEqual([sent.ops.ms, sent.ops.replicas]);
    expect(world.subscriptions.at(-1)).toMatchObject({ logId: 'log-1', cursors: [2, 9] });
    await world.answer(world.lastBatch());
    await second.close();

    const third = await world.online({ storage });
    expect(third.pendingWrites).toBe(0);
    expect(third.getMap<number>('m').get('b')).toBe(2);
    await third.close();
  });

  it('is apart for each subject, and what is pending waits for its own', async () => {
    const token = (sub: string) => `x.${Buffer.from(JSON.stringify({ sub })).toString('base64url')}.x`;
    for (const storage of [undefined, new MemoryAdapter()]) {
      const world = new World();
      world.node.script.auth = (message, node) => node.authAck({ subject: message.token ?? '' });
      const client = await world.online({ ...(storage === undefined ? {} : { storage }), auth: token('ann') });
      const map = client.getMap<number>('m');
      const write = map.set('a', 1);
      await world.time.advance(10);
      client.setAuthToken(token('bob'));
      await world.time.advance(5_000);
      expect(map.get('a')).toBeUndefined();
      expect(client.pendingWrites).toBe(0);
      const before = world.batches.length;
      client.setAuthToken(token('ann'));
      await world.time.advance(5_000);
      expect(map.get('a')).toBe(1);
      expect(world.batches.length).toBe(before + 1);
      await world.answer(world.lastBatch());
      await write.acked;
      await client.close();
    }
  });

  it('keeps every queued write over a token refresh of the same subject', async () => {
    const world = new World();
    const token = (sub: string, n: number) => `x.${Buffer.from(JSON.stringify({ sub, n })).toString('base64url')}.x`;
    const client = world.client({ auth: token('ann', 1), storage: new MemoryAdapter() });
    await world.during(client.start());
    client.getMap<number>('m').set('a', 1);
    client.setAuthToken(token('ann', 2));
    await world.time.advance(60_000);
    expect(world.lastBatch().ops.keys).toEqual(['a']);
    expect(world.node.auths().at(-1)?.token).toBe(token('ann', 2));
    await client.close();
  });

  it('whose token is refused ends all waiting for servers with the reason, and keeps its writes for another token', async () => {
    const world = new World();
    world.node.script.auth = ({ token }, node) =>
      token === 'good' ? node.authAck() : { type: 'AUTH_FAIL', code: 'AUTH_INVALID', message: 'no' };
    const client = world.client({ auth: 'bad' });
    await world.during(client.start());
    client.getMap<number>('m').set('a', 1);
    const refused = { code: 'AUTH_INVALID' };
    const early = [client.flush(), client.ready()].map((wait) => expect(wait).rejects.toMatchObject(refused));
    await world.time.advance(1_000);
    await Promise.all(early);
    await expect(client.flush()).rejects.toMatchObject(refused);
    await expect(client.ready()).rejects.toMatchObject(refused);
    client.setAuthToken('good');
    const flushed = client.flush();
    await world.time.advance(1_000);
    await world.answer(world.lastBatch());
    await flushed;
    await client.ready();
    await client.close();
  });

  it('renews the token in time by the clock of the server, however wrong its own is', async () => {
    const world = new World();
    world.node.script.auth = (_, node) => {
      const ack = node.authAck();
      return { ...ack, expiresAt: ack.serverTime + 60_000 };
    };
    const runtime = world.runtime(1_760_000_000_000 - 3_600_000);
    const client = await world.online({ runtime, auth: async () => 'token' });
    await world.time.advance(50_000);
    expect(world.node.auths()).toHaveLength(2);
    await client.close();
  });
});
