import { shardOfKey } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { type ClusterClient, ForwardCluster, type ForwardClusterOptions } from '../testing/ForwardCluster.js';

interface World {
  readonly cluster: ForwardCluster;
  readonly writer: ClusterClient;
  readonly reader: ClusterClient;
}

/** A writer at node b, and a reader at node a. */
async function world(options: ForwardClusterOptions = {}): Promise<World> {
  const cluster = await ForwardCluster.start(options);
  return { cluster, writer: await cluster.node('b').join(), reader: await cluster.node('a').join() };
}

/** One key in each shard, with these values. */
function across(cluster: ForwardCluster, number: number, value: (shard: number) => unknown): Record<string, unknown> {
  const shards = Array.from({ length: cluster.shardCount }, (_, shard) => shard);
  return Object.fromEntries(shards.map((shard) => [cluster.keyIn(shard, number), value(shard)]));
}

function sorted(rows: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(rows).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function lasts(client: ClusterClient): number {
  return client.peer.all('QUERY_RECORDS').filter(({ last }) => last).length;
}

describe('a live query of a client', () => {
  it('has the rows of all nodes, and is complete when every one of them is', async () => {
    const { cluster, writer, reader } = await world();
    const rows = across(cluster, 0, (shard) => shard);
    writer.set(rows);
    await cluster.settle(20);
    const held = reader.subscribe();
    await cluster.settle(0);
    await cluster.settle(20);
    expect(reader.values()).toEqual(sorted(rows));
    expect(held.complete).toBe(true);
    expect(lasts(reader)).toBe(1);
    expect([...held.cursors.keys()].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(cluster.node('a').counters.queryPartsHere).toBe(1);
    expect(cluster.node('a').counters.queryPartsElsewhere).toBe(2);
  });

  it('gets each change as it happens, wherever', async () => {
    const { cluster, writer, reader } = await world();
    reader.subscribe();
    await cluster.settle(20);
    const rows = across(cluster, 0, (shard) => `new ${shard}`);
    writer.set(rows);
    await cluster.settle(20);
    expect(reader.values()).toEqual(sorted(rows));
  });

  it('is told of its own writes before they are answered', async () => {
    const { cluster, reader } = await world();
    reader.subscribe();
    await cluster.settle(20);
    reader.set(across(cluster, 0, (shard) => shard));
    await cluster.settle(20);
    const kinds = reader.peer.messages.map(({ type }) => type);
    const answer = kinds.indexOf('OP_ACK');
    expect(answer).toBeGreaterThan(0);
    expect(kinds.lastIndexOf('QUERY_RECORDS')).toBeLessThan(answer);
    expect(Object.keys(reader.values())).toHaveLength(6);
  });

  it('that pins its keys touches the nodes that own them, and no others', async () => {
    const { cluster, writer, reader } = await world();
    writer.set(across(cluster, 0, (shard) => shard));
    await cluster.settle(20);
    const key = cluster.keyIn(1);
    const held = reader.subscribe({ where: { _key: key } });
    reader.subscribe({ where: { _key: { $in: [] } } }, { queryId: 2 });
    await cluster.settle(20);
    expect(reader.values()).toEqual({ [key]: 1 });
    expect(held.complete).toBe(true);
    expect(reader.peer.query(2).complete).toBe(true);
    const { counters } = cluster.node('a');
    expect([counters.queryPartsHere, counters.queryPartsElsewhere]).toEqual([0, 1]);
    expect(['b', 'c'].map((id) => cluster.node(id).plane.stats().streams)).toEqual([1, 0]);
  });

  it('goes on where it stood when a shard moves, and nothing else is opened anew', async () => {
    const { cluster, writer, reader } = await world();
    const rows = across(cluster, 0, (shard) => shard);
    writer.set(rows);
    reader.subscribe();
    await cluster.settle(20);
    const { counters } = cluster.node('a');
    const before = counters.queryPartsHere + counters.queryPartsElsewhere;
    const seen = reader.peer.query(1).records;
    cluster.move({ 1: 'c' });
    await cluster.settle(2_000);
    // The shard at its new owner, and what the former one still has of the part that ended.
    expect(counters.queryPartsHere + counters.queryPartsElsewhere - before).toBe(2);
    expect(reader.peer.query(1).records).toBe(seen);
    expect(reader.peer.all('QUERY_RESET')).toEqual([]);
    writer.set(across(cluster, 0, (shard) => shard + 10));
    await cluster.settle(500);
    expect(reader.values()).toEqual(sorted(across(cluster, 0, (shard) => shard + 10)));
    expect(lasts(reader)).toBe(1);
  });

  it('sees what was written while its shards were nobody’s', async () => {
    const { cluster, writer, reader } = await world();
    writer.set(across(cluster, 0, (shard) => shard));
    reader.subscribe();
    await cluster.settle(20);
    cluster.move({ 1: '', 2: '' });
    const rows = across(cluster, 0, (shard) => shard + 10);
    writer.set(rows);
    await cluster.settle(300);
    cluster.move({ 1: 'a', 2: 'b' });
    await cluster.settle(2_000);
    expect(reader.values()).toEqual(sorted(rows));
  });

  it('survives the death of a node', async () => {
    const { cluster, reader } = await world();
    const writer = await cluster.node('a').join();
    writer.set(across(cluster, 0, (shard) => shard));
    reader.subscribe();
    await cluster.settle(20);
    cluster.kill('b');
    const rows = across(cluster, 0, (shard) => shard + 10);
    writer.set(rows);
    await cluster.settle(2_000);
    expect(reader.values()).toEqual(sorted(rows));
    expect(reader.peer.closed).toBeNull();
    expect(lasts(reader)).toBe(1);
  });

  it('misses nothing when messages between nodes are lost', async () => {
    const { cluster, writer, reader } = await world();
    reader.subscribe();
    await cluster.settle(20);
    for (const [round, id] of ['b', 'c', 'a', 'b', 'c'].entries()) {
      const { bus } = cluster.node(id);
      let lost = 0;
      bus.change = (subject, payload) => (subject.endsWith('.link') && lost++ < 2 ? null : payload);
      writer.set(across(cluster, 0, () => round));
      await cluster.settle(5_000);
    }
    expect(reader.values()).toEqual(sorted(across(cluster, 0, () => 4)));
    expect(cluster.node('a').counters.linksBroken).toBeGreaterThan(0);
    expect(cluster.logger.errors).toEqual([]);
  });

  it('misses nothing when the bus is interrupted', async () => {
    const { cluster, writer, reader } = await world();
    reader.subscribe();
    await cluster.settle(20);
    cluster.node('a').backbone.link.cut();
    const rows = across(cluster, 1, (shard) => shard);
    writer.set(rows);
    await cluster.settle(1_000);
    cluster.node('a').backbone.link.mend();
    await cluster.settle(6_000);
    expect(reader.values()).toEqual(sorted(rows));
  });

  it('follows its shards while they move about and are written to', async () => {
    const { cluster, writer, reader } = await world();
    reader.subscribe();
    const ids = ['a', 'b', 'c'];
    for (let round = 0; round < 12; round++) {
      cluster.move({ [round % 6]: ids[(round * 2) % 3] as string, [(round + 3) % 6]: ids[round % 3] as string });
      for (let i = 0; i < 3; i++) writer.set(across(cluster, i, (shard) => `${round} ${shard}`));
      await cluster.settle(100);
    }
    await cluster.settle(6_000);
    const rows = [0, 1, 2].map((i) => across(cluster, i, (shard) => `11 ${shard}`));
    expect(reader.values()).toEqual(sorted(Object.assign({}, ...rows)));
    const rejected = writer.peer.all('OP_ACK').flatMap((ack) => ack.rejected);
    expect(rejected).toEqual([]);
    expect(writer.peer.all('OP_ACK')).toHaveLength(36);
    expect(lasts(reader)).toBe(1);
    expect(cluster.logger.errors).toEqual([]);
  });

  it('has few parts, however often its shards have moved', async () => {
    const { cluster, writer, reader } = await world({ shardCount: 24 });
    reader.subscribe();
    for (let shard = 0; shard < 24; shard++) {
      cluster.move({ [shard]: 'b' });
      await cluster.settle(400);
    }
    await cluster.settle(2_000);
    expect(cluster.node('b').plane.stats().streams).toBeLessThanOrEqual(4);
    const rows = across(cluster, 0, (shard) => shard);
    writer.set(rows);
    await cluster.settle(20);
    expect(reader.values()).toEqual(sorted(rows));
    expect(lasts(reader)).toBe(1);
  });

  it('is refused once, whoever refuses it', async () => {
    const rules = [{ maps: 'todos', allow: ['read'] as const }];
    const { cluster, reader } = await world({ rules });
    reader.subscribe({ where: { a: { $what: 1 } } });
    reader.subscribe({}, { queryId: 2, map: 'secret' });
    await cluster.settle(20);
    expect(reader.peer.all('ERROR').map(({ code, ref }) => [code, ref])).toEqual([
      ['INVALID_QUERY', 1],
      ['FORBIDDEN', 2],
    ]);
    expect(cluster.node('a').counters.subscriptions).toBe(0);
  });

  it('shows the rows that the rules allow, and others when the token is another', async () => {
    const rules = [
      { maps: 'todos', allow: ['write'] as const },
      { maps: 'todos', allow: ['read'] as const, where: { owner: '$claims.team' } },
    ];
    const { cluster, writer } = await world({ rules });
    const { tokens } = cluster.node('a');
    tokens.add('red', 'ann', { claims: { sub: 'ann', team: 'red' } });
    tokens.add('blue', 'ann', { claims: { sub: 'ann', team: 'blue' } });
    writer.set(across(cluster, 0, () => ({ owner: 'red' })));
    writer.set(across(cluster, 1, () => ({ owner: 'blue' })));
    await cluster.settle(20);
    const reader = await cluster.node('a').join('red', 'c1');
    reader.subscribe();
    await cluster.settle(20);
    const keysOf = (number: number): string[] => Object.keys(across(cluster, number, () => 0)).sort();
    expect(Object.keys(reader.values())).toEqual(keysOf(0));
    reader.send({ type: 'AUTH', protocol: 1, token: 'blue', clientId: 'c1', mapVersion: 0 });
    await cluster.settle(40);
    expect(Object.keys(reader.values())).toEqual(keysOf(1));
  });

  it('is closed everywhere', async () => {
    const { cluster, reader } = await world();
    reader.subscribe();
    await cluster.settle(20);
    const streams = (): number[] => ['a', 'b', 'c'].map((id) => cluster.node(id).plane.stats().streams);
    expect(streams()).toEqual([1, 1, 1]);
    reader.send({ type: 'QUERY_UNSUB', queryId: 1 });
    await cluster.settle(20);
    expect(streams()).toEqual([0, 0, 0]);
  });

  it('goes on by the cursors of an earlier session', async () => {
    const { cluster, writer, reader } = await world();
    writer.set(across(cluster, 0, (shard) => shard));
    reader.subscribe();
    await cluster.settle(20);
    const held = reader.peer.query(1);
    reader.session.onClosed();
    writer.set({ [cluster.keyIn(2, 5)]: 'new' });
    await cluster.settle(20);
    const next = await cluster.node('c').join();
    const { logId } = cluster.node('a').plane;
    next.send({
      type: 'QUERY_SUB',
      queryId: 1,
      map: 'todos',
      query: {},
      logId,
      cursors: held.flatCursors(),
      shards: null,
    });
    await cluster.settle(20);
    expect(next.values()).toEqual({ [cluster.keyIn(2, 5)]: 'new' });
    expect(next.peer.all('QUERY_RESET')).toEqual([]);
  });

  it('of another log starts over', async () => {
    const { cluster, writer, reader } = await world();
    writer.set(across(cluster, 0, (shard) => shard));
    await cluster.settle(20);
    const sub = { type: 'QUERY_SUB', queryId: 1, map: 'todos', query: {}, shards: null } as const;
    reader.send({ ...sub, logId: 'another', cursors: [0, 999, 1, 999] });
    await cluster.settle(20);
    const resets = reader.peer.all('QUERY_RESET').flatMap(({ shards }) => shards);
    expect(resets.sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(Object.keys(reader.values())).toHaveLength(6);
    expect(lasts(reader)).toBe(1);
  });
});

describe('a window over several nodes', () => {
  it('is the union of what each node has first, of which the client takes the first', async () => {
    const { cluster, writer, reader } = await world();
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    writer.set(Object.fromEntries(keys.map((key, i) => [key, { n: i }])));
    await cluster.settle(20);
    reader.subscribe({ sort: { n: 'desc' }, limit: 4, offset: 1 });
    await cluster.settle(20);
    const held = Object.entries(reader.values()).map(([key, value]) => ({ key, n: (value as { n: number }).n }));
    const first = held.sort((a, b) => b.n - a.n).slice(1, 5);
    expect(first.map(({ n }) => n)).toEqual([28, 27, 26, 25]);
    for (const id of ['a', 'b', 'c']) {
      const { map } = cluster.node('a').view;
      const own = held.filter(({ key }) => map.nodes[map.owners[shardOfKey(key, 6)] ?? -1]?.id === id);
      expect(own.length).toBeLessThanOrEqual(5);
    }
    expect(lasts(reader)).toBe(1);
    const resets = reader.peer.all('QUERY_RESET').flatMap(({ shards }) => shards);
    expect(resets.sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('follows its shards', async () => {
    const { cluster, writer, reader } = await world();
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    writer.set(Object.fromEntries(keys.map((key, i) => [key, { n: i }])));
    reader.subscribe({ sort: { n: 'desc' }, limit: 3 });
    await cluster.settle(20);
    cluster.move({ 1: 'a', 2: 'b' });
    await cluster.settle(2_000);
    writer.set({ k0: { n: 100 }, k1: { n: 101 }, k2: { n: 102 }, k3: { n: 103 } });
    await cluster.settle(500);
    const held = Object.values(reader.values()).map((value) => (value as { n: number }).n);
    expect(held.sort((a, b) => b - a).slice(0, 3)).toEqual([103, 102, 101]);
    // A window has one part a node, so that no node sends more than it has to.
    const windows = ['a', 'b', 'c'].map((id) => cluster.node(id).plane.stats().windows);
    expect(windows).toEqual([1, 1, 1]);
  });
});

describe('a client that does not read', () => {
  it('costs bounded memory at both nodes, and nobody else anything', async () => {
    const { cluster, writer, reader } = await world({ limits: { maxSendBufferBytes: 256 * 1024 } });
    const other = await cluster.node('a').join();
    reader.subscribe();
    other.subscribe();
    await cluster.settle(20);
    reader.peer.reads = false;
    const value = 'x'.repeat(4_000);
    for (let round = 0; round < 100; round++) {
      writer.set(across(cluster, round % 20, (shard) => `${round} ${shard} ${value}`));
      await cluster.settle(20);
    }
    // Each of three nodes may send up to its window, here and on the way.
    expect(reader.peer.buffered).toBeLessThan(3 * 256 * 1024);
    expect(reader.peer.closed).toBeNull();
    const rows = other.values();
    expect(Object.keys(rows)).toHaveLength(120);
    reader.peer.reads = true;
    for (let turn = 0; turn < 20; turn++) {
      reader.peer.buffered = 0;
      reader.session.onDrain();
      await cluster.settle(40);
    }
    expect(reader.values()).toEqual(rows);
  });

  it('for a minute is cut off', async () => {
    const { cluster, writer, reader } = await world({ limits: { maxSendBufferBytes: 64 * 1024 } });
    reader.subscribe();
    await cluster.settle(20);
    reader.peer.reads = false;
    for (let round = 0; round < 50; round++) {
      writer.set(across(cluster, round, () => 'x'.repeat(1_000)));
      await cluster.settle(20);
    }
    await cluster.settle(70_000);
    expect(reader.peer.closed?.code).toBe(4429);
    reader.session.onClosed();
    await cluster.settle(100);
    const virtual = ['b', 'c'].map((id) => cluster.node(id).counters.virtualSessions);
    expect(virtual).toEqual([0, 1]);
  });
});
