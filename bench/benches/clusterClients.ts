import { NatsServer } from '../../tests/support/NatsServer.js';
import type { Bench, BenchContext, Row } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { Cluster, cpuMsOf } from '../harness/Cluster.js';
import { compare, format } from '../harness/format.js';
import { median, takeTurns } from '../harness/rounds.js';
import { pause } from '../harness/sample.js';
import { RedisCluster } from '../opponents/redisCluster.js';
import { ensureRedisServer, type RedisProgram } from '../opponents/redisServer.js';
import type { ClusterAddress } from '../peers/clusterPeer.js';
import type { ClusterFleetRole } from '../processes/clusterFleet.js';

/** Acknowledged ops/s on three nodes, below which a cluster is not worth its name. */
const FLOOR = 50_000;
const SECONDS = 3;
const WARM_UP_MS = 700;
/** Of the share of operations that go to the owner of their key. */
const DIRECT = 0.999;
const NODE_TIMEOUT_MS = 15_000;
/** Processes that clients are shared out to, the same for both sides. */
const GENERATORS = 2;

interface Load {
  readonly what: string;
  readonly clients: number;
  readonly inFlight: number;
  /** How many times as much as Redis Cluster it should carry. */
  readonly goal: number | null;
}

const LOADS: readonly Load[] = [
  { what: '50 clients x 10 in flight', clients: 50, inFlight: 10, goal: 1.5 },
  { what: '50 clients x 100 in flight', clients: 50, inFlight: 100, goal: null },
  { what: '1 client x 500 in flight', clients: 1, inFlight: 500, goal: 1 },
];

/** What a turn took: processor time in us an operation, and how long writes waited, ms. */
interface Turn {
  readonly clients: number;
  readonly servers: number;
  readonly p50: number;
  readonly p99: number;
  /** Share of the operations that went to owners. */
  readonly direct: number;
}

/** A cluster with clients at work, TopGun's or Redis'. */
interface Side {
  readonly name: string;
  readonly address: ClusterAddress;
  cpuMs(): number;
  stop(): Promise<void>;
}

type Fleet = readonly Child<ClusterFleetRole>[];

export const clusterClients: Bench = {
  name: 'cluster-clients',
  about:
    'Acknowledged writes of 100-byte values by real clients of a cluster of three, all on this machine: TopGun\'s (three nodes, a hot standby for each shard, one nats-server) beside ioredis with autopipelining (Redis Cluster, three masters without replicas). 50 clients are shared out to two processes. First both flush once a second (`sync_interval: 1s`, `appendfsync everysec`); then before each acknowledgement ("flushed": `always` both). Processor time is that of all processes of a side.',
  async run(context) {
    const redis = await ensureRedisServer();
    return [...(await underLoad(context, redis, false)), ...(await underLoad(context, redis, true))];
  },
};

async function underLoad(context: BenchContext, program: RedisProgram | null, always: boolean): Promise<Row[]> {
  const sides = [await startTopGun(context, always)];
  if (program !== null) sides.push(await startRedis(context, program, always));
  const turns = new Map<string, Turn[]>();
  const fleets: Fleet[] = [];
  const candidates: Record<string, () => Promise<number>> = {};
  for (const load of LOADS) {
    for (const side of sides) {
      const fleet = await startFleet(side, load);
      fleets.push(fleet);
      const name = `${side.name}, ${load.what}`;
      candidates[name] = async () => {
        const { perSecond, turn } = await fire(context, side, fleet, load);
        turns.set(name, [...(turns.get(name) ?? []), turn]);
        return perSecond;
      };
    }
  }
  // For the compilers, and for the keys: from then on all writes meet records.
  for (const run of Object.values(candidates)) await run();
  turns.clear();
  const speed = await takeTurns(context.rounds, candidates);
  await Promise.all(fleets.flat().map((child) => child.stop()));
  for (const side of sides) await side.stop();

  const suffix = always ? ', flushed' : '';
  const opponent = program === null ? null : `Redis Cluster ${program.version}`;
  return LOADS.flatMap(({ what, clients, goal }) => {
    const ours = speed[`TopGun, ${what}`] ?? Number.NaN;
    const theirs = speed[`Redis, ${what}`] ?? Number.NaN;
    const label = `acked, ${what}${suffix}`;
    const mine = turns.get(`TopGun, ${what}`) ?? [];
    const yours = turns.get(`Redis, ${what}`) ?? [];
    const goalHere = always || goal === null ? null : { atLeast: goal };
    return [
      ...(opponent === null ? [] : [compare(label, ours, opponent, theirs, 'ops/s', goalHere)]),
      ...(clients > 1 ? [compare(label, ours, 'the floor', FLOOR, 'ops/s', always ? null : { atLeast: 1 })] : []),
      costRow(`processor time per op, ${what}${suffix}`, mine, yours),
      waitRow(`wait for the acknowledgement, ${what}${suffix}`, mine, yours),
      compare(
        `straight to the owner, ${what}${suffix}`,
        100 * median(mine.map(({ direct }) => direct)),
        'goal',
        100 * DIRECT,
        '%',
        { atLeast: 1 },
      ),
    ];
  });
}

async function startTopGun(context: BenchContext, always: boolean): Promise<Side> {
  const flush = always ? { syncAlways: true } : { syncInterval: '1s' };
  const nats = await NatsServer.start({ dir: await context.directory(), ...flush });
  const nodes = await Cluster.start(nats, 'clients', 3);
  return {
    name: 'TopGun',
    address: { topgun: nodes.urls },
    cpuMs: () => nodes.cpuMs() + cpuMsOf(nats.pid),
    async stop() {
      await nodes.stop();
      await nats.stop();
    },
  };
}

async function startRedis(context: BenchContext, program: RedisProgram, always: boolean): Promise<Side> {
  const redis = await RedisCluster.start(program, {
    directory: await context.directory(),
    appendfsync: always ? 'always' : 'everysec',
    replicas: 0,
    nodeTimeoutMs: NODE_TIMEOUT_MS,
  });
  return {
    name: 'Redis',
    address: { redis: redis.ports, steady: true },
    cpuMs: () => redis.cpuMs(),
    stop: () => redis.stop(),
  };
}

async function startFleet({ address }: Side, { clients }: Load): Promise<Fleet> {
  const processes = Math.min(clients, GENERATORS);
  const script = new URL('../processes/clusterFleet.ts', import.meta.url);
  const fleet = Array.from({ length: processes }, () => new Child<ClusterFleetRole>(script));
  await Promise.all(fleet.map((child) => child.call('connect', address, clients / processes)));
  return fleet;
}

async function fire(
  { scale }: BenchContext,
  side: Side,
  fleet: Fleet,
  { inFlight }: Load,
): Promise<{ readonly perSecond: number; readonly turn: Turn }> {
  await Promise.all(fleet.map((child) => child.call('begin', inFlight)));
  await pause(WARM_UP_MS);
  const before = await Promise.all(fleet.map((child) => child.call('read')));
  const cpuBefore = side.cpuMs();
  await pause(scale(SECONDS) * 1_000);
  const after = await Promise.all(fleet.map((child) => child.call('read')));
  const cpuMs = side.cpuMs() - cpuBefore;
  const waits = await Promise.all(fleet.map((child) => child.call('end')));

  type Name = keyof (typeof after)[number];
  const grown = (index: number, name: Name): number => (after[index]?.[name] ?? 0) - (before[index]?.[name] ?? 0);
  const sum = (of: (index: number) => number): number => fleet.reduce((total, _, index) => total + of(index), 0);
  const ops = sum((index) => grown(index, 'acked'));
  return {
    perSecond: sum((index) => (grown(index, 'acked') * 1_000) / grown(index, 'at')),
    turn: {
      clients: (sum((index) => grown(index, 'cpuMs')) * 1_000) / ops,
      servers: (cpuMs * 1_000) / ops,
      p50: Math.max(...waits.map(([p50]) => p50)),
      p99: Math.max(...waits.map(([, p99]) => p99)),
      direct: sum((index) => grown(index, 'direct')) / sum((index) => grown(index, 'all')),
    },
  };
}

function costRow(what: string, ours: readonly Turn[], theirs: readonly Turn[]): Row {
  const us = (turns: readonly Turn[]): string => {
    const [clients, servers] = [median(turns.map((turn) => turn.clients)), median(turns.map((turn) => turn.servers))];
    return `clients ${clients.toFixed(1)} us, servers ${servers.toFixed(1)} us`;
  };
  return { what, measured: us(ours), beside: besideText(theirs, us), ratio: null, goal: null };
}

function waitRow(what: string, ours: readonly Turn[], theirs: readonly Turn[]): Row {
  const ms = (turns: readonly Turn[]): string => {
    const [p50, p99] = [median(turns.map((turn) => turn.p50)), median(turns.map((turn) => turn.p99))];
    return `p50 ${format(p50, 'ms')}, p99 ${format(p99, 'ms')}`;
  };
  return { what, measured: ms(ours), beside: besideText(theirs, ms), ratio: null, goal: null };
}

function besideText(turns: readonly Turn[], text: (turns: readonly Turn[]) => string): string {
  return turns.length === 0 ? '' : `Redis Cluster: ${text(turns)}`;
}
