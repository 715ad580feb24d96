import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../e2e/support/eventually.js';
import { OpSession } from '../e2e/support/OpSession.js';
import { runCli } from '../e2e/support/runCli.js';
import { startCluster } from '../e2e/support/startCluster.js';
import { TcpProxy } from '../e2e/support/TcpProxy.js';
import { NatsServer } from '../support/NatsServer.js';
import { ClusterUnderFire, type Gap } from './ClusterUnderFire.js';
import { moreAcks, pause, runUnderFire } from './runUnderFire.js';

/** NEMESIS_LONG=1 has faults last as long as they do on a bad day. */
const IS_LONG = process.env.NEMESIS_LONG === '1';

function report(what: string, gaps: Readonly<Record<string, Gap>>): void {
  const told = Object.entries(gaps).map(([name, { worstMs }]) => `${name} ${Math.round(worstMs)} ms`);
  process.stdout.write(`${what}: ${told.join(', ')}\n`);
}

/** Which of these a query at this node shows. */
async function keysAt(url: string, wanted: readonly string[]): Promise<ReadonlySet<string>> {
  const reader = await OpSession.open(url);
  const query = { where: { _key: { $in: wanted } } };
  reader.raw.send({ type: 'QUERY_SUB', queryId: 1, map: 'm', query, logId: null, cursors: [], shards: null });
  const seen = new Set<string>();
  for (;;) {
    const { records, last } = await reader.next('QUERY_RECORDS');
    for (const key of records.keys) seen.add(key);
    if (last) return seen;
  }
}

describe('a node whose way to NATS fails', () => {
  it('is replaced, loses nothing that it acked, and comes back by itself', { timeout: 180_000 }, async () => {
    const cluster = await startCluster({ nodes: 2 });
    const proxy = await TcpProxy.start(Number(new URL(cluster.natsUrl).port));
    const lonely = await cluster.add(`nats://127.0.0.1:${proxy.port}`);
    const [entry] = cluster.nodes;
    if (entry === undefined) throw new Error('no node');
    const fire = new ClusterUnderFire(cluster);
    const gaps: Record<string, Gap> = {};
    const { problems, history } = await runUnderFire('nats-way', fire, async (log) => {
      const suffer = async (name: string, fault: () => Promise<void>): Promise<void> => {
        const map = await cluster.settled();
        await moreAcks(log, 100);
        log.fault(name);
        gaps[name] = await fire.gapDuring(entry, fire.keyOf(lonely, map), fault, 500);
        proxy.way = 'open';
        proxy.delayMs = 0;
      };
      await suffer('cut', async () => {
        proxy.way = 'cut';
        await pause(IS_LONG ? 10_000 : 2_000);
        expect(await lonely.ready()).toBe(false);
        expect((await entry.report()).nodes.map(({ id }) => id)).toEqual(['n1', 'n2']);
      });
      await suffer('hole', async () => {
        proxy.way = 'hole';
        await pause(5_000);
        expect(await lonely.ready()).toBe(false);
      });
      if (IS_LONG) {
        await suffer('long hole', async () => {
          proxy.way = 'hole';
          await pause(20_000);
        });
      }
      await suffer('delay', async () => {
        proxy.delayMs = 200;
        await pause(IS_LONG ? 20_000 : 2_000);
      });
      await cluster.settled();
      await moreAcks(log, 100);
    });
    report('way to NATS', gaps);
    expect(problems).toEqual([]);
    expect(history.count('reject')).toBe(0);
    expect(gaps.cut?.worstMs).toBeLessThan(3_000);
    expect(gaps.hole?.worstMs).toBeLessThan(3_000);
  });
});

describe('a cluster whose nats-server', () => {
  it('stands still, or is away for long, gives nobody up: it waits, says so, and goes on with everything where it was', {
    timeout: 180_000,
  }, async () => {
    const fire = await ClusterUnderFire.start();
    const { cluster } = fire;
    const { problems, history } = await runUnderFire('nats-away', fire, async (log) => {
      await moreAcks(log, 200);
      const before = await cluster.settled();
      log.fault('pause nats-server');
      await cluster.nats?.kill('SIGSTOP');
      await pause(4_000);
      await cluster.nats?.kill('SIGCONT');
      await moreAcks(log, 200);
      expect((await cluster.settled()).owners).toEqual(before.owners);

      log.fault('kill nats-server');
      await cluster.nats?.kill();
      const starting = runCli(['serve', '--nats', cluster.natsUrl, '--no-auth', '--port', '0']);
      await pause(IS_LONG ? 60_000 : 3_000);
      for (const node of cluster.nodes) expect(await node.ready()).toBe(false);
      const started = await starting;
      expect(started.code).toBe(1);
      expect(started.stderr.split('\n').at(-2)).toMatch(/^topgun: NATS cannot be reached at nats:\/\/127\.0\.0\.1/);
      await cluster.nats?.restart();
      await moreAcks(log, 200);
      expect((await cluster.settled()).owners).toEqual(before.owners);
      const takeovers = await Promise.all(cluster.nodes.map((node) => node.metric('topgun_cluster_takeovers_total')));
      expect(takeovers).toEqual([0, 0, 0]);
    });
    expect(problems).toEqual([]);
    expect(history.count('reject')).toBe(0);
  });

  it('is full refuses writes for now, serves reads, says so, and goes on once it has room', {
    timeout: 120_000,
  }, async () => {
    const nats = await NatsServer.start({ maxFileStoreBytes: 2 ** 20 });
    const cluster = await startCluster({ nodes: 2, nats: { url: nats.url } });
    try {
      const [one] = cluster.nodes;
      if (one === undefined) throw new Error('no node');
      const session = await OpSession.open(one.url);
      const written: string[] = [];
      let codes: readonly string[] = [];
      for (let n = 0; codes.length === 0 && n < 400; n++) {
        const { rejected } = await session.write('m', { [`k${n}`]: 'x'.repeat(10_000) });
        codes = rejected.map(({ code }) => code);
        if (codes.length === 0) written.push(`k${n}`);
      }
      expect(codes).toEqual(['STORAGE_FULL']);
      await eventually('the nodes are not ready', async () => !(await one.ready()));
      expect(await keysAt(one.url, written)).toEqual(new Set(written));

      const file = join(nats.dir, 'nats.conf');
      writeFileSync(file, readFileSync(file, 'utf8').replace(/"max_file_store":\d+/, '"max_file_store":1073741824'));
      await nats.restart();
      await cluster.settled();
      expect(await session.write('m', { later: 1 })).toMatchObject({ rejected: [] });
      // Not from the memory of those who took them.
      await Promise.all(cluster.nodes.map((node) => node.kill()));
      await Promise.all(cluster.nodes.map((node) => node.restart()));
      expect(await keysAt(one.url, [...written, 'later'])).toEqual(new Set([...written, 'later']));
    } finally {
      await nats.stop();
    }
  });
});
