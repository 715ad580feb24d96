import { expect, it } from 'vitest';
import { type ClusterNodeProcess, startCluster } from '../e2e/support/startCluster.js';
import { TcpProxy } from '../e2e/support/TcpProxy.js';
import { Random } from '../sim/kernel/Random.js';
import { ClusterUnderFire } from './ClusterUnderFire.js';
import { moreAcks, pause, runUnderFire } from './runUnderFire.js';

/** NEMESIS_SECONDS=600 makes a long run, NEMESIS_SEED the faults of an earlier one. */
const SECONDS = Number(process.env.NEMESIS_SECONDS ?? 5);
const SEED = Number(process.env.NEMESIS_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** As a supervisor does: a node that cannot reach NATS when it starts ends with exit code 1. */
async function startAgain(node: ClusterNodeProcess): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await node.restart();
      return;
    } catch (error) {
      if (attempt === 5 || !/NATS|JetStream/.test(String(error))) throw error;
    }
  }
}

it(`a cluster of which anything may fail at any time for ${SECONDS} s loses nothing (NEMESIS_SEED=${SEED})`, {
  timeout: SECONDS * 3_000 + 120_000,
}, async () => {
  const random = new Random(SEED);
  const cluster = await startCluster({ nodes: 1 });
  const port = Number(new URL(cluster.natsUrl).port);
  const ways = [await TcpProxy.start(port), await TcpProxy.start(port)];
  for (const way of ways) await cluster.add(`nats://127.0.0.1:${way.port}`);
  await cluster.settled();

  const anyNode = (): ClusterNodeProcess => random.pick(cluster.nodes);
  const anyMs = (most: number): number => Math.round(most * random.float() ** 2);
  const busy = new Set<unknown>();
  /** What has a fault already is left alone until that is over. */
  const alone = async (victim: unknown, fault: () => Promise<void>): Promise<void> => {
    if (busy.has(victim)) return;
    busy.add(victim);
    await fault();
    busy.delete(victim);
  };
  const fire = new ClusterUnderFire(cluster);
  const { problems, history } = await runUnderFire('chaos', fire, async (log) => {
    const faults = [
      (node = anyNode(), ms = anyMs(2_000)) =>
        alone(node, async () => {
          log.fault(`kill ${node.id} for ${ms} ms`);
          await node.kill();
          await pause(ms);
          await startAgain(node);
        }),
      (node = anyNode()) =>
        alone(node, async () => {
          log.fault(`restart ${node.id}`);
          await node.stop();
          await startAgain(node);
        }),
      (node = anyNode(), ms = anyMs(6_000)) =>
        alone(node, async () => {
          log.fault(`pause ${node.id} for ${ms} ms`);
          node.pause();
          await pause(ms);
          node.resume();
        }),
      (way = random.pick(ways), kind = random.pick(['cut', 'hole'] as const), ms = anyMs(10_000)) =>
        alone(way, async () => {
          log.fault(`${kind} the way of ${cluster.nodes[ways.indexOf(way) + 1]?.id} for ${ms} ms`);
          way.way = kind;
          await pause(ms);
          way.way = 'open';
        }),
      (kind = random.pick(['SIGKILL', 'SIGSTOP'] as const), ms = anyMs(5_000)) =>
        alone(cluster.nats, async () => {
          log.fault(`${kind} nats-server for ${ms} ms`);
          await cluster.nats?.kill(kind);
          await pause(ms);
          if (kind === 'SIGKILL') await cluster.nats?.restart();
          else await cluster.nats?.kill('SIGCONT');
        }),
    ];
    const underWay: Promise<void>[] = [];
    for (const end = performance.now() + SECONDS * 1_000; performance.now() < end; ) {
      underWay.push(random.pick(faults)());
      await pause(anyMs(3_000));
    }
    await Promise.all(underWay);
    await cluster.settled(cluster.nodes, 60_000);
    await moreAcks(log, 100);
  });
  const faults = history.events.flatMap((event) => (event.type === 'fault' ? [event.fault] : []));
  process.stdout.write(`chaos: ${history.count('ack')} writes acked during: ${faults.join(', ')}\n`);
  expect(problems).toEqual([]);
  expect(history.count('reject')).toBe(0);
});
