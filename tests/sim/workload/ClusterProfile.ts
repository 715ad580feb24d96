import type { ClusterTiming } from '../../../packages/server/src/cluster/ClusterTiming.js';
import type { Random } from '../kernel/Random.js';
import { type ChaosKind, drawProfile, type Profile } from './Profile.js';

/** What else can go wrong where there are several nodes, and how often on average while it is on, ms. */
const CLUSTER_CHAOS = {
  memberCrash: 12_000,
  memberStop: 20_000,
  memberFreeze: 12_000,
  memberLeave: 25_000,
  memberJoin: 15_000,
  leaderCrash: 15_000,
  leaderFreeze: 15_000,
  wholeRestart: 30_000,
  wayCut: 12_000,
  memberCut: 12_000,
  wayStall: 10_000,
  outage: 25_000,
  backboneSlow: 15_000,
  registryFails: 15_000,
  busLoss: 15_000,
  appendsTwice: 15_000,
} as const;

export type ClusterChaosKind = keyof typeof CLUSTER_CHAOS;

/** Of those that befall one node with a disk, what a cluster may see as well. */
const SHARED_KINDS: readonly ChaosKind[] = [
  'cut',
  'freeze',
  'refuse',
  'slowReader',
  'latency',
  'diskSlow',
  'appendFails',
  'appendFailsAfter',
  'diskFull',
  'clientCrash',
  'clientRestart',
  'commitFails',
  'commitSlow',
  'clockJump',
  'authDown',
  'tokenSwap',
];

/** How a client finds the cluster. */
export interface Homing {
  /** Which node its URL names. */
  readonly home: number;
  /**
   * fixed: to that node or none; roams: when its own does not answer it is pointed at another one; smart: it knows the
   * map, and goes to whom it concerns.
   */
  readonly way: 'fixed' | 'roams' | 'smart';
}

export interface ClusterProfile extends Profile {
  /** Nodes at the beginning. More may join, and some of these may leave. */
  readonly nodes: number;
  readonly maxNodes: number;
  readonly backups: number;
  readonly timing: Partial<ClusterTiming>;
  /** By how much the nodes' clocks are wrong, ms. */
  readonly nodeSkewMs: number;
  readonly streams: number;
  readonly maxPayload: number;
  readonly homing: ReadonlyMap<string, Homing>;
}

export function drawClusterProfile(random: Random): ClusterProfile {
  const profile = drawProfile(random);
  const isCalm = random.chance(0.06);
  const density = random.between(0.05, 0.45);
  const chaos = new Map<ChaosKind, number>();
  if (!isCalm) {
    const thinning = random.between(0.2, 1);
    for (const kind of SHARED_KINDS) {
      const meanMs = profile.chaos.get(kind);
      if (meanMs !== undefined && random.chance(thinning)) chaos.set(kind, meanMs);
    }
    for (const [kind, meanMs] of Object.entries(CLUSTER_CHAOS) as [ClusterChaosKind, number][]) {
      if (random.chance(density)) chaos.set(kind, meanMs * random.between(0.5, 2));
    }
  }
  const nodes = random.pick([2, 3, 3, 3, 4, 5]);
  const homing = new Map(
    profile.clients.map(({ name }) => [name, { home: random.int(nodes), way: pickWay(random.float()) }]),
  );
  return {
    ...profile,
    chaos,
    // Nodes hold each other up by it as well.
    maxSendBufferBytes: random.pick([16_384, 1_000_000]),
    durationMs: random.between(8_000, 30_000),
    nodes,
    maxNodes: Math.min(5, nodes + (chaos.has('memberJoin') ? 2 : 0)),
    backups: random.pick([0, 1, 1, 1, 2]),
    timing: { tickMs: random.pick([50, 100, 100]) },
    nodeSkewMs: random.pick([0, 0, 100]),
    streams: random.pick([1, 2, 8]),
    maxPayload: random.pick([64 * 1024, 1024 * 1024]),
    homing,
  };
}

function pickWay(dice: number): Homing['way'] {
  if (dice < 0.4) return 'roams';
  return dice < 0.65 ? 'fixed' : 'smart';
}
