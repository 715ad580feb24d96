import { describe, expect, it } from 'vitest';
import { ForwardCluster } from '../testing/ForwardCluster.js';

/** A value of each of these keys, 0 to n - 1. */
function numbered(keys: readonly string[]): Record<string, number> {
  return Object.fromEntries(keys.map((key, index) => [key, index]));
}

describe('operations sent to a node that does not own their keys', () => {
  it('are taken by their owners, and answered as one batch', async () => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    const keys = [0, 1, 2, 3, 4, 5].map((shard) => cluster.keyIn(shard));
    const batch = client.set(numbered(keys));
    await cluster.settle(20);
    expect(client.ack(batch)).toEqual({ ranges: [0, 6], rejected: [] });
    for (const [shard, key] of keys.entries()) {
      const owner = cluster.node(['a', 'b', 'c'][shard % 3] as string);
      expect(owner.plane.read('todos', key)?.value).toBe(shard);
    }
    expect(cluster.node('a').counters.opsForwarded).toBe(4);
    expect(cluster.node('b').counters.opsFromNodes).toBe(2);
    expect(cluster.node('b').counters.virtualSessions).toBe(1);
    expect(cluster.logger.errors).toEqual([]);
  });

  it('of many clients share messages of the bus', async () => {
    const cluster = await ForwardCluster.start();
    const clients = await Promise.all(Array.from({ length: 50 }, () => cluster.node('a').join()));
    const key = cluster.keyIn(1);
    for (const client of clients) client.set({ [key]: 0 });
    await cluster.settle(20);
    const before = cluster.node('a').bus.published;
    const batches = clients.map((client, index) => client.set({ [cluster.keyIn(1, index)]: 1 }));
    await cluster.settle(20);
    expect(cluster.node('a').bus.published - before).toBe(1);
    for (const [index, client] of clients.entries()) expect(client.ack(batches[index] ?? 0)?.ranges).toEqual([0, 1]);
  });

  it('that are larger than a message of the bus arrive whole', async () => {
    const cluster = await ForwardCluster.start({ maxPayload: 4_096 });
    const client = await cluster.node('a').join();
    const values = Object.fromEntries([0, 1, 2].map((i) => [cluster.keyIn(1, i), 'x'.repeat(30_000 + i)]));
    const batch = client.set(values);
    await cluster.settle(20);
    expect(client.ack(batch)).toEqual({ ranges: [0, 3], rejected: [] });
    for (const [key, value] of Object.entries(values)) {
      expect(cluster.node('b').plane.read('todos', key)?.value).toBe(value);
    }
  });

  it('are refused where any one can tell, and where only the owner can', async () => {
    const rules = [{ maps: 'todos', allow: ['read', 'write'] as const, where: { owner: '$sub' } }];
    const cluster = await ForwardCluster.start({ rules });
    const bob = await cluster.node('b').join('bob-token');
    const ann = await cluster.node('a').join();
    const keys = [0, 1, 2].map((shard) => cluster.keyIn(shard));
    const [first = '', second = '', third = ''] = keys;
    bob.set({ [first]: { owner: 'bob' }, [second]: { owner: 'bob' } });
    await cluster.settle(20);
    const batch = ann.set({ [first]: { owner: 'ann' }, [second]: { owner: 'ann' }, [third]: { owner: 'ann' } });
    const other = ann.set({ [third]: 1 }, { map: 'secret' });
    await cluster.settle(20);
    expect(ann.ack(batch)).toEqual({ ranges: [2, 1], rejected: ['0 FORBIDDEN', '1 FORBIDDEN'] });
    expect(ann.ack(other)).toEqual({ ranges: [], rejected: ['0 FORBIDDEN'] });
    expect(cluster.node('b').counters.opsFromNodes).toBe(1);
  });

  it('count for their subject at the owner as well', async () => {
    const cluster = await ForwardCluster.start({ limits: { maxOpsPerSecond: 5 } });
    const keys = Array.from({ length: 10 }, (_, i) => cluster.keyIn(1, i));
    const direct = await cluster.node('b').join();
    direct.set(numbered(keys.slice(0, 8)));
    const client = await cluster.node('a').join();
    const batch = client.set(numbered(keys.slice(0, 4)));
    await cluster.settle(0);
    expect(client.ack(batch)).toEqual({ ranges: [0, 2], rejected: ['2 RATE_LIMITED', '3 RATE_LIMITED'] });
  });
});

describe('operations on their way to an owner', () => {
  it('that has changed are sent to the new one', async () => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    // Node a still believes that b owns the shard.
    cluster.move({ 1: 'c' }, [], ['b', 'c']);
    const key = cluster.keyIn(1);
    const batch = client.set({ [key]: 'new' });
    await cluster.settle(60);
    expect(client.ack(batch)).toBeNull();
    cluster.move({ 1: 'c' }, [], ['a']);
    await cluster.settle(20);
    expect(client.ack(batch)).toEqual({ ranges: [0, 1], rejected: [] });
    expect(cluster.node('c').plane.read('todos', key)?.value).toBe('new');
    expect(cluster.node('a').counters.opsForwardedAgain).toBeGreaterThan(0);
  });

  it('wait while nobody owns their shard, for five seconds', async () => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    cluster.move({ 1: '' });
    const key = cluster.keyIn(1);
    const late = client.set({ [key]: 1, [cluster.keyIn(0)]: 2 });
    await cluster.settle(4_900);
    expect(client.ack(late)).toBeNull();
    const kept = client.set({ [key]: 2 });
    await cluster.settle(400);
    expect(client.ack(late)).toEqual({ ranges: [1, 1], rejected: ['0 UNAVAILABLE'] });
    cluster.move({ 1: 'c' });
    await cluster.settle(20);
    expect(client.ack(kept)).toEqual({ ranges: [0, 1], rejected: [] });
  });

  it('that dies are sent to its successor', async () => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    const keys = [1, 4].map((shard) => cluster.keyIn(shard));
    client.set(numbered(keys));
    await cluster.settle(20);
    cluster.node('b').kill();
    const batch = client.set(numbered(keys));
    await cluster.settle(200);
    expect(client.ack(batch)).toBeNull();
    cluster.kill('b');
    await cluster.settle(400);
    expect(client.ack(batch)).toEqual({ ranges: [0, 2], rejected: [] });
  });

  it('may become this node’s own, whose rules are kept even then', async () => {
    const rules = [{ maps: 'todos', allow: ['read', 'write'] as const, where: { owner: '$sub' } }];
    const cluster = await ForwardCluster.start({ rules });
    const key = cluster.keyIn(1);
    const bob = await cluster.node('b').join('bob-token');
    bob.set({ [key]: { owner: 'bob' } });
    await cluster.settle(20);
    cluster.move({ 1: '' });
    const ann = await cluster.node('a').join();
    const batch = ann.set({ [key]: { owner: 'ann' } });
    await cluster.settle(100);
    cluster.move({ 1: 'a' });
    await cluster.settle(2_000);
    const [rejected] = ann.ack(batch)?.rejected ?? [];
    // While the shard is being taken over nobody can read the row.
    expect(['0 FORBIDDEN', '0 UNAVAILABLE']).toContain(rejected);
    const again = ann.set({ [key]: { owner: 'ann' } });
    await cluster.settle(20);
    expect(ann.ack(again)?.rejected).toEqual(['0 FORBIDDEN']);
  });

  it.each([
    ['a message is lost', 0],
    ['the answer is lost', 1],
  ])('are sent again when %s', async (_, way) => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    const key = cluster.keyIn(1);
    client.set({ [key]: 0 });
    await cluster.settle(20);
    const { bus } = cluster.node(way === 0 ? 'a' : 'b');
    let lost = 0;
    bus.change = (subject, payload) => (subject.startsWith('node.') && lost++ === 0 ? null : payload);
    const batch = client.set({ [key]: 1 });
    await cluster.settle(20);
    expect(lost).toBe(1);
    expect(client.ack(batch)).toBeNull();
    // The next keep-alive shows the gap.
    await cluster.settle(1_500);
    expect(client.ack(batch)).toEqual({ ranges: [0, 1], rejected: [] });
    expect(cluster.node('b').plane.read('todos', key)?.value).toBe(1);
    expect(cluster.logger.errors).toEqual([]);
  });

  it('are sent again when the bus was interrupted', async () => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    const key = cluster.keyIn(1);
    client.set({ [key]: 0 });
    await cluster.settle(20);
    cluster.node('a').backbone.link.cut();
    const batch = client.set({ [key]: 1 });
    await cluster.settle(1_000);
    expect(client.ack(batch)).toBeNull();
    cluster.node('a').backbone.link.mend();
    await cluster.settle(1_500);
    expect(client.ack(batch)).toEqual({ ranges: [0, 1], rejected: [] });
  });

  it('are bounded: what is too much is refused at once', async () => {
    const limits = { maxFrameBytes: 64 * 1024 * 1024, maxValueBytes: 16 * 1024 * 1024 };
    const cluster = await ForwardCluster.start({ limits });
    cluster.move({ 1: '' });
    const value = new Uint8Array(15 * 1024 * 1024);
    const clients = await Promise.all(Array.from({ length: 10 }, () => cluster.node('a').join()));
    const batches = clients.map((client) => client.set({ [cluster.keyIn(1)]: value }));
    const codes = clients.map((client, index) => client.ack(batches[index] ?? 0)?.rejected[0]);
    expect(codes).toEqual([...new Array(8).fill(undefined), '0 RATE_LIMITED', '0 RATE_LIMITED']);
    // Sessions that end give back what they held.
    for (const client of clients) client.session.onClosed();
    const next = await cluster.node('a').join();
    const batch = next.set({ [cluster.keyIn(1)]: value });
    expect(next.ack(batch)).toBeNull();
  });

  it('whose client is gone take no more room', async () => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    client.set({ [cluster.keyIn(1)]: 0 });
    await cluster.settle(20);
    expect(cluster.node('b').counters.virtualSessions).toBe(1);
    client.session.onClosed();
    await cluster.settle(20);
    expect(cluster.node('b').counters.virtualSessions).toBe(0);
  });
});

describe('the virtual sessions of a node', () => {
  it('end within 15 s when it dies', async () => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    client.set({ [cluster.keyIn(1)]: 0, [cluster.keyIn(2)]: 0 });
    await cluster.settle(20);
    cluster.node('a').kill();
    await cluster.settle(4_000);
    expect(cluster.node('b').counters.virtualSessions).toBe(1);
    await cluster.settle(11_000);
    expect(cluster.node('b').counters.virtualSessions).toBe(0);
    expect(cluster.node('c').counters.virtualSessions).toBe(0);
  });

  it('live as long as both nodes do, without any traffic', async () => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    client.set({ [cluster.keyIn(1)]: 0 });
    await cluster.settle(60_000);
    expect(cluster.node('b').counters.virtualSessions).toBe(1);
    expect(cluster.node('a').counters.linksBroken).toBe(0);
  });

  it('end when their token does', async () => {
    const cluster = await ForwardCluster.start();
    const { tokens } = cluster.node('a');
    tokens.add('ann-short', 'ann', { expiresAt: cluster.runtime.now() + 10_000 });
    const client = await cluster.node('a').join('ann-short');
    client.set({ [cluster.keyIn(1)]: 0 });
    await cluster.settle(9_000);
    expect(cluster.node('b').counters.virtualSessions).toBe(1);
    await cluster.settle(2_000);
    expect(cluster.node('b').counters.virtualSessions).toBe(0);
  });

  it('end when it stops, and are opened anew by the node of the client', async () => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    client.set({ [cluster.keyIn(1)]: 0 });
    await cluster.settle(20);
    cluster.node('b').forwarding.close();
    await cluster.settle(20);
    expect(cluster.node('b').counters.virtualSessions).toBe(0);
    cluster.move({ 1: 'c', 4: 'c' }, ['b']);
    const batch = client.set({ [cluster.keyIn(1)]: 1 });
    await cluster.settle(200);
    expect(client.ack(batch)).toEqual({ ranges: [0, 1], rejected: [] });
  });
});
