import { partitionOf } from '@topgunbuild/core';
import { NatsServer } from '../../tests/support/NatsServer.js';
import type { Bench, BenchContext, Row } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { Cluster, cpuMsOf } from '../harness/Cluster.js';
import { compare, format } from '../harness/format.js';
import { median, takeTurns } from '../harness/rounds.js';
import { pause } from '../harness/sample.js';
import type { ClusterGunRole, ClusterLoad } from '../processes/clusterGun.js';
import type { ProberRole } from '../processes/prober.js';

const CONNECTIONS = 50;
/** Acknowledged ops/s on three nodes, below which a cluster is not worth its name. */
const FLOOR = 50_000;
/** Where others keep the machine busy, nodes starve and are given up: what was measured meanwhile does not count. */
const ATTEMPTS = 5;
const LAG_LOOKS_MS = 100;
const KILLS = 10;
const BEFORE_KILL_MS = 300;
const AFTER_KILL_MS = 2_000;

type Size = 10 | 100;

/** Of one operation: processor time in ms, and its share of a log record. */
interface Cost {
  readonly nodes: number;
  readonly nats: number;
  readonly gun: number;
  readonly records: number;
}

export const cluster: Bench = {
  name: 'cluster',
  about:
    'Nodes in processes of their own over one nats-server (one replica), all on this machine. 50 connections send prepared frames of 10 or 100 ops, 8 or 2 of them unanswered each: routed to the owners of the keys, or to any node, which forwards. "Flushed": NATS flushes each record before it acknowledges (`sync_interval: always`); otherwise by its default, every two minutes.',
  async run(context) {
    const gun = new Child<ClusterGunRole>(new URL('../processes/clusterGun.ts', import.meta.url));
    const rows = [...(await underLoad(context, gun, false)), ...(await underLoad(context, gun, true))];
    await gun.stop();
    return [...rows, ...(await takeovers(context))];
  },
};

async function underLoad(context: BenchContext, gun: Child<ClusterGunRole>, syncAlways: boolean): Promise<Row[]> {
  const nats = await NatsServer.start({ dir: await context.directory(), syncAlways });
  const clusters = [];
  for (const nodes of [1, 2, 3]) clusters.push(await Cluster.start(nats, `bench${nodes}`, nodes));
  const [one, two, three] = clusters as [Cluster, Cluster, Cluster];
  const costs = new Map<string, Cost[]>();

  const load = (size: Size, routed: boolean): ClusterLoad => ({
    connections: CONNECTIONS,
    frames: Math.max(50, context.scale(size === 10 ? 400 : 100)),
    opsPerFrame: size,
    routed,
    depth: size === 10 ? 8 : 2,
  });
  const fire = async (what: string, nodes: Cluster, size: Size, routed: boolean): Promise<number> => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await nodes.settled();
      await gun.call('prepare', nodes.urls, load(size, routed));
      const before = await readMeters(nodes, nats);
      const shots = await gun.call('fire');
      if (shots === null) continue;
      const after = await readMeters(nodes, nats);
      const { ops, ms, cpuMs } = shots;
      const cost: Cost = {
        nodes: (after.nodes - before.nodes) / ops,
        nats: (after.nats - before.nats) / ops,
        gun: cpuMs / ops,
        records: (after.records - before.records) / ops,
      };
      costs.set(what, [...(costs.get(what) ?? []), cost]);
      return (ops * 1_000) / ms;
    }
    throw new Error(`${what}: shards kept moving; is the machine too busy?`);
  };
  const candidate = (nodes: Cluster, size: Size, routed: boolean) => {
    const what = `${nodes.members.length} nodes, frames of ${size}${routed ? '' : ', not routed'}`;
    return [what, () => fire(what, nodes, size, routed)] as const;
  };
  const kinds = [one, two, three].flatMap((nodes) => [candidate(nodes, 10, true), candidate(nodes, 100, true)]);
  const candidates = Object.fromEntries([...kinds, candidate(three, 10, false), candidate(three, 100, false)]);

  // For the compilers: until a node is hot it is another one.
  for (const run of Object.values(candidates)) await run();
  costs.clear();
  const speed = await takeTurns(context.rounds, candidates);
  const lag = await lagDuring(three, () => fire('lag', three, 10, true));
  await Promise.all(clusters.map((nodes) => nodes.stop()));
  await nats.stop();

  const suffix = syncAlways ? ', flushed' : '';
  const of = (nodes: number, size: Size, routed = true): number =>
    speed[`${nodes} nodes, frames of ${size}${routed ? '' : ', not routed'}`] ?? Number.NaN;
  const goal = { atLeast: 1 };
  return [
    ...([10, 100] as const).flatMap((size) => [
      compare(`acked, 3 nodes, frames of ${size}${suffix}`, of(3, size), 'the floor', FLOOR, 'ops/s', goal),
      compare(`acked, 3 nodes, frames of ${size}${suffix}`, of(3, size), '1 node', of(1, size), 'ops/s'),
      compare(`acked, 2 nodes, frames of ${size}${suffix}`, of(2, size), '1 node', of(1, size), 'ops/s'),
      compare(`not routed, 3 nodes, frames of ${size}${suffix}`, of(3, size, false), 'routed', of(3, size), 'ops/s'),
    ]),
    ...Object.keys(candidates).map((what) => costRow(`${what}${suffix}`, costs.get(what) ?? [])),
    {
      what: `standby lag during load, 3 nodes${suffix}`,
      measured: `at most ${format(lag.ms, 'ms')}`,
      beside: `at most ${lag.records} records`,
      ratio: null,
      goal: null,
    },
  ];
}

async function readMeters(nodes: Cluster, nats: NatsServer): Promise<Omit<Cost, 'gun'>> {
  const appends = await nodes.metric('topgun_appends_total');
  return { nodes: nodes.cpuMs(), nats: cpuMsOf(nats.pid), records: appends.reduce((sum, count) => sum + count, 0) };
}

function costRow(what: string, costs: readonly Cost[]): Row {
  const us = (of: (cost: Cost) => number): string => `${(median(costs.map(of)) * 1_000).toFixed(1)} us`;
  const opsPerRecord = (1 / median(costs.map(({ records }) => records))).toFixed(0);
  const beside = `nats-server: ${us(({ nats }) => nats)}, generator: ${us(({ gun }) => gun)}; ${opsPerRecord} ops a record`;
  return {
    what: `processor time per op, ${what}`,
    measured: us(({ nodes }) => nodes),
    beside,
    ratio: null,
    goal: null,
  };
}

/** The largest lag that any standby tells of. */
async function lagDuring(nodes: Cluster, run: () => Promise<unknown>): Promise<{ ms: number; records: number }> {
  let isOver = false;
  const lag = { ms: 0, records: 0 };
  const done = run().finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const seconds = Math.max(0, ...(await nodes.metric('topgun_standby_lag_seconds')));
    lag.ms = Math.max(lag.ms, seconds * 1_000);
    lag.records = Math.max(lag.records, ...(await nodes.metric('topgun_standby_lag_records')));
    await pause(LAG_LOOKS_MS);
  }
  await done;
  return lag;
}

/** Kills nodes of a cluster that is written to, one after the other, each replaced by a new one. */
async function takeovers(context: BenchContext): Promise<Row[]> {
  const nats = await NatsServer.start({ dir: await context.directory() });
  const nodes = await Cluster.start(nats, 'takeovers', 3);
  const prober = new Child<ProberRole>(new URL('../processes/prober.ts', import.meta.url));
  const gaps: number[] = [];
  const others: number[] = [];
  for (let kill = 0; kill < Math.max(2, context.scale(KILLS)); kill++) {
    const [victim, entry] = nodes.members;
    if (victim === undefined || entry === undefined) break;
    const { owners } = await nodes.report(entry);
    const keyOf = (id: string): string => {
      for (let n = 0; ; n++) if (owners[partitionOf(`probe-${n}`)] === id) return `probe-${n}`;
    };
    await prober.call('watch', entry.url, [keyOf(victim.id), keyOf(entry.id)]);
    await pause(BEFORE_KILL_MS);
    await nodes.kill(victim);
    await pause(AFTER_KILL_MS);
    const [gap, other] = await prober.call('longest');
    gaps.push(gap ?? Number.NaN);
    others.push(other ?? Number.NaN);
    await nodes.add();
    await nodes.settled();
  }
  await prober.stop();
  await nodes.stop();
  await nats.stop();
  const spread = `fastest ${format(Math.min(...gaps), 'ms')}, slowest ${format(Math.max(...gaps), 'ms')}`;
  return [
    {
      what: `node killed, until its keys are written again (${gaps.length} kills)`,
      measured: `median ${format(median(gaps), 'ms')}`,
      beside: spread,
      ratio: null,
      goal: null,
    },
    compare('the same, median', median(gaps), 'goal', 1_000, 'ms', { atMost: 1 }),
    compare('the same, slowest', Math.max(...gaps), 'goal', 2_000, 'ms', { atMost: 1 }),
    compare('longest wait for keys of other nodes', median(others), 'goal', 100, 'ms', { atMost: 1 }),
  ];
}
