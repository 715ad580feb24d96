import { EntryBatch, encodeTotals, encodeValue, shardOfKey, Tag } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { MemoryAdapter } from './storage/MemoryAdapter.js';
import { rowsOf, World } from './testing/World.js';

const NOW = 1_760_000_000_000;

describe('Streams', () => {
  it('start with the first read and go on from their cursors after a reconnect', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    map.set('own', 1);
    await world.time.advance(10);
    expect(world.subscriptions).toEqual([]);
    expect(map.get('a')).toBeUndefined();
    await world.time.advance(10);
    expect(world.subscriptions).toMatchObject([{ map: 'm', logId: null, cursors: [] }]);
    await world.stream(rowsOf('m', [['a', 1, NOW]]), { cursors: [3, 17], last: true });
    await map.synced();
    expect(map.get('a')).toBe(1);
    world.node.peer.close(1006, 'cut');
    await world.time.advance(60_000);
    expect(world.subscriptions.at(-1)).toMatchObject({ logId: 'log-1', cursors: [3, 17] });
    await client.close();
  });

  it('that are reset drop what the server no longer has, but nothing that is pending', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    map.get('a');
    await world.time.advance(10);
    await world.stream(
      rowsOf('m', [
        ['a', 1, NOW],
        ['b', 2, NOW],
      ]),
      { cursors: [0, 5], last: true },
    );
    map.set('mine', 3);
    const queryId = world.subscriptions.at(-1)?.queryId ?? 0;
    world.node.say({ type: 'QUERY_RESET', queryId, logId: 'log-2', shards: [] });
    await world.stream(rowsOf('m', [['b', 2, NOW]]), { cursors: [0, 1], last: true });
    expect([...map.keys()].sort()).toEqual(['b', 'mine']);
    await client.close();
  });

  it('that broke before they were complete do not keep what has gone meanwhile', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    map.get('a');
    await world.time.advance(10);
    await world.stream(rowsOf('m', [['a', 1, NOW]]), { cursors: [shardOfKey('a', 32), 1] });
    await world.stream(rowsOf('m', [['b', 2, NOW]]));
    world.node.peer.close(1006, 'cut');
    await world.time.advance(5_000);
    expect(world.subscriptions.at(-1)).toMatchObject({ logId: 'log-1', cursors: [shardOfKey('a', 32), 1] });
    const queryId = world.subscriptions.at(-1)?.queryId ?? 0;
    world.node.say({ type: 'QUERY_RESET', queryId, logId: 'log-1', shards: [shardOfKey('b', 32)] });
    await world.stream(rowsOf('m', [['c', 3, NOW]]), { cursors: [shardOfKey('b', 32), 2], last: true });
    expect([...map.keys()]).toEqual(['a', 'c']);
    await client.close();
  });

  it('of queries keep only what some stream stands for', async () => {
    const world = new World();
    const client = await world.online();
    const low = client.query<{ n: number }>('m', { where: { n: { $lt: 10 } } });
    await world.time.advance(10);
    await world.stream(rowsOf('m', [['a', { n: 1 }, NOW]]), { cursors: [0, 1], last: true });
    expect(low.rows).toEqual([{ key: 'a', value: { n: 1 } }]);
    await world.stream(rowsOf('m', [['a', undefined]]), { cursors: [0, 2] });
    expect(low.rows).toEqual([]);
    low.close();
    await client.close();
  });

  it('take away no row that another has brought, which is closed and was further on', async () => {
    const world = new World();
    const client = await world.online();
    const openHigh = () => client.query<{ n: number }>('m', { where: { n: { $gt: 9 } } });
    const openKey = () => client.query<{ n: number }>('m', { where: { _key: 'a' } });
    const high = openHigh();
    await world.time.advance(10);
    await world.stream(rowsOf('m', []), { cursors: [0, 1], last: true });
    high.close();
    const byKey = openKey();
    await world.time.advance(10);
    await world.stream(rowsOf('m', [['a', { n: 2 }, NOW]]), { cursors: [0, 3], last: true });
    byKey.close();
    openHigh();
    await world.time.advance(10);
    await world.stream(rowsOf('m', [['a', 'left']]), { cursors: [0, 3], last: true });
    const again = openKey();
    await world.time.advance(10);
    expect(world.subscriptions.at(-1)).toMatchObject({ cursors: [0, 3] });
    await world.stream(rowsOf('m', []), { cursors: [0, 3], last: true });
    expect(again.rows).toEqual([{ key: 'a', value: { n: 2 } }]);
    await client.close();
  });

  it('leave an acked write where it is while one that stands for it is behind', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<{ n: number }>('m');
    map.get('a');
    await world.time.advance(10);
    const whole = world.subscriptions.at(-1)?.queryId ?? 0;
    await world.stream(rowsOf('m', [['a', { n: 1 }, NOW]]), { cursors: [0, 1], last: true });
    map.set('a', { n: 20 });
    client.query('m', { where: { n: { $lt: 10 } } });
    await world.time.advance(10);
    // By now the server has no 'a'; the stream of the whole map has not told so yet.
    await world.stream(rowsOf('m', []), { cursors: [0, 2], last: true });
    await world.answer(world.lastBatch());
    expect(map.get('a')).toEqual({ n: 20 });
    await world.stream(rowsOf('m', [['a', undefined, NOW * 2]]), { cursors: [0, 3], queryId: whole });
    expect(map.get('a')).toBeUndefined();
    await client.close();
  });

  it('do not take away what another node acked while they were on their way', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    map.set('own', 1);
    expect(map.get('own')).toBe(1);
    await world.time.advance(10);
    expect(world.subscriptions).toMatchObject([{ map: 'm', logId: null }]);
    await world.answer(world.lastBatch());
    const seen: (number | undefined)[] = [];
    map.subscribe(() => seen.push(map.get('own')));
    await world.stream(rowsOf('m', []), { cursors: [shardOfKey('own', 32), 1], last: true });
    expect(map.get('own')).toBe(1);
    expect(seen).not.toContain(undefined);
    await client.close();
  });

  it('that open before an owner has heard of a write do not take it back when another node has acked it', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    map.set('own', 1);
    await world.time.advance(10);
    await world.answer(world.lastBatch());
    const [earlier] = world.batches;
    map.set('own', 2);
    map.get('own');
    await world.time.advance(10);
    // The first rows ever: what is here until then may be of any log.
    await world.stream(rowsOf('m', []), { cursors: [(shardOfKey('own', 32) + 1) % 32, 1] });
    await world.answer(world.lastBatch());
    await world.stream(earlier?.ops ?? rowsOf('m', []), { cursors: [shardOfKey('own', 32), 1], last: true });
    expect(map.get('own')).toBe(2);
    await client.close();
  });

  it('that lose what a later write had made leave nothing of an earlier one, which nobody has answered', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    map.get('k');
    await world.time.advance(10);
    await world.stream(rowsOf('m', []), { cursors: [shardOfKey('k', 32), 1], last: true });
    const receipts = [];
    for (const n of [1, 2, 3]) {
      receipts.push(map.set('k', n));
      await world.time.advance(10);
    }
    const [first, second, third] = world.batches;
    if (first === undefined || second === undefined || third === undefined) throw new Error('not sent one by one');
    await world.answer(second);
    // Somebody has put a row there that may not be seen.
    await world.stream(rowsOf('m', [['k', 'left']]), { cursors: [shardOfKey('k', 32), 3] });
    const refused = expect(receipts[2]?.acked).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await world.answer(third, [{ index: 0, code: 'FORBIDDEN', message: 'no' }]);
    await refused;
    expect(map.get('k')).toBeUndefined();
    await world.answer(first);
    await receipts[0]?.acked;
    expect(map.get('k')).toBeUndefined();
    await client.close();
  });

  it('of a query do not take away what belongs to another, which is closed, below a write that is refused then', async () => {
    const world = new World();
    const client = await world.online();
    const many = { where: { n: { $gte: 4 } } };
    const first = client.query<{ n: number }>('m', many);
    await world.time.advance(10);
    await world.stream(rowsOf('m', [['k', { n: 5 }, NOW]]), { cursors: [shardOfKey('k', 32), 6], last: true });
    first.close();
    const write = client.getMap('m').set('k', { n: 8 });
    const refused = expect(write.acked).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const other = client.query('m', { where: { _key: 'other' } });
    await world.time.advance(10);
    expect(world.subscriptions.at(-1)?.query).toEqual({ where: { _key: 'other' } });
    await world.stream(rowsOf('m', []), { cursors: [shardOfKey('other', 32), 6], last: true });
    await world.answer(world.lastBatch(), [{ index: 0, code: 'FORBIDDEN', message: 'no' }]);
    await refused;
    const again = client.query<{ n: number }>('m', many);
    await world.time.advance(10);
    await world.stream(rowsOf('m', []), { last: true });
    expect(again.rows).toEqual([{ key: 'k', value: { n: 5 } }]);
    for (const query of [other, again]) query.close();
    await client.close();
  });

  it.each([
    ['is on its way, leave the write where it is', true],
    ['never comes, take the write away', false],
  ])(
    'that are slow to tell, and did so of what was before a write, ask for the row: where it %s',
    async (_, hasWon) => {
      const world = new World();
      const client = await world.online();
      const map = client.getMap<number>('m');
      map.get('k');
      await world.time.advance(10);
      const shard = shardOfKey('k', 32);
      await world.stream(rowsOf('m', [['k', 1, NOW]]), { cursors: [shard, 1], last: true });
      map.remove('k');
      await world.time.advance(10);
      const removal = world.lastBatch();
      map.set('k', 2);
      await world.time.advance(10);
      const write = world.lastBatch();
      await world.stream(rowsOf('m', [['k', undefined]]), { cursors: [shard, 2] });
      await world.answer(removal);
      const before = world.subscriptions.length;
      await world.answer(write);
      expect(map.get('k')).toBe(2);
      expect(world.subscriptions.slice(before)).toMatchObject([{ map: 'm', cursors: [] }]);
      await world.stream(hasWon ? write.ops : rowsOf('m', []), { cursors: [shard, 3], last: true });
      expect(map.get('k')).toBe(hasWon ? 2 : undefined);
      expect(world.subscriptions).toHaveLength(before + 1);
      await client.close();
    },
  );

  it('leave what another stream has brought that is further on, and not what it has brought before', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<{ n: number }>('m');
    map.get('a');
    await world.time.advance(10);
    const whole = world.subscriptions.at(-1)?.queryId ?? 0;
    const [early, late] = [shardOfKey('early', 32), shardOfKey('late', 32)];
    await world.stream(rowsOf('m', [['early', { n: 2 }, NOW]]), { cursors: [early, 4, late, 5], last: true });
    const some = client.query<{ n: number }>('m', { where: { n: { $gt: 1 } } });
    await world.time.advance(10);
    const part = world.subscriptions.at(-1)?.queryId ?? 0;
    await world.stream(rowsOf('m', [['late', { n: 3 }, NOW]]), { queryId: whole, cursors: [late, 6] });
    // It comes by other connections: at its end it is not as far as the map itself, but for one shard.
    await world.stream(rowsOf('m', []), { queryId: part, cursors: [early, 4, late, 5], last: true });
    expect(some.rows.map(({ key }) => key)).toEqual(['late']);
    expect([...map.keys()]).toEqual(['late']);
    await client.close();
  });

  it('leave what another node acks where it is until its row comes, and it is sent once more', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    const write = map.set('own', 1);
    map.get('own');
    await world.time.advance(10);
    const seen: (number | undefined)[] = [];
    map.subscribe(() => seen.push(map.get('own')));
    // The stream comes to its end before its node takes the write in from the other one, whose answer is here first.
    await world.stream(rowsOf('m', []), { cursors: [shardOfKey('own', 32), 1], last: true });
    await world.answer(world.lastBatch());
    expect(world.batches).toHaveLength(2);
    await world.answer(world.lastBatch());
    await write.acked;
    expect(map.get('own')).toBe(1);
    await world.stream(world.lastBatch().ops, { cursors: [shardOfKey('own', 32), 2] });
    expect(map.get('own')).toBe(1);
    expect(seen).not.toContain(undefined);
    expect(world.batches).toHaveLength(2);
    await client.close();
  });

  it('take away what was acked and had been overtaken by then, as soon as they are told so', async () => {
    const world = new World();
    const client = await world.online();
    const low = client.query<{ n: number }>('m', { where: { n: { $lt: 10 } } });
    const write = client.getMap<{ n: number }>('m').set('own', { n: 1 });
    await world.time.advance(10);
    // Somebody else has set it to 20 meanwhile.
    await world.stream(rowsOf('m', []), { cursors: [shardOfKey('own', 32), 2], last: true });
    await world.answer(world.lastBatch());
    expect(low.rows).toHaveLength(1);
    await world.stream(rowsOf('m', [['own', 'left']]), { cursors: [shardOfKey('own', 32), 2] });
    await world.answer(world.lastBatch());
    await write.acked;
    expect(low.rows).toEqual([]);
    await client.close();
  });

  it('that tell the row of a write before its answer leave nothing in doubt', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    const write = map.set('own', 1);
    map.get('own');
    await world.time.advance(10);
    await world.stream(rowsOf('m', []), { cursors: [shardOfKey('own', 32), 1], last: true });
    await world.stream(world.lastBatch().ops, { cursors: [shardOfKey('own', 32), 2] });
    await world.answer(world.lastBatch());
    await write.acked;
    expect(world.batches).toHaveLength(1);
    await client.close();
  });

  it.each(['before', 'after'])('ask again for what was written %s they opened, acked and not named', async (when) => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    if (when === 'after') map.get('own');
    await world.time.advance(10);
    map.set('own', 1);
    map.get('own');
    await world.time.advance(10);
    await world.answer(world.lastBatch());
    const shard = shardOfKey('own', 32);
    const other = (shard + 1) % 32;
    const first = world.subscriptions[0]?.queryId ?? 0;
    await world.stream(rowsOf('m', []), { cursors: [shard, 1, other, 7], last: true });
    expect(map.get('own')).toBe(1);
    expect(world.subscriptions).toMatchObject([{ logId: null }, { logId: 'log-1', cursors: [other, 7] }]);
    // What was under way to the first subscription tells nothing of the second one.
    await world.stream(rowsOf('m', []), { cursors: [shard, 2], last: true, queryId: first });
    expect(map.get('own')).toBe(1);
    await world.stream(rowsOf('m', []), { cursors: [shard, 2], last: true });
    expect(map.get('own')).toBeUndefined();
    expect(world.subscriptions).toHaveLength(2);
    await client.close();
  });

  it('do not ask again for what was acked and named', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    map.get('a');
    await world.time.advance(10);
    map.set('a', 1);
    map.set('b', 1);
    await world.time.advance(10);
    await world.stream(rowsOf('m', [['a', 2, NOW * 2]]));
    await world.answer(world.lastBatch());
    await world.stream(rowsOf('m', [['b', 2, NOW * 2]]));
    await world.stream(rowsOf('m', []), { cursors: [0, 1], last: true });
    expect([...map]).toEqual([
      ['a', 2],
      ['b', 2],
    ]);
    expect(world.subscriptions).toHaveLength(1);
    await client.close();
  });

  it('bring back nothing older than what another has brought: an owner may have been succeeded and not know', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<{ n: number }>('m');
    map.get('a');
    await world.time.advance(10);
    const rows = [['a', undefined, NOW + 2] as const, ['b', { n: 5 }, NOW + 2] as const];
    await world.stream(rowsOf('m', rows), { cursors: [0, 7], last: true });
    const window = client.query<{ n: number }>('m', { sort: { n: 'asc' }, limit: 2 });
    await world.time.advance(10);
    const stale = [['a', { n: 1 }, NOW + 1] as const, ['b', { n: 2 }, NOW + 1] as const];
    await world.stream(rowsOf('m', stale), { last: true });
    expect(map.get('a')).toBeUndefined();
    expect(map.get('b')).toEqual({ n: 5 });
    expect(window.rows).toEqual([{ key: 'b', value: { n: 5 } }]);
    await client.close();
  });

  it('bring back nothing older than what is stored of the same log, but what another log has', async () => {
    const world = new World();
    const storage = new MemoryAdapter();
    const told = async (ms: number, logId: string): Promise<unknown> => {
      world.node.script.hello = (node) => node.authRequired({ logId });
      const client = await world.online({ storage });
      const window = client.query<number>('m', { sort: { _key: 'asc' }, limit: 2 });
      await world.time.advance(10);
      await world.stream(rowsOf('m', [['a', ms, NOW + ms]]), { last: true });
      await world.time.advance(1_000);
      const { rows } = window;
      await client.close();
      return rows;
    };
    expect(await told(2, 'log-1')).toEqual([{ key: 'a', value: 2 }]);
    expect(await told(1, 'log-1')).toEqual([{ key: 'a', value: 2 }]);
    expect(await told(1, 'log-2')).toEqual([{ key: 'a', value: 1 }]);
    // A record that was in the log before may still be among them.
    expect(await told(0, 'log-2')).toEqual([{ key: 'a', value: 0 }]);
  });

  it('show a row again whose deadline came only by a clock that was ahead, until its deadline comes', async () => {
    const world = new World();
    const ahead = 60_000;
    world.node.clockAhead = ahead;
    const client = await world.online();
    const query = client.query<number>('m', { limit: 2 });
    await world.time.advance(10);
    const deadline = world.time.runtime({ seed: 1 }).now() + ahead + 5_000;
    const rows = new EntryBatch();
    rows.add('m', 'a', Tag.LWW_SET, NOW, 0, 'other.1.x', deadline, encodeValue(1));
    await world.stream(rows, { last: true });
    expect(query.rows).toHaveLength(1);
    await world.time.advance(5_000);
    expect(query.rows).toEqual([]);
    world.node.clockAhead = 0;
    await world.time.advance(20_000);
    expect(query.rows).toEqual([{ key: 'a', value: 1 }]);
    await world.time.advance(ahead);
    expect(query.rows).toEqual([]);
    await client.close();
  });

  it('bring a refused query to whoever waits for it', async () => {
    const world = new World();
    const client = await world.online();
    client.on('error', () => {});
    const q = client.query('secret');
    await world.time.advance(10);
    const complete = expect(q.complete()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    world.node.say({ type: 'ERROR', code: 'FORBIDDEN', message: 'no', ref: world.subscriptions.at(-1)?.queryId ?? 0 });
    await world.time.advance(10);
    await complete;
    await client.close();
  });
});

describe('Rights that are taken away', () => {
  it('take the rows with them, but not what is pending', async () => {
    const world = new World();
    const client = await world.online();
    client.on('error', () => {});
    const map = client.getMap<number>('m');
    map.get('a');
    await world.time.advance(10);
    await world.stream(rowsOf('m', [['a', 1, NOW]]), { cursors: [0, 5], last: true });
    map.set('mine', 2);
    const queryId = world.subscriptions.at(-1)?.queryId ?? 0;
    world.node.say({ type: 'QUERY_RESET', queryId, logId: 'log-1', shards: [0] });
    world.node.say({ type: 'ERROR', code: 'FORBIDDEN', message: 'no', ref: queryId });
    await world.time.advance(10);
    expect([...map.keys()]).toEqual(['mine']);
    world.node.peer.close(1006, 'cut');
    await world.time.advance(5_000);
    expect(world.subscriptions.at(-1)).toMatchObject({ logId: null, cursors: [] });
    await client.close();
  });
});

describe('A counter in a stream', () => {
  it('shows what others counted, together with what is pending here', async () => {
    const world = new World();
    const client = await world.online();
    const hits = client.getCounter('hits');
    expect(hits.value).toBe(0);
    hits.increment(2);
    await world.time.advance(10);
    const other = new EntryBatch();
    other.add('hits', 'hits', Tag.COUNTER_ADD, NOW, 0, 'other.1.x', 0, encodeTotals(10, 1));
    await world.stream(other, { cursors: [0, 1], last: true });
    expect(hits.value).toBe(11);
    await client.close();
  });
});
