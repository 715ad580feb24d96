import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from './support/eventually.js';
import { openClient } from './support/openClient.js';
import { runCli } from './support/runCli.js';
import { type ClusterProcesses, startCluster } from './support/startCluster.js';
import { tempFolder } from './support/tempFolder.js';

async function stopAll(cluster: ClusterProcesses): Promise<void> {
  expect(await Promise.all(cluster.nodes.map((node) => node.stop()))).toEqual(cluster.nodes.map(() => 0));
  await cluster.nats?.kill('SIGTERM');
}

async function startAll(cluster: ClusterProcesses): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => node.restart()));
  await cluster.settled();
}

describe('a cluster whose NATS is restored from a backup', () => {
  it('has another log: clients drop what it has lost, and offer again what was theirs', {
    timeout: 120_000,
  }, async () => {
    const cluster = await startCluster({ nodes: 2 });
    const { nats, natsUrl } = cluster;
    if (nats === null) throw new Error('no nats-server');
    const store = join(nats.dir, 'jetstream');
    const backup = join(tempFolder(), 'jetstream');
    const seeds = cluster.nodes.map((node) => node.url);
    const [one] = cluster.nodes;
    const author = await openClient({ cluster: { seeds } });
    const reader = await openClient({ url: one?.url ?? '' });
    const seen = reader.getMap<number>('m');
    await seen.synced();
    for (let n = 0; n < 50; n++) await author.getMap<number>('m').set(`early-${n}`, n).acked;
    await author.getCounter('c', 'hits').increment(3).acked;

    await stopAll(cluster);
    cpSync(store, backup, { recursive: true });
    await nats.restart();
    await startAll(cluster);
    for (let n = 0; n < 50; n++) await author.getMap<number>('m').set(`late-${n}`, n).acked;
    await author.getMap<number>('m').remove('early-1').acked;
    await author.getCounter('c', 'hits').increment(4).acked;
    const gone = await openClient({ cluster: { seeds } });
    await gone.getMap<number>('m').set('of-somebody-gone', 1).acked;
    await eventually(
      'the reader has everything',
      () => seen.get('of-somebody-gone') === 1 && seen.get('late-49') === 49,
    );
    await gone.close();

    const early = await runCli(['restored', '--nats', natsUrl]);
    expect(early).toMatchObject({ code: 1, stdout: '' });
    expect(early.stderr).toMatch(/^topgun: The node n\d is in the cluster\. Stop all nodes first\.\n$/);

    await stopAll(cluster);
    rmSync(store, { recursive: true });
    cpSync(backup, store, { recursive: true });
    await nats.restart();
    const unknown = await runCli(['restored', '--nats', natsUrl, '--cluster', 'other']);
    expect(unknown).toMatchObject({ code: 1, stderr: 'topgun: There is no cluster other in this NATS.\n' });
    const told = await runCli(['restored', '--nats', natsUrl]);
    expect(told).toMatchObject({ code: 0, stderr: '' });
    expect(told.stdout).toMatch(/^topgun restored cluster=topgun log=\S+ before=\S+\n$/);
    await startAll(cluster);

    await eventually('the reader drops what nobody has', () => seen.get('of-somebody-gone') === undefined, 30_000);
    const fresh = await openClient({ cluster: { seeds } });
    const map = fresh.getMap<number>('m');
    const hits = fresh.getCounter('c', 'hits');
    await Promise.all([map.synced(), hits.synced()]);
    await eventually('what the author wrote is back', () => map.get('late-49') === 49 && hits.value === 7, 30_000);
    for (let n = 0; n < 50; n++) {
      expect(map.get(`late-${n}`)).toBe(n);
      expect(map.get(`early-${n}`)).toBe(n === 1 ? undefined : n);
    }
    expect(map.get('of-somebody-gone')).toBeUndefined();
    await eventually('the reader agrees', () => seen.get('late-49') === 49 && seen.get('early-1') === undefined);
    // And life goes on.
    await author.getMap<number>('m').set('later', 1).acked;
    await eventually('the reader hears of it', () => seen.get('later') === 1);
  });
});
