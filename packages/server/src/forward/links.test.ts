import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ForwardCluster } from '../testing/ForwardCluster.js';

describe('a link between nodes', () => {
  it('survives nothing that is broken, and the nodes survive everything', async () => {
    const damage = fc.record({
      at: fc.nat(),
      byte: fc.nat({ max: 255 }),
      cut: fc.boolean(),
      which: fc.nat({ max: 4 }),
      node: fc.constantFrom('a', 'b', 'c'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 4 }), async (damages) => {
        const cluster = await ForwardCluster.start();
        const client = await cluster.node('a').join();
        client.subscribe();
        const keys = [0, 1, 2, 3, 4, 5].map((shard) => cluster.keyIn(shard));
        for (const { node, which, at, byte, cut } of damages) {
          const { bus } = cluster.node(node);
          let seen = 0;
          bus.change = (_, payload) => {
            if (seen++ !== which) return payload;
            const spoiled = payload.slice();
            spoiled[at % spoiled.length] = byte;
            return cut ? spoiled.subarray(0, at % spoiled.length) : spoiled;
          };
          client.set(Object.fromEntries(keys.map((key) => [key, seen])));
          await cluster.settle(1_000);
        }
        await cluster.settle(12_000);
        const batch = client.set(Object.fromEntries(keys.map((key) => [key, 'last'])));
        await cluster.settle(1_000);
        expect(client.ack(batch)?.ranges).toEqual([0, 6]);
        expect(client.peer.closed).toBeNull();
      }),
      { numRuns: 40 },
    );
  });

  it('of a node that was started anew is another one', async () => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    client.subscribe();
    client.set({ [cluster.keyIn(1)]: 1 });
    await cluster.settle(20);
    cluster.node('b').kill();
    await cluster.add('b');
    const batch = client.set({ [cluster.keyIn(1)]: 2 });
    await cluster.settle(2_500);
    expect(client.ack(batch)).toEqual({ ranges: [0, 1], rejected: [] });
    await cluster.settle(2_000);
    expect(client.values()).toEqual({ [cluster.keyIn(1)]: 2 });
  });

  it('that stood still with its node is used no more', async () => {
    const cluster = await ForwardCluster.start();
    const client = await cluster.node('a').join();
    client.subscribe();
    client.set({ [cluster.keyIn(1)]: 1 });
    await cluster.settle(20);
    cluster.node('b').backbone.link.freeze();
    await cluster.settle(10_000);
    expect(cluster.node('a').counters.linksBroken).toBeGreaterThan(0);
    cluster.node('b').backbone.link.thaw();
    await cluster.settle(5_000);
    const batch = client.set({ [cluster.keyIn(1)]: 2 });
    await cluster.settle(1_000);
    expect(client.ack(batch)?.ranges).toEqual([0, 1]);
    expect(client.values()).toEqual({ [cluster.keyIn(1)]: 2 });
    expect(cluster.node('b').counters.virtualSessions).toBe(1);
  });

  it('is closed, with all timers, when the node stops', async () => {
    const cluster = await ForwardCluster.start({ nodes: ['a', 'b'] });
    const client = await cluster.node('a').join();
    client.subscribe();
    client.set({ [cluster.keyIn(1)]: 1 });
    await cluster.settle(20);
    client.session.onClosed();
    for (const { forwarding } of cluster.nodes.values()) forwarding.close();
    await cluster.settle(20);
    const timers = cluster.runtime.pendingTimers;
    await cluster.settle(20_000);
    expect(cluster.runtime.pendingTimers).toBeLessThanOrEqual(timers);
    expect(cluster.node('b').counters.virtualSessions).toBe(0);
  });
});
