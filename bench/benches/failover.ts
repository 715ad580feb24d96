import { DEFAULT_SHARD_COUNT } from '@topgunbuild/core';
import { NatsServer } from '../../tests/support/NatsServer.js';
import type { Bench, BenchContext, Row } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { Cluster } from '../harness/Cluster.js';
import { compare, format } from '../harness/format.js';
import { median } from '../harness/rounds.js';
import { clock, pause } from '../harness/sample.js';
import { RedisCluster } from '../opponents/redisCluster.js';
import { ensureRedisServer, type RedisProgram } from '../opponents/redisServer.js';
import type { ClusterAddress } from '../peers/clusterPeer.js';
import type { ClusterProberRole } from '../processes/clusterProber.js';

const KILLS = 30;
const KILLS_AT_LEAST = 5;
/** Redis needs seconds each time, and its figures hardly differ: it has a turn after so many of TopGun's. */
const REDIS_EVERY = 3;
const NODE_TIMEOUT_MS = 2_000;
const BEFORE_KILL_MS = 400;
const LOOK_MS = 50;
const GIVE_UP_MS = 30_000;
/** For what comes late: other nodes have a share in the work that a dead one leaves. */
const AFTER_MS = 500;
/** Goals. */
const MEDIAN_MS = 1_000;
const WORST_MS = 2_000;
const OTHERS_MS = 100;

/** What one kill did. */
interface Kill {
  /** Until the first of the owner's keys was written again, and until all were, ms. */
  readonly first: number;
  readonly all: number;
  /** The longest wait for keys of other owners, ms. */
  readonly others: number;
  readonly acked: number;
  readonly lost: number;
}

/** A node to kill, and what it owns: numbers of shards or groups of slots. */
interface Victim {
  readonly groups: readonly number[];
  kill(): Promise<void>;
  /** Makes the cluster whole again. */
  replace(): Promise<void>;
}

interface Side {
  readonly prober: Child<ClusterProberRole>;
  readonly kills: Kill[];
  address(): ClusterAddress;
  /** Another one each time. */
  victim(turn: number): Promise<Victim>;
  stop(): Promise<void>;
}

export const failover: Bench = {
  name: 'failover',
  about: `A node that owns keys is killed (SIGKILL) while 8 real clients write to all shards, one write of 100 bytes after the other for each of 32 shards; then everything is read by a new client. TopGun: three nodes, one hot standby a shard, one nats-server, a new node for each that was killed, default settings. Redis Cluster: three masters and three replicas, node-timeout ${NODE_TIMEOUT_MS} ms, appendfsync everysec, no full coverage asked for, ioredis without autopipelining, which asks for the slots every 200 ms; writes that it gives up are tried again after 20 ms. They take turns, ${REDIS_EVERY} kills to one. A gap is the longest that a write waited for its acknowledgement.`,
  async run(context) {
    const program = await ensureRedisServer();
    const topgun = await startTopGun(context);
    const redis = program === null ? null : await startRedis(context, program);
    const kills = Math.max(KILLS_AT_LEAST, context.scale(KILLS));
    for (let turn = 0; turn < kills; turn++) {
      topgun.kills.push(await killOne(topgun, turn));
      if (redis !== null && turn % REDIS_EVERY === 0) redis.kills.push(await killOne(redis, turn / REDIS_EVERY));
    }
    await topgun.stop();
    await redis?.stop();
    return rowsOf(topgun.kills, redis?.kills ?? []);
  },
};

async function killOne(side: Side, turn: number): Promise<Kill> {
  const { prober } = side;
  const victim = await side.victim(turn);
  await prober.call('begin');
  await pause(BEFORE_KILL_MS);
  await victim.kill();
  const killedAt = clock();
  while (!(await prober.call('haveWritten', victim.groups, killedAt))) {
    if (clock() - killedAt > GIVE_UP_MS) throw new Error(`nobody has taken over after ${GIVE_UP_MS} ms`);
    await pause(LOOK_MS);
  }
  await pause(AFTER_MS);
  const { waits, acked, lost } = await prober.call('end', side.address());
  await victim.replace();
  const own = waits.filter((_, group) => victim.groups.includes(group));
  const others = waits.filter((_, group) => !victim.groups.includes(group));
  return { first: Math.min(...own), all: Math.max(...own), others: Math.max(...others), acked, lost };
}

async function startTopGun(context: BenchContext): Promise<Side> {
  const nats = await NatsServer.start({ dir: await context.directory(), syncInterval: '1s' });
  const nodes = await Cluster.start(nats, 'failover', 3);
  const address = (): ClusterAddress => ({ topgun: nodes.urls });
  const prober = await startProber(address());
  return {
    prober,
    kills: [],
    address,
    async victim(turn) {
      // Whoever is oldest often leads: each place has its turn.
      const member = nodes.members[turn % nodes.members.length];
      if (member === undefined) throw new Error('no node is left');
      const { owners } = await nodes.report(member);
      return {
        // The first partitions are of shards of the same numbers.
        groups: Array.from({ length: DEFAULT_SHARD_COUNT }, (_, shard) => shard).filter((n) => owners[n] === member.id),
        kill: () => nodes.kill(member),
        async replace() {
          await nodes.add();
          await nodes.settled();
        },
      };
    },
    async stop() {
      await prober.stop();
      await nodes.stop();
      await nats.stop();
    },
  };
}

async function startRedis(context: BenchContext, program: RedisProgram): Promise<Side> {
  const options = { appendfsync: 'everysec', replicas: 1, nodeTimeoutMs: NODE_TIMEOUT_MS } as const;
  const redis = await RedisCluster.start(program, { directory: await context.directory(), ...options });
  const address = (): ClusterAddress => ({ redis: redis.ports, steady: false });
  const prober = await startProber(address());
  return {
    prober,
    kills: [],
    address,
    async victim(turn) {
      const masters = await redis.masters();
      const master = masters[turn % masters.length];
      if (master === undefined) throw new Error('no master is left');
      return {
        groups: master.groups,
        kill: () => redis.kill(master.port),
        replace: () => redis.restart(master.port),
      };
    },
    async stop() {
      await prober.stop();
      await redis.stop();
    },
  };
}

async function startProber(address: ClusterAddress): Promise<Child<ClusterProberRole>> {
  const prober = new Child<ClusterProberRole>(new URL('../processes/clusterProber.ts', import.meta.url));
  await prober.call('connect', address);
  return prober;
}

function rowsOf(ours: readonly Kill[], theirs: readonly Kill[]): Row[] {
  const ofKills = (kills: readonly Kill[], of: (kill: Kill) => number, pick: Pick): string =>
    `${format(pick(kills.map(of)), 'ms')} (${kills.length} kills)`;
  const against = (what: string, of: (kill: Kill) => number, pick: Pick, goalMs: number): Row => ({
    what,
    measured: ofKills(ours, of, pick),
    beside: `goal: ${format(goalMs, 'ms')}${theirs.length === 0 ? '' : `; Redis Cluster: ${ofKills(theirs, of, pick)}`}`,
    ratio: pick(ours.map(of)) / goalMs,
    goal: { atMost: 1 },
  });
  const sum = (kills: readonly Kill[], of: (kill: Kill) => number): number => kills.map(of).reduce((a, b) => a + b, 0);
  const losses = (kills: readonly Kill[]): string =>
    `${sum(kills, ({ lost }) => lost)} of ${sum(kills, ({ acked }) => acked)}`;
  const gap = 'owner killed, until all its keys are written again';
  const rows = [
    against(`${gap}, median`, ({ all }) => all, median, MEDIAN_MS),
    against(`${gap}, worst`, ({ all }) => all, worst, WORST_MS),
    against('the same, until the first of them is, median', ({ first }) => first, median, MEDIAN_MS),
    against('meanwhile, keys of other owners, longest gap', ({ others }) => others, worst, OTHERS_MS),
    against('meanwhile, keys of other owners, longest gap, median', ({ others }) => others, median, OTHERS_MS),
  ];
  if (theirs.length > 0) {
    const [own, others] = [ours, theirs].map((kills) => median(kills.map(({ all }) => all)));
    rows.push(compare(`${gap}, median`, own ?? Number.NaN, 'Redis Cluster', others ?? Number.NaN, 'ms'));
  }
  return [
    ...rows,
    {
      what: 'acknowledged writes lost',
      measured: losses(ours),
      beside: theirs.length === 0 ? '' : `Redis Cluster: ${losses(theirs)}`,
      ratio: sum(ours, ({ lost }) => lost),
      goal: { atMost: 0 },
    },
  ];
}

type Pick = (values: readonly number[]) => number;

function worst(values: readonly number[]): number {
  return Math.max(...values);
}
