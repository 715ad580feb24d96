import { PARTITION_COUNT, partitionOf, shardOfKey } from '@topgunbuild/core';
import { beforeEach, describe, expect, it } from 'vitest';
import { eventually } from './support/eventually.js';
import { OpSession } from './support/OpSession.js';
import { openClient } from './support/openClient.js';
import {
  type ClusterNodeProcess,
  type ClusterProcesses,
  type ClusterReport,
  startCluster,
} from './support/startCluster.js';

let cluster: ClusterProcesses;
let report: ClusterReport;

beforeEach(async () => {
  cluster = await startCluster();
  report = await cluster.settled();
}, 60_000);

function ownerOf(key: string): ClusterNodeProcess {
  return cluster.node(report.owners[partitionOf(key)] ?? '');
}

function others(node: ClusterNodeProcess): ClusterNodeProcess[] {
  return cluster.nodes.filter((one) => one !== node);
}

describe('three nodes over NATS', { timeout: 120_000 }, () => {
  it('own every shard, with a standby of each on another node, balanced within one, under addresses that clients reach', async () => {
    expect(report.owners).toHaveLength(PARTITION_COUNT);
    expect(report.owners).not.toContain(null);
    const shards = report.nodes.map((node) => node.shards);
    expect(shards.reduce((sum, count) => sum + count)).toBe(report.shardCount);
    expect(Math.max(...shards) - Math.min(...shards)).toBeLessThanOrEqual(1);
    for (let shard = 0; shard < report.shardCount; shard++) {
      expect(report.standbys[shard], `standbys of shard ${shard}`).toHaveLength(1);
      expect(report.standbys[shard]).not.toContain(report.owners[shard]);
    }
    const session = await OpSession.open((cluster.nodes[0] as ClusterNodeProcess).url);
    session.raw.send({ type: 'PARTITION_MAP_REQUEST', version: 0 });
    const { map } = await session.next('PARTITION_MAP');
    expect(map.nodes.map(({ endpoint }) => endpoint).sort()).toEqual(cluster.nodes.map(({ url }) => url).sort());
    for (const { endpoint } of map.nodes) await OpSession.open(endpoint);
  });

  it('take a write anywhere and bring it to its owner; a routed one is told who owns it', async () => {
    const key = 'parcel';
    const owner = ownerOf(key);
    const [entry] = others(owner);
    if (entry === undefined) throw new Error('no other node');
    const session = await OpSession.open(entry.url);
    const applied = await owner.metric('topgun_ops_applied_total');
    const forwarded = await session.write('m', { [key]: 1 });
    expect(forwarded).toMatchObject({ ranges: [0, 1], rejected: [], notOwner: [] });
    expect(await owner.metric('topgun_ops_applied_total')).toBe(applied + 1);

    const shard = shardOfKey(key, report.shardCount);
    const refused = await session.write('m', { [key]: 2 }, { routed: true, mapVersion: report.mapVersion });
    expect(refused).toMatchObject({
      ranges: [],
      rejected: [],
      notOwner: [{ shard, owner: owner.id, endpoint: owner.url, epoch: report.epochs[shard] }],
    });
    const direct = await OpSession.open(owner.url);
    expect(await direct.write('m', { [key]: 3 }, { routed: true, mapVersion: report.mapVersion })).toMatchObject({
      ranges: [0, 1],
      notOwner: [],
    });
  });

  it('show a client of one node what a client of another writes: maps, sets, counters, topics', async () => {
    const [a, b] = await Promise.all(cluster.nodes.slice(0, 2).map(({ url }) => openClient({ url })));
    if (a === undefined || b === undefined) throw new Error('two clients');
    const seen = b.getMap<number>('numbers');
    seen.subscribe(() => undefined);
    const heard: unknown[] = [];
    b.topic<string>('news').subscribe((message) => heard.push(message));
    for (let n = 0; n < 200; n++) a.getMap<number>('numbers').set(`n${n}`, n);
    a.getORMap<string>('tags').add('k', 'x');
    b.getORMap<string>('tags').add('k', 'y');
    a.getCounter('hits').increment(2);
    b.getCounter('hits').increment(3);
    await Promise.all([a.flush(), b.flush()]);
    await eventually('all numbers', () => seen.size === 200);
    await eventually('both tags', () => [...a.getORMap<string>('tags').get('k')].sort().join() === 'x,y');
    await eventually('the sum', () => a.getCounter('hits').value === 5 && b.getCounter('hits').value === 5);
    await eventually('a message across nodes', () => {
      if (heard.length === 0) a.topic<string>('news').publish('hello');
      return heard.length > 0;
    });
    expect(heard[0]).toBe('hello');
  });

  it('answer a query over all partitions as one node does, rows and order, and a pinned one by a single node', async () => {
    const [first, second] = cluster.nodes as [ClusterNodeProcess, ClusterNodeProcess];
    const writer = await openClient({ url: first.url });
    const rows = Array.from({ length: 500 }, (_, n) => [`k${n}`, { n: (n * 7919) % 500, odd: n % 2 === 1 }] as const);
    for (const [key, value] of rows) writer.getMap('rows').set(key, value);
    await writer.flush();
    const reader = await openClient({ url: second.url });
    const query = reader.query<{ n: number }>('rows', {
      where: { odd: true },
      sort: { n: 'desc' },
      limit: 20,
      offset: 5,
    });
    await query.complete({ timeoutMs: 10_000 });
    const expected = rows
      .filter(([, value]) => value.odd)
      .sort(([, a], [, b]) => b.n - a.n)
      .slice(5, 25)
      .map(([key, value]) => ({ key, value }));
    expect(query.rows.map(({ key, value }) => ({ key, value }))).toEqual(expected);

    // What enters the window from whichever node shows.
    writer.getMap('rows').set('top', { n: 10_000, odd: true });
    await eventually('the window moves', () =>
      query.rows[0]?.key === expected[0]?.key ? false : query.rows.length === 20,
    );
    query.close();

    const touched = (): Promise<number[]> =>
      Promise.all(cluster.nodes.map((node) => node.metric('topgun_query_parts_total')));
    const before = await touched();
    const pinned = reader.query('rows', { where: { _key: 'k77' } });
    await pinned.complete({ timeoutMs: 10_000 });
    expect(pinned.rows).toEqual([{ key: 'k77', value: rows[77]?.[1] }]);
    const after = await touched();
    expect(after.filter((count, index) => count > (before[index] ?? 0))).toHaveLength(1);
  });
});
