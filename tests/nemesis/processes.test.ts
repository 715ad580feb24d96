import { describe, expect, it } from 'vitest';
import { eventually } from '../e2e/support/eventually.js';
import { runCli } from '../e2e/support/runCli.js';
import { ClusterNodeProcess, startCluster } from '../e2e/support/startCluster.js';
import { ClusterUnderFire } from './ClusterUnderFire.js';
import { moreAcks, pause, runUnderFire } from './runUnderFire.js';

/** NEMESIS_LONG=1 makes a long run. */
const ROUNDS = process.env.NEMESIS_LONG === '1' ? 5 : 1;

describe('all nodes of a cluster', () => {
  it('are killed at once, and serve everything again within five seconds of their start', {
    timeout: 120_000,
  }, async () => {
    const fire = await ClusterUnderFire.start();
    const { cluster } = fire;
    const tookMs: number[] = [];
    const { problems, history } = await runUnderFire('kill-all', fire, async (log) => {
      for (let round = 0; round < ROUNDS; round++) {
        await moreAcks(log, 300);
        const before = await cluster.settled();
        log.fault('kill all nodes');
        await Promise.all(cluster.nodes.map((node) => node.kill()));
        const startedAt = performance.now();
        await Promise.all(cluster.nodes.map((node) => node.restart()));
        await eventually('they serve', async () => {
          const ready = await Promise.all(cluster.nodes.map((node) => node.ready()));
          return ready.every(Boolean);
        });
        tookMs.push(Math.round(performance.now() - startedAt));
        const after = await cluster.settled();
        const isNewer = after.epochs.map((epoch, shard) => epoch > (before.epochs[shard] ?? 0));
        expect(isNewer).not.toContain(false);
        await moreAcks(log, 100);
      }
    });
    process.stdout.write(`all killed: they served after ${tookMs.join(', ')} ms\n`);
    expect(problems).toEqual([]);
    expect(history.count('reject')).toBe(0);
    for (const ms of tookMs) expect(ms).toBeLessThan(5_000);
  });
});

describe('a node', () => {
  it('with other shards or replicas than its cluster, or the id of a node that runs, is refused', {
    timeout: 60_000,
  }, async () => {
    const { natsUrl, nodes } = await startCluster({ nodes: 1 });
    const start = (...args: string[]) => runCli(['serve', '--nats', natsUrl, '--no-auth', '--port', '0', ...args]);
    const [shards, replicas, id] = await Promise.all([
      start('--shards', '16'),
      start('--replicas', '3'),
      start('--node-id', 'n1'),
    ]);
    for (const { code, stdout } of [shards, replicas, id]) expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    const wrong = 'topgun: The cluster was created with';
    expect(shards.stderr).toContain(`${wrong} shardCount 32, this node is given 16. Start it with 32.\n`);
    expect(replicas.stderr).toContain(`${wrong} replicas 1, this node is given 3. Start it with 1.\n`);
    expect(id.stderr).toContain(
      'topgun: A node with the id "n1" runs in this cluster already. Give this one another id.\n',
    );
    expect(await nodes[0]?.ready()).toBe(true);
  });

  it('that hung, and whose id another process has taken meanwhile, ends by itself, and harms nobody', {
    timeout: 120_000,
  }, async () => {
    const fire = await ClusterUnderFire.start({ nodes: 2 });
    const { cluster } = fire;
    const [first, second] = cluster.nodes as [ClusterNodeProcess, ClusterNodeProcess];
    const { problems, history } = await runUnderFire('same-id', fire, async (log) => {
      await moreAcks(log, 100);
      log.fault('pause, and start another under the id');
      second.pause();
      await pause(2_000);
      const twin = await ClusterNodeProcess.start(second.id, ['--nats', cluster.natsUrl, '--no-auth'], {});
      try {
        const map = await cluster.settled([first, twin]);
        second.resume();
        // It gives its clients away, as any node that stops.
        expect(await second.ended()).toBe(1);
        expect(second.stderr).toContain(`topgun: Another process has taken the id "${second.id}" of this node`);
        // To whatever has the id, by way of the other node.
        const gap = await fire.gapDuring(first, fire.keyOf(twin, map), () => pause(2_000));
        expect(gap.refused).toEqual([]);
        expect(gap.worstMs).toBeLessThan(1_000);
        // As long as it lived it refused links that were its twin's, which notices the last of them when it speaks next.
        const broken = await twin.metric('topgun_node_links_broken_total');
        await pause(2_000);
        expect(await twin.metric('topgun_node_links_broken_total')).toBe(broken);
      } finally {
        await twin.kill();
      }
      await second.restart();
    });
    expect(problems).toEqual([]);
    expect(history.count('reject')).toBe(0);
  });
});
