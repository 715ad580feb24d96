import { shardOfKey, TopGunError } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { HandView } from '../testing/HandView.js';
import { type Client, type Harness, ops, sessionHarness } from '../testing/sessionHarness.js';

const SHARDS = 32;
/** Even shards are here, odd ones at the other node. */
const halves = Array.from({ length: SHARDS }, (_, shard) => (shard % 2 === 0 ? 'node-1' : 'node-2'));

function keysOf(parity: 0 | 1): string[] {
  const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
  return keys.filter((key) => shardOfKey(key, SHARDS) % 2 === parity);
}

const [here = ''] = keysOf(0);
const [there = '', elsewhere = ''] = keysOf(1);

/** A node whose data plane owns what the map says, unless a test says otherwise. */
function halfNode(): { harness: Harness; view: HandView; owned: Set<number> } {
  const view = new HandView(halves);
  const harness = sessionHarness({ cluster: view });
  const owned = new Set(halves.flatMap((id, shard) => (id === 'node-1' ? [shard] : [])));
  const { plane } = harness;
  Object.assign(plane, { owns: (shard: number) => owned.has(shard) });
  plane.write = (batch, indexes, done) => {
    plane.writes.push({ batch, indexes, done });
    const rows = indexes ?? batch.keys.map((_, index) => index);
    const isHere = (row: number): boolean => owned.has(shardOfKey(batch.keys[row] as string, SHARDS));
    done(
      [],
      rows.filter((row) => !isHere(row)),
    );
  };
  return { harness, view, owned };
}

function sendRouted(client: Client, mapVersion: number, ...keys: string[]): void {
  const batch = ops(...keys.map((key) => ({ key })));
  client.send({ type: 'OP_BATCH', batchId: 1, routed: true, mapVersion, ops: batch });
}

describe('operations that were sent to a node as the owner', () => {
  it('are taken where they are right; of the others the answer tells the owner', async () => {
    const { harness } = halfNode();
    const client = await harness.join();
    sendRouted(client, 1, there, here, elsewhere);
    const shards = [there, elsewhere].map((key) => shardOfKey(key, SHARDS));
    expect(client.peer.last).toMatchObject({
      type: 'OP_ACK',
      ranges: [1, 1],
      rejected: [],
      notOwner: shards.map((shard) => ({ shard, owner: 'node-2', endpoint: 'ws://node-2', epoch: 1 })),
    });
    expect(harness.counters.notOwner).toBe(2);
    expect(harness.counters.opsAcked).toBe(1);
  });

  it('wait for a map that the sender has and this node has not yet', async () => {
    const { harness, view, owned } = halfNode();
    const client = await harness.join();
    sendRouted(client, 2, there);
    expect(client.ack).toBeUndefined();
    owned.add(shardOfKey(there, SHARDS));
    view.move({ [shardOfKey(there, SHARDS)]: 'node-1' });
    expect(client.ack).toEqual({ ranges: [0, 1], rejected: [] });
  });

  it('wait for half a second at most', async () => {
    const { harness, view } = halfNode();
    const client = await harness.join();
    const listeners = view.listeners;
    sendRouted(client, 2, there);
    harness.runtime.advance(499);
    expect(client.ack).toBeUndefined();
    harness.runtime.advance(1);
    expect(client.peer.last).toMatchObject({ type: 'OP_ACK', ranges: [], notOwner: [{ owner: 'node-2' }] });
    expect(view.listeners).toBe(listeners);
  });

  it('do not wait where this node owns all of them', async () => {
    const { harness } = halfNode();
    const client = await harness.join();
    sendRouted(client, 9, here);
    expect(client.ack).toEqual({ ranges: [0, 1], rejected: [] });
  });

  it('tell no owner where none is known', async () => {
    const { harness, view } = halfNode();
    const client = await harness.join();
    view.move({ [shardOfKey(there, SHARDS)]: '' });
    sendRouted(client, 2, there);
    expect(client.peer.last).toMatchObject({ notOwner: [{ owner: '', endpoint: '', epoch: 0 }] });
  });
});

describe('a query of some shards', () => {
  const sub = (shards: readonly number[], queryId = 1) =>
    ({ type: 'QUERY_SUB', queryId, map: 'todos', query: {}, logId: null, cursors: [], shards }) as const;

  it('is a stream of these', async () => {
    const { harness } = halfNode();
    const client = await harness.join();
    client.send(sub([0, 2]));
    expect(harness.plane.streams[0]?.spec).toMatchObject({ queryId: 1, shards: [0, 2] });
  });

  it('that are elsewhere is answered by where they are', async () => {
    const { harness } = halfNode();
    harness.plane.subscribeError = new TopGunError('NOT_OWNER', 'not here');
    const client = await harness.join();
    client.send(sub([0, 1, 3]));
    expect(client.peer.last).toEqual({
      type: 'NOT_OWNER',
      ref: 1,
      notOwner: [1, 3].map((shard) => ({ shard, owner: 'node-2', endpoint: 'ws://node-2', epoch: 1 })),
    });
    expect(harness.counters.subscriptions).toBe(0);
  });

  it('ends when they go elsewhere', async () => {
    const { harness, view, owned } = halfNode();
    const client = await harness.join();
    client.send(sub([0, 2]));
    owned.delete(2);
    view.move({ 2: 'node-2' });
    harness.plane.streams[0]?.spec.onMoved();
    expect(client.peer.last).toMatchObject({ type: 'NOT_OWNER', ref: 1, notOwner: [{ shard: 2, epoch: 2 }] });
    expect(harness.plane.streams[0]?.closed).toBe(true);
    expect(harness.counters.subscriptions).toBe(0);
  });

  it('that do not exist is refused', async () => {
    const { harness } = halfNode();
    const client = await harness.join();
    client.send(sub([32]));
    expect(client.errors).toEqual(['INVALID_QUERY']);
  });
});

describe('a change of the map', () => {
  it('is told to every session, as what has changed', async () => {
    const { harness, view } = halfNode();
    const client = await harness.join();
    view.move({ 3: 'node-1' });
    expect(client.peer.last).toEqual({
      type: 'PARTITION_MAP_DELTA',
      delta: { incarnation: 'boot-1', base: 1, version: 2, nodes: view.map.nodes, changes: [3, 0, 2] },
    });
  });

  it('is told from what the session has', async () => {
    const { harness, view } = halfNode();
    const early = await harness.join();
    view.move({ 3: 'node-1' });
    const late = await harness.join('ann-token', 'c2');
    view.move({ 5: 'node-1' });
    const bases = [early, late].map((client) => client.peer.all('PARTITION_MAP_DELTA').map(({ delta }) => delta.base));
    expect(bases).toEqual([[1, 2], [2]]);
  });

  it('is told whole where that is shorter', async () => {
    const { harness, view } = halfNode();
    const client = await harness.join();
    view.move(Object.fromEntries(halves.map((_, shard) => [shard, 'node-2'])));
    expect(client.peer.last).toEqual({ type: 'PARTITION_MAP', map: view.map });
  });

  it('is not told to who is not authenticated', async () => {
    const { harness, view } = halfNode();
    const stranger = harness.connect();
    view.move({ 3: 'node-1' });
    expect(stranger.peer.messages.map(({ type }) => type)).toEqual(['AUTH_REQUIRED']);
  });

  it('does not take the event loop from everybody else, however many listen', async () => {
    const { harness, view } = halfNode();
    const clients = await Promise.all(Array.from({ length: 1_200 }, (_, i) => harness.join('ann-token', `c${i}`)));
    const told = (): number => clients.filter(({ peer }) => peer.last?.type === 'PARTITION_MAP_DELTA').length;
    view.move({ 3: 'node-1' });
    expect(told()).toBe(500);
    view.move({ 5: 'node-1' });
    harness.runtime.advance(1);
    expect(told()).toBe(1_200);
    for (const { peer } of clients) {
      const last = peer.last?.type === 'PARTITION_MAP_DELTA' ? peer.last.delta.version : 0;
      expect(last).toBe(3);
    }
  });
});
