import { type PartitionMap, shardOfKey } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { rowsOf, World } from './testing/World.js';

const NOW = 1_760_000_000_000;
const SHARDS = 32;

const MAP: PartitionMap = {
  clusterId: 'c',
  incarnation: 'i',
  version: 4,
  shardCount: SHARDS,
  nodes: [{ id: 'a', endpoint: 'ws://a' }],
  owners: new Array<number>(SHARDS).fill(0),
  epochs: new Array<number>(SHARDS).fill(1),
};

describe('a client of a node in a cluster', () => {
  it('shows of a window the first rows of what the nodes send together', async () => {
    const world = new World();
    const client = await world.online();
    const query = client.query<{ n: number }>('m', { sort: { n: 'desc' }, limit: 2, offset: 1 });
    const seen: number[][] = [];
    query.subscribe((rows) => seen.push(rows.map(({ value }) => value.n)));
    await world.time.advance(10);
    // Each of two nodes sends the first three of its own.
    await world.stream(
      rowsOf('m', [
        ['a', { n: 9 }, NOW],
        ['b', { n: 4 }, NOW],
        ['c', { n: 3 }, NOW],
      ]),
    );
    await world.stream(
      rowsOf('m', [
        ['d', { n: 8 }, NOW],
        ['e', { n: 7 }, NOW],
        ['f', { n: 1 }, NOW],
      ]),
      { last: true },
    );
    expect(seen.at(-1)).toEqual([8, 7]);
    await world.stream(
      rowsOf('m', [
        ['d', undefined],
        ['g', { n: 0 }, NOW],
      ]),
    );
    expect(seen.at(-1)).toEqual([7, 4]);
    await client.close();
  });

  it('keeps the rows of a window whose shards have not moved', async () => {
    const world = new World();
    const client = await world.online();
    const query = client.query<{ n: number }>('m', { sort: { n: 'asc' }, limit: 3 });
    const seen: string[][] = [];
    query.subscribe((rows) => seen.push(rows.map(({ key }) => key)));
    await world.time.advance(10);
    const rows = ['a', 'b', 'c'].map((key, n) => [key, { n }, NOW] as const);
    await world.stream(rowsOf('m', rows), { last: true });
    expect(seen.at(-1)).toEqual(['a', 'b', 'c']);
    const queryId = world.subscriptions.at(-1)?.queryId ?? 0;
    world.node.say({ type: 'QUERY_RESET', queryId, logId: 'log-1', shards: [shardOfKey('b', SHARDS)] });
    await world.stream(rowsOf('m', []), { last: true });
    expect(seen.at(-1)).toEqual(['a', 'c']);
    await client.close();
  });

  it('keeps the rows that came before other shards had to start over', async () => {
    const world = new World();
    const client = await world.online();
    const rows = client.getMap<number>('m');
    rows.get('a');
    await world.time.advance(10);
    const other = ['b', 'c', 'd', 'e'].find((key) => shardOfKey(key, SHARDS) !== shardOfKey('a', SHARDS)) ?? '';
    await world.stream(
      rowsOf('m', [
        ['a', 1, NOW],
        [other, 1, NOW],
      ]),
    );
    // One of the nodes was lost on the way; what is sent anew of its shards is all that there is.
    const queryId = world.subscriptions.at(-1)?.queryId ?? 0;
    world.node.say({ type: 'QUERY_RESET', queryId, logId: 'log-1', shards: [shardOfKey(other, SHARDS)] });
    await world.stream(rowsOf('m', []), { last: true });
    expect([...rows.entries()]).toEqual([['a', 1]]);
    await client.close();
  });

  it('sends operations again, after a while, that the node says are another’s', async () => {
    const world = new World();
    const client = await world.online();
    const written = client.getMap<number>('m').set('k', 1);
    await world.time.advance(10);
    const notOwner = [{ shard: shardOfKey('k', SHARDS), owner: 'b', endpoint: 'ws://b', epoch: 2 }];
    for (let round = 0; round < 3; round++) {
      const { batchId } = world.lastBatch();
      world.node.say({ type: 'OP_ACK', batchId, ranges: [], rejected: [], notOwner });
      await world.time.advance(20);
      expect(world.batches).toHaveLength(round + 1);
      await world.time.advance(2_000);
      expect(world.batches).toHaveLength(round + 2);
    }
    await world.answer(world.lastBatch());
    await written;
    await client.close();
  });

  it('goes on with a query that the node has no more', async () => {
    const world = new World();
    const client = await world.online();
    client.getMap<number>('m').get('a');
    await world.time.advance(10);
    await world.stream(rowsOf('m', [['a', 1, NOW]]), { cursors: [3, 17], last: true });
    world.node.say({ type: 'NOT_OWNER', ref: world.subscriptions.at(-1)?.queryId ?? 0, notOwner: [] });
    await world.time.advance(5_000);
    expect(world.subscriptions).toHaveLength(2);
    expect(world.subscriptions.at(-1)).toMatchObject({ cursors: [3, 17] });
    await client.close();
  });

  it('follows the partition map change by change, and asks for all of it where one does not fit', async () => {
    const world = new World();
    const client = await world.online();
    const versions: number[] = [];
    client.on('partition-map', ({ version }) => versions.push(version));
    world.node.say({ type: 'PARTITION_MAP', map: MAP });
    const delta = { incarnation: 'i', base: 4, version: 5, nodes: MAP.nodes, changes: [0, -1, 2] };
    world.node.say({ type: 'PARTITION_MAP_DELTA', delta });
    await world.time.advance(10);
    expect(versions).toEqual([4, 5]);
    world.node.say({ type: 'PARTITION_MAP_DELTA', delta: { ...delta, base: 6, version: 7 } });
    await world.time.advance(10);
    expect(versions).toEqual([4, 5]);
    expect(world.node.received.at(-1)).toMatchObject({ type: 'PARTITION_MAP_REQUEST' });
    await client.close();
  });
});
