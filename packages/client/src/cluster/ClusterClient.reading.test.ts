import { encodeValue } from '@topgunbuild/core';
import { afterEach, describe, expect, it } from 'vitest';
import { ClusterWorld } from '../testing/ClusterWorld.js';

const NOW = 1_760_000_000_000;
let world: ClusterWorld;

afterEach(() => expect(world.errors).toEqual([]));

describe('a client of a cluster: reading', () => {
  function fill(count: number): void {
    for (let n = 0; n < count; n++) world.cluster.write('m', `k${n}`, encodeValue({ n }), NOW + n);
  }

  it('reads each shard at its owner, and is complete when all have sent everything', async () => {
    world = new ClusterWorld();
    fill(100);
    const client = await world.online();
    const rows = client.getMap<number>('m');
    await world.during(rows.synced());
    expect(rows.size).toBe(100);
    for (const id of ['a', 'b', 'c']) expect(world.received(id, 'QUERY_SUB')).toHaveLength(1);
    world.cluster.write('m', 'k1', encodeValue('new'), NOW + 10_000);
    await world.time.advance(10);
    expect(rows.get('k1')).toBe('new');
    await client.close();
  });

  it('asks only the owners of the keys that a query names', async () => {
    world = new ClusterWorld();
    fill(20);
    const client = await world.online();
    const key = world.keyOf('c');
    world.cluster.write('m', key, encodeValue(7), NOW);
    const query = client.query('m', { where: { _key: key } });
    await world.during(query.complete());
    expect(query.rows.map((row) => row.value)).toEqual([7]);
    expect(world.received('a', 'QUERY_SUB').length + world.received('b', 'QUERY_SUB').length).toBe(0);
    const nothing = client.query('m', { where: { _key: { $in: [] } } });
    await world.during(nothing.complete());
    expect(nothing.rows).toEqual([]);
    await client.close();
  });

  it('goes on where it stood, with shards that have moved, and leaves the others alone', async () => {
    world = new ClusterWorld();
    fill(100);
    const client = await world.online();
    const rows = client.getMap<number>('m');
    await world.during(rows.synced());
    world.cluster.move((shard, owner) => (shard === 0 ? 'b' : owner));
    await world.time.advance(50);
    world.cluster.write('m', 'k1', encodeValue('new'), NOW + 10_000);
    await world.time.advance(10);
    const subscriptions = world.cluster.node('c').received.filter(({ type }) => type === 'QUERY_SUB');
    expect(subscriptions).toHaveLength(1);
    const moved = world.received('b', 'QUERY_SUB').at(-1);
    expect(moved).toMatchObject({ shards: [0], logId: 'log-1' });
    expect(moved).toHaveProperty('cursors', [0, expect.any(Number)]);
    expect(rows.get('k1')).toBe('new');
    expect(rows.size).toBe(100);
    await client.close();
  });

  it('orders and cuts the windows of all owners as one', async () => {
    world = new ClusterWorld();
    fill(100);
    const client = await world.online();
    const query = client.query('m', { sort: { _key: 'asc' }, limit: 5, offset: 2 });
    await world.during(query.complete());
    const expected = Array.from({ length: 100 }, (_, n) => `k${n}`).sort();
    expect(query.rows.map(({ key }) => key)).toEqual(expected.slice(2, 7));
    world.cluster.move((shard) => (shard % 2 === 0 ? 'a' : 'c'));
    await world.time.advance(50);
    world.cluster.write('m', 'k0', null, NOW + 10_000);
    await world.time.advance(50);
    expect(query.rows.map(({ key }) => key)).toEqual(expected.filter((key) => key !== 'k0').slice(2, 7));
    await client.close();
  });

  it('reads through another node what it cannot reach itself, and straight again when it can', async () => {
    world = new ClusterWorld();
    fill(60);
    const client = world.client();
    // The cluster reaches b; this client does not.
    world.transport.refuse('ws://b/');
    await client.start();
    const rows = client.getMap<number>('m');
    await world.during(rows.synced());
    expect(rows.size).toBe(60);
    rows.set(world.keyOf('b'), 1);
    await world.during(client.flush());
    world.cluster.start('b');
    await world.time.advance(60_000);
    expect(world.cluster.node('b').sessions[0]?.subs.size).toBe(1);
    await client.close();
  });

  it('listens to each topic at one node, and at another when that goes', async () => {
    world = new ClusterWorld();
    const client = await world.online();
    const heard: unknown[] = [];
    client.topic<string>('news').subscribe((message) => heard.push(message));
    await world.time.advance(10);
    const homes = (): string[] =>
      [...world.cluster.nodes.values()].filter((n) => n.sessions.some((s) => s.topics.has('news'))).map(({ id }) => id);
    expect(homes()).toHaveLength(1);
    client.topic<string>('news').publish('one');
    await world.time.advance(10);
    world.cluster.kill(homes()[0] ?? '');
    await world.time.advance(10);
    expect(homes()).toHaveLength(1);
    world.cluster.publish('news', encodeValue('two'));
    await world.time.advance(10);
    expect(heard).toEqual(['one', 'two']);
    await client.close();
  });
});
