import { encodeValue } from '@topgunbuild/core';
import { afterEach, describe, expect, it } from 'vitest';
import { ClusterWorld } from '../testing/ClusterWorld.js';
import { FakeCluster } from '../testing/FakeCluster.js';

const NOW = 1_760_000_000_000;
let world: ClusterWorld;

afterEach(() => expect(world.errors).toEqual([]));

function sessions(): number[] {
  return [...world.cluster.nodes.values()].map((node) => node.sessions.length);
}

describe('a client of a cluster: nodes', () => {
  it('finds all nodes by one seed, with as many connections as were asked for', async () => {
    world = new ClusterWorld();
    const client = await world.online({ connectionsPerNode: 3 });
    expect([...client.getConnectedNodes()].sort()).toEqual(['a', 'b', 'c']);
    expect(sessions()).toEqual([3, 3, 3]);
    expect(client.status).toBe('online');
    expect(client.isRoutingActive()).toBe(true);
    expect(client.getPartitionMapVersion()).toBe(1);
    expect(client.getClusterStats()).toMatchObject({
      mapVersion: 1,
      partitionCount: 271,
      nodeCount: 3,
      isStale: false,
    });
    expect(Object.keys(client.getClusterHealth()).sort()).toEqual(['a', 'b', 'c']);
    expect(client.getClusterHealth().a).toMatchObject({ state: 'ready', breaker: 'closed', pending: 0 });
    await client.close();
    await world.time.advance(10);
    expect(sessions()).toEqual([0, 0, 0]);
  });

  it('asks for the map once, however many connections came about together', async () => {
    world = new ClusterWorld();
    const client = await world.online();
    await world.time.advance(5_000);
    const requests = ['a', 'b', 'c'].flatMap((id) => world.received(id, 'PARTITION_MAP_REQUEST'));
    expect(requests).toHaveLength(1);
    await client.close();
  });

  it('asks for the map every now and then, one node after the other', async () => {
    world = new ClusterWorld();
    const client = await world.online({ partitionMapRefreshMs: 5_000 });
    await world.time.advance(33_000);
    const asked = ['a', 'b', 'c'].map((id) => world.received(id, 'PARTITION_MAP_REQUEST').length);
    expect(asked.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(6);
    expect(Math.min(...asked)).toBeGreaterThanOrEqual(2);
    await client.close();
  });

  it.each([['dead'], ['silent'], ['foreign']])('is not held up by a seed that is %s', async (kind) => {
    world = new ClusterWorld();
    if (kind === 'silent') world.transport.blackhole('ws://bad/');
    if (kind === 'foreign') world.transport.listen('ws://bad/', (peer) => peer.send(new Uint8Array([1, 2, 3])));
    const seeds = ['ws://bad/', 'ws://bad/x', 'ws://b/'];
    const client = world.client({ seeds });
    await client.start();
    await world.during(client.ready());
    expect(world.time.now).toBeLessThan(1_500);
    await world.time.advance(60_000);
    expect([...client.getConnectedNodes()].sort()).toEqual(['a', 'b', 'c']);
    expect(Object.keys(client.getClusterHealth()).sort()).toEqual(['a', 'b', 'c']);
    await client.close();
  });

  it('waits for a cluster that is not there yet, and does not hammer at it', async () => {
    world = new ClusterWorld();
    for (const id of ['a', 'b', 'c']) world.cluster.kill(id);
    const client = world.client({ seeds: ['ws://a/', 'ws://b/'] });
    await client.start();
    await world.time.advance(120_000);
    expect(client.status).not.toBe('online');
    expect(world.transport.attempts.length).toBeLessThan(40);
    for (const id of ['a', 'b', 'c']) world.cluster.start(id);
    await world.during(client.ready());
    await client.close();
  });

  it('reaches nodes by the mapped addresses of what they advertise, and by seeds as they are', async () => {
    world = new ClusterWorld([]);
    for (const id of ['a', 'b', 'c']) world.cluster.add(id, `ws://public-${id}/`);
    // What the map says nobody can reach.
    world.cluster.map = {
      ...world.cluster.map,
      nodes: ['a', 'b', 'c'].map((id) => ({ id, endpoint: `ws://inside-${id}/` })),
      owners: world.cluster.map.epochs.map((_, shard) => shard % 3),
    };
    const endpointMapper = (endpoint: string, nodeId: string): string => {
      expect(endpoint).toBe(`ws://inside-${nodeId}/`);
      return endpoint.replace('inside', 'public');
    };
    const client = await world.online({ seeds: ['ws://public-b/'], endpointMapper });
    expect(sessions()).toEqual([2, 2, 2]);
    expect(world.transport.endpoints.some((endpoint) => endpoint.includes('inside'))).toBe(false);
    await client.close();
  });

  it('keeps a working connection, whatever the map says of the node’s address', async () => {
    world = new ClusterWorld(['a', 'b']);
    world.cluster.map = {
      ...world.cluster.map,
      nodes: [
        { id: 'a', endpoint: 'ws://nowhere/' },
        { id: 'b', endpoint: 'ws://b/' },
      ],
    };
    const client = await world.online({ connectionsPerNode: 1 });
    const [session] = world.cluster.node('a').sessions;
    world.cluster.map = { ...world.cluster.map, version: 2 };
    await world.time.advance(60_000);
    expect(world.cluster.node('a').sessions[0]).toBe(session);
    expect(sessions()).toEqual([1, 1]);
    await client.close();
  });

  it('leaves nodes that the map does not list any more, and connects to those that it lists', async () => {
    world = new ClusterWorld(['a', 'b']);
    const client = await world.online();
    world.cluster.add('d');
    world.cluster.move((_, owner) => owner);
    await world.time.advance(100);
    expect([...client.getConnectedNodes()].sort()).toEqual(['a', 'b', 'd']);
    world.cluster.node('b').state = 'hung';
    world.cluster.move((shard) => (shard % 2 === 0 ? 'a' : 'd'));
    await world.time.advance(1_500);
    expect([...client.getConnectedNodes()].sort()).toEqual(['a', 'd']);
    await client.close();
  });

  it('is not talked out of its nodes by a map without any, or one of another cluster', async () => {
    world = new ClusterWorld();
    const client = await world.online();
    const map = { ...world.cluster.map, version: 9 };
    world.cluster.staleMap = { ...map, nodes: [], owners: map.owners.map(() => -1) };
    await world.time.advance(40_000);
    world.cluster.staleMap = { ...map, clusterId: 'other' };
    await world.time.advance(40_000);
    expect(client.getPartitionMapVersion()).toBe(1);
    expect(sessions()).toEqual([2, 2, 2]);
    await client.close();
  });

  it('goes on with a cluster that took the place of the one before, once nobody of that is left', async () => {
    world = new ClusterWorld();
    for (let n = 0; n < 20; n++) world.cluster.write('m', `k${n}`, encodeValue(n), NOW);
    const client = await world.online();
    const rows = client.getMap<number>('m');
    await world.during(rows.synced());
    for (const id of ['a', 'b', 'c']) world.cluster.kill(id);
    await world.time.advance(1_000);
    world.cluster = new FakeCluster(world.transport, world.network, ['b', 'c', 'd'], 4);
    world.cluster.replaceWith('cluster-2', 'log-2');
    for (let n = 10; n < 30; n++) world.cluster.write('m', `k${n}`, encodeValue('new'), NOW);
    await world.during(client.ready());
    await world.time.advance(30_000);
    expect(sessions()).toEqual([2, 2, 2]);
    rows.set('k', 1);
    await world.during(client.flush());
    expect(world.cluster.value('m', 'k')).toBe(1);
    expect([...rows.keys()].sort()).toEqual(['k', ...Array.from({ length: 20 }, (_, n) => `k${n + 10}`)].sort());
    expect(rows.get('k15')).toBe('new');
    await client.close();
  });

  it('finds nodes again that came back under other addresses, behind the same seed', async () => {
    world = new ClusterWorld();
    // The seed is somebody in front of the nodes, who passes on to one that is up.
    let behind = 0;
    const front = (): void => {
      world.transport.forward('ws://front/', () => {
        const up = [...world.cluster.nodes.values()].filter(({ state }) => state === 'up');
        return up[behind++ % up.length]?.endpoint ?? 'ws://nobody/';
      });
    };
    front();
    const client = await world.online({ seeds: ['ws://front/'] });
    await world.time.advance(1_000);
    expect([...client.getConnectedNodes()].sort()).toEqual(['a', 'b', 'c']);
    for (const id of ['a', 'b', 'c']) world.cluster.kill(id);
    await world.time.advance(2_000);
    client.getMap<number>('m').set('k', 1);
    for (const id of ['a', 'b', 'c']) world.cluster.start(id, `ws://${id}-2/`);
    world.cluster.move((_, owner) => owner);
    await world.during(client.flush());
    await world.time.advance(30_000);
    expect(sessions()).toEqual([2, 2, 2]);
    expect(Object.keys(client.getClusterHealth()).sort()).toEqual(['a', 'b', 'c']);
    await client.close();
  });

  it('renews the token on every connection', async () => {
    world = new ClusterWorld();
    const client = await world.online({}, { auth: 'first' });
    client.setAuthToken('second');
    await world.time.advance(100);
    for (const node of world.cluster.nodes.values()) {
      const tokens = node.received.flatMap((message) => (message.type === 'AUTH' ? [message.token] : []));
      expect(tokens).toEqual(['first', 'first', 'second', 'second']);
    }
    await client.close();
  });

  it('renews the token before the first of its connections loses it, whichever was made last', async () => {
    world = new ClusterWorld();
    world.cluster.tokenMs = 60_000;
    const auth = async (): Promise<string> => 'token';
    const client = await world.online({ connectionsPerNode: 1 }, { auth });
    await world.time.advance(20_000);
    world.cluster.kill('b');
    world.cluster.start('b');
    await world.time.advance(30_000);
    expect(sessions()).toEqual([1, 1, 1]);
    for (const id of ['a', 'b', 'c']) expect(world.received(id, 'AUTH').length).toBeGreaterThanOrEqual(2);
    expect(world.received('a', 'AUTH')).toHaveLength(2);
    await client.close();
  });

  it('renews the token in time for a further connection to a node, too', async () => {
    world = new ClusterWorld();
    world.cluster.tokenMs = 60_000;
    const auth = async (): Promise<string> => 'token';
    const client = await world.online({ connectionsPerNode: 2 }, { auth });
    world.cluster.tokenMs = 20_000;
    world.cluster.node('a').sessions[0]?.peer.close();
    await world.time.advance(5_000);
    expect(world.received('a', 'AUTH')).toHaveLength(3);
    await world.time.advance(13_000);
    expect(world.received('a', 'AUTH')).toHaveLength(5);
    await client.close();
  });

  it('asks the application once for what several connections need together', async () => {
    world = new ClusterWorld();
    let asked = 0;
    const auth = async (): Promise<string> => {
      asked++;
      return 'token';
    };
    const client = await world.online({}, { auth });
    expect(sessions()).toEqual([2, 2, 2]);
    expect(asked).toBeLessThanOrEqual(5);
    await client.close();
  });

  it('says once that the token is refused, and stops until there is another', async () => {
    world = new ClusterWorld();
    const client = world.client({ seeds: ['ws://a/', 'ws://b/', 'ws://c/'] }, { auth: 'bad' });
    const refusals: unknown[] = [];
    client.on('auth-failed', (error) => refusals.push(error.code));
    await client.start();
    await world.time.advance(60_000);
    expect(refusals).toEqual(['AUTH_INVALID']);
    expect(world.transport.attempts.length).toBe(3);
    client.setAuthToken('good');
    await world.during(client.ready());
    await client.close();
  });
});

describe('many clients of a cluster', () => {
  it('that lose a node together do not come back to it together', async () => {
    world = new ClusterWorld(['a', 'b', 'c'], 5);
    const clients = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const client = world.client({ connectionsPerNode: 1 });
        await client.start();
        return client;
      }),
    );
    await world.time.advance(500);
    expect(sessions()).toEqual([200, 200, 200]);
    world.cluster.kill('b');
    const began = world.time.now;
    const before = world.transport.attempts.length;
    await world.time.advance(20_000);
    const attempts = world.transport.attempts.slice(before).map((at) => at - began);
    const perTenth = new Array<number>(200).fill(0);
    for (const at of attempts) perTenth[Math.floor(at / 100)] = (perTenth[Math.floor(at / 100)] ?? 0) + 1;
    expect(Math.max(...perTenth)).toBeLessThan(80);
    expect(attempts.length).toBeLessThan(200 * 12);
    world.cluster.start('b');
    await world.time.advance(40_000);
    expect(sessions()).toEqual([200, 200, 200]);
    await Promise.all(clients.map((client) => client.close()));
  });
});

describe('the options of a cluster', () => {
  it.each([
    [{ seeds: [] }, /at least one node/],
    [{ seeds: ['nonsense'] }, /cluster\.seeds\[0\].*no URL/],
    [{ seeds: ['ws://a', 7 as never] }, /cluster\.seeds\[1\] must be a URL/],
    [{ connectionsPerNode: 0 }, /connectionsPerNode/],
    [{ partitionMapRefreshMs: 5 }, /partitionMapRefreshMs/],
    [{ smartRouting: 'yes' as never }, /smartRouting/],
    [{ endpointMapper: 'x' as never }, /endpointMapper/],
  ])('are refused with a reason: %j', (options, reason) => {
    world = new ClusterWorld();
    expect(() => world.client(options)).toThrow(reason);
  });

  it('exclude a url', () => {
    world = new ClusterWorld();
    expect(() => world.client({}, { url: 'ws://x' })).toThrow(/either a url or a cluster/);
  });
});
