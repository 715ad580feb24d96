import { PARTITION_COUNT, partitionOf } from '@topgunbuild/core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../../../tests/e2e/support/eventually.js';
import { startCluster } from '../../../../tests/e2e/support/startCluster.js';
import { mintToken, SECRET } from '../../../../tests/e2e/support/token.js';
import { TopGunClient } from '../TopGunClient.js';

/*
 * The mission, end to end: three nodes as processes of their own over NATS, tokens checked, a client that is told one
 * address, and nothing in between that is not what users run.
 */
describe('a client of a cluster of three processes', { timeout: 120_000 }, () => {
  function openClient(seeds: readonly string[], sub = 'alice'): TopGunClient {
    const client = new TopGunClient({ cluster: { seeds }, auth: mintToken(sub) });
    onTestFinished(() => client.close());
    return client;
  }

  it('writes to the owner of a key, and to its successor within seconds when the owner is killed', async () => {
    const cluster = await startCluster({ nodes: 3, args: ['--jwt-secret', SECRET] });
    const urls = cluster.nodes.map(({ url }) => url);
    const client = openClient(urls);
    await client.start();
    await client.ready({ timeoutMs: 10_000 });
    expect(client.getPartitionMapVersion()).toBeGreaterThanOrEqual(1);
    expect(client.isRoutingActive()).toBe(true);
    expect(client.getClusterStats()?.partitionCount).toBe(271);
    expect(client.getClusterStats()).toMatchObject({ partitionCount: PARTITION_COUNT, nodeCount: 3 });
    await eventually('all nodes are connected', () => client.getConnectedNodes().length === 3);

    const parcels = client.getMap<{ at: string }>('parcels');
    const key = 'parcel-1';
    const ownerId = client.getOwner(key)?.nodeId ?? '';
    const owner = cluster.node(ownerId);
    expect((await owner.report()).owners[partitionOf(key)]).toBe(ownerId);
    const applied = (): Promise<number[]> =>
      Promise.all(cluster.nodes.map((node) => node.metric('topgun_ops_applied_total')));
    const before = await applied();
    const routes = client.getRoutingMetrics();
    await parcels.set(key, { at: 'depot' }).acked;
    const after = await applied();
    const grown = cluster.nodes.filter((_, index) => (after[index] ?? 0) > (before[index] ?? 0));
    expect(grown.map(({ id }) => id)).toEqual([ownerId]);
    expect(client.getRoutingMetrics().directRoutes).toBe(routes.directRoutes + 1);
    expect(client.getRoutingMetrics().fallbackRoutes).toBe(routes.fallbackRoutes);

    await owner.kill();
    const killedAt = performance.now();
    await parcels.set(key, { at: 'van' }).acked;
    const gapMs = Math.round(performance.now() - killedAt);
    process.stdout.write(`owner killed -> next write to its key acked: ${gapMs} ms\n`);
    expect(gapMs).toBeLessThan(5_000);
    expect(parcels.get(key)).toEqual({ at: 'van' });
    expect(client.status).toBe('online');

    // Somebody else reads it from the successor.
    const survivors = cluster.nodes.filter((node) => node !== owner);
    const other = openClient([survivors[0]?.url ?? ''], 'bob');
    await other.start();
    const seen = other.getMap<{ at: string }>('parcels');
    await seen.synced({ timeoutMs: 10_000 });
    expect(seen.get(key)).toEqual({ at: 'van' });
    const successor = await eventually('the key has another owner', () => {
      const id = other.getOwner(key)?.nodeId;
      return id !== undefined && id !== ownerId ? id : null;
    });
    expect(survivors.map(({ id }) => id)).toContain(successor);

    await eventually('the client knows of it', () => client.getOwner(key)?.nodeId === successor);
    await parcels.set(key, { at: 'door' }).acked;
    const metrics = client.getRoutingMetrics();
    expect(metrics.directRoutes).toBeGreaterThan(0);
    expect(metrics.fallbackRoutes).toBeGreaterThan(0);
    expect(metrics.totalRoutes).toBe(metrics.directRoutes + metrics.fallbackRoutes);
    expect(client.getClusterStats()?.partitionCount).toBe(271);
    expect(client.pendingWrites).toBe(0);
  });
});
