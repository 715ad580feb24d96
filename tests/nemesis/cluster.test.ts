import { describe, expect, it, onTestFinished } from 'vitest';
import type { NatsServer } from '../support/NatsServer.js';
import { startNatsCluster } from '../support/startNatsCluster.js';
import { ClusterUnderFire, type Gap, median } from './ClusterUnderFire.js';
import { moreAcks, pause, runUnderFire } from './runUnderFire.js';

/** NEMESIS_KILLS=30 makes a long run. */
const KILLS = Number(process.env.NEMESIS_KILLS ?? 10);

function report(what: string, gaps: readonly Gap[]): void {
  const worst = gaps.map(({ worstMs }) => Math.round(worstMs));
  process.stdout.write(`${what}: median ${Math.round(median(worst))} ms, all ${worst.join(' ')}\n`);
}

describe('a cluster of three nodes under load', () => {
  it(`serves the shards of a killed owner again within a second, in the median of ${KILLS} kills, and loses nothing`, {
    timeout: 60_000 + KILLS * 20_000,
  }, async () => {
    const fire = await ClusterUnderFire.start();
    const { cluster } = fire;
    const gaps: Gap[] = [];
    const { problems, history } = await runUnderFire('cluster-kill', fire, async (log) => {
      for (let kill = 0; kill < KILLS; kill++) {
        const map = await cluster.settled();
        await moreAcks(log, 100);
        const victim = cluster.nodes[kill % cluster.nodes.length] ?? cluster.node('n1');
        const entry = cluster.nodes[(kill + 1) % cluster.nodes.length] ?? victim;
        log.fault(`kill ${victim.id}`);
        gaps.push(await fire.gapDuring(entry, fire.keyOf(victim, map), () => victim.kill()));
        await victim.restart();
      }
      await cluster.settled();
      await moreAcks(log, 100);
    });
    report('owner killed', gaps);
    expect(problems).toEqual([]);
    expect(history.count('reject')).toBe(0);
    expect(median(gaps.map(({ worstMs }) => worstMs))).toBeLessThan(1_000);
  });

  it('has one effective owner while an owner is paused for five seconds and then goes on', {
    timeout: 120_000,
  }, async () => {
    const fire = await ClusterUnderFire.start();
    const { cluster } = fire;
    const { problems, history } = await runUnderFire('cluster-pause', fire, async (log) => {
      const map = await cluster.settled();
      await moreAcks(log, 200);
      const [victim, entry] = cluster.nodes;
      if (victim === undefined || entry === undefined) throw new Error('two nodes');
      const gap = await fire.gapDuring(entry, fire.keyOf(victim, map), async () => {
        log.fault(`pause ${victim.id}`);
        victim.pause();
        await pause(5_000);
        victim.resume();
      });
      report('owner paused', [gap]);
      expect(gap.worstMs).toBeLessThan(3_000);
      await cluster.settled();
      await moreAcks(log, 200);
      // Whether it wakes up to a write or to the news first is chance: then the log refuses it, or it does not try.
      const fenced = await victim.metric('topgun_appends_fenced_total');
      process.stdout.write(`owner paused: ${fenced} appends of the former owner were refused by the log\n`);
    });
    expect(problems).toEqual([]);
    expect(history.count('reject')).toBe(0);
  });

  it('hands over before a node stops: in a rolling restart no write is refused or waits for a second', {
    timeout: 120_000,
  }, async () => {
    const fire = await ClusterUnderFire.start();
    const { cluster } = fire;
    const gaps: Gap[] = [];
    const { problems, history } = await runUnderFire('cluster-rolling', fire, async (log) => {
      for (const [index, node] of cluster.nodes.entries()) {
        const map = await cluster.settled();
        await moreAcks(log, 100);
        const entry = cluster.nodes[(index + 1) % cluster.nodes.length] ?? node;
        log.fault(`stop ${node.id}`);
        const stopped = async (): Promise<void> => expect(await node.stop()).toBe(0);
        gaps.push(await fire.gapDuring(entry, fire.keyOf(node, map), stopped));
        await node.restart();
      }
      await cluster.settled();
    });
    report('owner stopped', gaps);
    expect(problems).toEqual([]);
    expect(history.count('reject')).toBe(0);
    expect(gaps.flatMap(({ refused }) => refused)).toEqual([]);
    for (const { worstMs } of gaps) expect(worstMs).toBeLessThan(1_000);
  });

  it('takes in a fourth node and lets one go, moving no more than it must, with counters exact', {
    timeout: 120_000,
  }, async () => {
    const fire = await ClusterUnderFire.start();
    const { cluster } = fire;
    const { problems, history } = await runUnderFire('cluster-join', fire, async (log) => {
      const before = await cluster.settled();
      await moreAcks(log, 100);
      log.fault('join');
      await cluster.add();
      const joined = await cluster.settled();
      await moreAcks(log, 100);
      const moved = before.owners.filter((owner, partition) => owner !== joined.owners[partition]);
      const own = joined.nodes.find(({ id }) => id === 'n4');
      expect(moved.length).toBe(own?.partitions);
      log.fault('leave');
      const leaver = cluster.node('n4');
      expect(await leaver.stop()).toBe(0);
      cluster.nodes.splice(cluster.nodes.indexOf(leaver), 1);
      const left = await cluster.settled();
      await moreAcks(log, 100);
      const movedBack = joined.owners.filter((owner, partition) => owner !== left.owners[partition]);
      expect(movedBack.length).toBe(own?.partitions);
    });
    expect(problems).toEqual([]);
    expect(history.count('reject')).toBe(0);
  });

  it('resumes by itself when nats-server was killed and is back, and serves reads meanwhile', {
    timeout: 120_000,
  }, async () => {
    const fire = await ClusterUnderFire.start({ nats: { syncAlways: true } });
    const { cluster } = fire;
    const { problems, history } = await runUnderFire('nats-kill', fire, async (log) => {
      for (let round = 0; round < 2; round++) {
        await moreAcks(log, 200);
        log.fault('kill nats-server');
        await cluster.nats?.kill();
        await pause(1_000);
        for (const node of cluster.nodes) expect((await node.report()).nodes).toHaveLength(3);
        await cluster.nats?.restart();
        await moreAcks(log, 200);
      }
    });
    expect(problems).toEqual([]);
    expect(history.count('reject')).toBe(0);
  });
});

/**
 * A nats-server that comes back from kill -9 is now and then never told what the others decided meanwhile, though they talk
 * to it (2.10.27). One more restart helps, as an operator would.
 */
async function isCurrent(server: NatsServer): Promise<void> {
  try {
    await server.healthy();
  } catch {
    await server.restart();
    await server.healthy();
  }
}

describe('a cluster over three nats-servers', () => {
  it('goes on when one of them is killed, and loses nothing', { timeout: 240_000 }, async () => {
    const { servers, urls, stop } = await startNatsCluster(3);
    onTestFinished(stop);
    const nats = { url: urls.join(',') };
    const fire = await ClusterUnderFire.start({ nats, args: ['--no-auth', '--replicas', '3'] });
    const { problems, history } = await runUnderFire('nats-3', fire, async (log) => {
      for (const server of servers) {
        await moreAcks(log, 100);
        log.fault('kill one nats-server');
        await server.kill();
        await moreAcks(log, 100);
        await server.restart();
        await isCurrent(server);
      }
    });
    expect(problems).toEqual([]);
    expect(history.count('reject')).toBe(0);
  });
});
