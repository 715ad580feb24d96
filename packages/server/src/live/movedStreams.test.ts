import { shardOfKey } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { batchOf, type Op, stamp } from '../testing/ops.js';
import { NONE, owner, PlaneCluster, STANDBY } from '../testing/PlaneCluster.js';

const set = (key: string, value: unknown, ms: number): Op => ({ key, set: value, at: stamp(ms) });

describe('streams of a node that shares its backbone', () => {
  it('end where a shard moves, and go on by cursors where it is', async () => {
    const cluster = new PlaneCluster();
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(1));
    b.be(STANDBY);
    await cluster.settle();
    a.start(set('k', 1, 1));
    await cluster.settle();
    const client = a.subscribe();
    a.start(set('l', 1, 1));
    await cluster.settle();
    a.be(STANDBY);
    b.be(owner(2));
    await cluster.settle();
    expect(client.moved).toBe(1);
    b.start(set('m', 1, 1));
    await cluster.settle();
    expect([...client.rows.keys()]).toEqual(['k', 'l']);
    const { records } = client;
    b.subscribe({}, { client });
    expect([...client.rows.keys()]).toEqual(['k', 'l', 'm']);
    expect([client.records - records, client.resets]).toEqual([1, []]);
    expect([a.plane.stats().streams, b.plane.stats().streams]).toEqual([0, 1]);
  });

  it('tell of what was acked before they end', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.be(owner(1));
    await cluster.settle();
    const client = a.subscribe();
    let seen = -1;
    a.plane.write(batchOf([set('k', 1, 1)]), null, () => {
      seen = client.rows.size;
    });
    await cluster.settle();
    expect(seen).toBe(1);
  });

  it('of shards that stay are left alone', async () => {
    const cluster = new PlaneCluster({ shardCount: 2 });
    const a = await cluster.node();
    a.be(owner(1));
    await cluster.settle();
    const both = a.subscribe();
    const first = a.subscribe({}, { shards: [0], queryId: 2 });
    const second = a.subscribe({}, { shards: [1], queryId: 3 });
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
    a.start(...keys.map((key) => set(key, 1, 1)));
    await cluster.settle();
    const own = (shard: number): string[] => keys.filter((key) => shardOfKey(key, 2) === shard);
    expect([...first.rows.keys()].sort()).toEqual(own(0));
    expect([...second.rows.keys()].sort()).toEqual(own(1));
    a.be(STANDBY, 1);
    await cluster.settle();
    expect([both.moved, first.moved, second.moved]).toEqual([1, 0, 1]);
    expect(() => a.subscribe()).toThrow(expect.objectContaining({ code: 'NOT_OWNER' }));
    a.start(...keys.map((key) => set(key, 2, 2)));
    await cluster.settle();
    expect(first.values(0)).toEqual(new Map(own(0).map((key) => [key, 2])));
  });

  it('that are pinned to keys need their shards only', async () => {
    const cluster = new PlaneCluster({ shardCount: 2 });
    const a = await cluster.node();
    a.be(owner(1), 0);
    await cluster.settle();
    const key = ['a', 'b', 'c', 'd', 'e', 'f'].find((name) => shardOfKey(name, 2) === 0) ?? '';
    a.start(set(key, 1, 1));
    await cluster.settle();
    expect([...a.subscribe({ where: { _key: key } }).rows.keys()]).toEqual([key]);
  });

  it('wait for shards that are about to be served', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.log.fault = () => 'hold';
    a.be(owner(1));
    const client = a.subscribe();
    const closed = a.subscribe({}, { queryId: 2 });
    closed.stream.close();
    await cluster.settle(1_000);
    expect(client.frames).toBe(0);
    a.log.fault = () => 'none';
    a.log.release();
    await cluster.settle();
    expect([client.complete, closed.frames, client.moved]).toEqual([true, 0, 0]);
    a.start(set('k', 1, 1));
    await cluster.settle();
    expect([...client.rows.keys()]).toEqual(['k']);
    client.stream.close();
    expect(a.plane.stats().streams).toBe(0);
  });

  it('do not wait for ever, nor for a shard that goes elsewhere', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.log.fault = () => 'hold';
    a.be(owner(1));
    const first = a.subscribe();
    await cluster.settle(5_000);
    expect([first.moved, first.frames]).toEqual([1, 0]);
    a.be(owner(2));
    const second = a.subscribe();
    a.be(STANDBY);
    expect(second.moved).toBe(1);
    a.log.release();
    await cluster.settle();
    expect([first.frames, second.frames]).toEqual([0, 0]);
  });

  it('are not sent back to the past by an owner that was succeeded and does not know', async () => {
    const cluster = new PlaneCluster();
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(1));
    await cluster.settle();
    b.be(owner(2));
    await cluster.settle();
    b.start(set('k', 1, 1));
    const client = b.subscribe();
    await cluster.settle();
    expect([...client.rows.keys()]).toEqual(['k']);
    a.subscribe({}, { client });
    await cluster.settle();
    expect([client.moved, client.resets, client.rows.size]).toEqual([1, [], 1]);
  });

  it('start over when the log has lost what their cursors stand for', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.be(owner(1));
    await cluster.settle();
    const client = a.subscribe();
    client.stream.close();
    client.cursors.set(0, 99);
    a.subscribe({}, { client });
    await cluster.settle();
    expect([client.moved, client.resets, client.complete]).toEqual([0, [[0]], true]);
  });

  it('of windows name their shards when they start, and end like others', async () => {
    const cluster = new PlaneCluster({ shardCount: 3 });
    const a = await cluster.node();
    a.be(owner(1));
    await cluster.settle();
    const whole = a.subscribe({ limit: 5 });
    const part = a.subscribe({ limit: 5 }, { shards: [0, 2], queryId: 2 });
    expect([whole.resets, part.resets]).toEqual([[[0, 1, 2]], [[0, 2]]]);
    expect(a.plane.stats().windows).toBe(2);
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
    a.start(...keys.map((key) => set(key, 1, 1)));
    await cluster.settle();
    expect([...part.rows.keys()].some((key) => shardOfKey(key, 3) === 1)).toBe(false);
    expect(part.rows.size).toBeGreaterThan(0);
    a.be(NONE, 1);
    await cluster.settle();
    expect([whole.moved, part.moved]).toEqual([1, 0]);
    a.be(NONE, 2);
    await cluster.settle();
    expect(part.moved).toBe(1);
    expect(a.plane.stats()).toMatchObject({ streams: 0, windows: 0 });
  });
});
