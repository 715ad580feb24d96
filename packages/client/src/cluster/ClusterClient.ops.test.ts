import { afterEach, describe, expect, it } from 'vitest';
import { ClusterWorld } from '../testing/ClusterWorld.js';

let world: ClusterWorld;

afterEach(() => expect(world.errors).toEqual([]));

function sessions(): number[] {
  return [...world.cluster.nodes.values()].map((node) => node.sessions.length);
}

describe('a client of a cluster: operations', () => {
  it('go straight to the owner of their key', async () => {
    world = new ClusterWorld();
    const client = await world.online();
    for (let n = 0; n < 100; n++) client.getMap<number>('m').set(`k${n}`, n);
    await world.during(client.flush());
    for (const node of world.cluster.nodes.values()) {
      for (const message of node.received) {
        if (message.type !== 'OP_BATCH') continue;
        expect(message.routed).toBe(true);
        for (const key of message.ops.keys) expect(world.cluster.ownerOf(key)).toBe(node.id);
      }
      expect(world.received(node.id, 'OP_BATCH')).toHaveLength(1);
    }
    const expected = { directRoutes: 100, fallbackRoutes: 0, partitionMisses: 0, notOwnerRetries: 0, totalRoutes: 100 };
    expect(client.getRoutingMetrics()).toEqual(expected);
    const key = world.keyOf('b');
    expect(client.getOwner(key)?.nodeId).toBe('b');
    await client.close();
  });

  it('of a stale map are sent to the owner that NOT_OWNER names, at once', async () => {
    world = new ClusterWorld();
    const client = await world.online();
    world.cluster.move((_, owner) => (owner === 'a' ? 'b' : 'a'), false);
    for (let n = 0; n < 20; n++) client.getMap<number>('m').set(`k${n}`, n);
    const began = world.time.now;
    await world.during(client.flush());
    expect(world.time.now - began).toBeLessThan(30);
    expect(client.getRoutingMetrics().notOwnerRetries).toBe(20);
    expect(client.getClusterStats()?.isStale).toBe(true);
    expect(world.cluster.acked.size).toBe(20);
    // What taught it something new makes it ask for the whole.
    await world.time.advance(600);
    expect(client.getPartitionMapVersion()).toBe(2);
    expect(client.getClusterStats()?.isStale).toBe(false);
    await client.close();
  });

  it('go by way of another node while their owner is away, and to its successor once there is one', async () => {
    world = new ClusterWorld();
    const client = await world.online();
    const key = world.keyOf('b');
    world.cluster.kill('b');
    await world.time.advance(10);
    const written = client.getMap<number>('m').set(key, 1);
    await world.time.advance(200);
    expect(client.getRoutingMetrics().fallbackRoutes).toBeGreaterThan(0);
    world.cluster.failOver();
    await world.during(written.acked, 1_000);
    expect(world.cluster.value('m', key)).toBe(1);
    expect(client.getOwner(key)?.nodeId).not.toBe('b');
    await client.close();
  });

  it('that were under way when their node died are sent again at once', async () => {
    world = new ClusterWorld();
    const client = await world.online();
    world.cluster.node('b').isMute = true;
    const written = client.getMap<number>('m').set(world.keyOf('b'), 1);
    await world.time.advance(100);
    world.cluster.kill('b');
    world.cluster.failOver();
    const began = world.time.now;
    await world.during(written.acked);
    expect(world.time.now - began).toBeLessThan(100);
    await client.close();
  });

  it('of a node that takes them and does not answer go through others, and come back to it by and by', async () => {
    world = new ClusterWorld();
    const client = await world.online();
    world.cluster.node('b').isMute = true;
    const key = world.keyOf('b');
    const first = client.getMap<number>('m').set(key, 1);
    await world.during(first.acked);
    expect(world.time.now).toBeLessThan(8_000);
    expect(client.getClusterHealth().b?.pending).toBe(0);
    for (let n = 0; n < 10; n++) {
      await world.during(client.getMap<number>('m').set(key, n).acked);
      await world.time.advance(300);
    }
    world.cluster.node('b').isMute = false;
    await world.time.advance(30_000);
    await world.during(client.getMap<number>('m').set(key, 100).acked);
    expect(client.getClusterHealth().b?.breaker).toBe('closed');
    const { directRoutes } = client.getRoutingMetrics();
    await world.during(client.getMap<number>('m').set(key, 101).acked);
    expect(client.getRoutingMetrics().directRoutes).toBe(directRoutes + 1);
    await client.close();
  });

  it('and everything else of a node that leaves move before it is gone', async () => {
    world = new ClusterWorld();
    const client = await world.online();
    const rows = client.getMap<number>('m');
    rows.subscribe(() => {});
    await world.time.advance(50);
    world.cluster.move((_, owner) => (owner === 'b' ? 'a' : owner));
    world.cluster.sayGoodbye('b');
    await world.time.advance(10);
    const before = world.received('b', 'OP_BATCH').length;
    for (let n = 0; n < 50; n++) rows.set(`k${n}`, n);
    const began = world.time.now;
    await world.during(client.flush());
    expect(world.time.now - began).toBeLessThan(50);
    expect(world.received('b', 'OP_BATCH').length).toBe(before);
    expect(client.pendingWrites).toBe(0);
    await client.close();
  });

  it('of a hung node are sent again when the cluster has given it up', async () => {
    world = new ClusterWorld();
    const client = await world.online();
    const key = world.keyOf('b');
    world.cluster.hang('b');
    const written = client.getMap<number>('m').set(key, 1);
    await world.time.advance(1_500);
    world.cluster.failOver();
    const began = world.time.now;
    await world.during(written.acked);
    expect(world.time.now - began).toBeLessThan(1_200);
    await client.close();
  });

  it('are forwarded by one node when that is wanted', async () => {
    world = new ClusterWorld();
    const client = await world.online({ smartRouting: false });
    const rows = client.getMap<number>('m');
    for (let n = 0; n < 50; n++) rows.set(`k${n}`, n);
    await world.during(client.flush());
    expect(sessions().filter((count) => count > 0)).toEqual([2]);
    expect(client.isRoutingActive()).toBe(false);
    expect(client.getRoutingMetrics()).toMatchObject({ directRoutes: 0, fallbackRoutes: 50 });
    const [home] = client.getConnectedNodes();
    world.cluster.kill(home ?? '');
    world.cluster.failOver();
    const began = world.time.now;
    rows.set('again', 1);
    await world.during(client.flush());
    expect(world.time.now - began).toBeLessThan(1_000);
    expect(client.getConnectedNodes()).toHaveLength(1);
    await client.close();
  });
});
