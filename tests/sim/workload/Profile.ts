import type { Rule } from '../../../packages/server/src/permissions/Rule.js';
import type { ShardTuning } from '../../../packages/server/src/shard/ShardTuning.js';
import type { Random } from '../kernel/Random.js';
import type { ClusterChaosKind } from './ClusterProfile.js';

/** What can go wrong, and how often on average while it is on, ms. */
const CHAOS = {
  cut: 6_000,
  freeze: 15_000,
  refuse: 20_000,
  slowReader: 15_000,
  latency: 12_000,
  nodeCrash: 20_000,
  nodeStop: 30_000,
  diskSlow: 15_000,
  appendFails: 15_000,
  appendFailsAfter: 15_000,
  diskFull: 25_000,
  clientCrash: 15_000,
  clientRestart: 20_000,
  commitFails: 15_000,
  commitSlow: 15_000,
  clockJump: 15_000,
  nodeClockJump: 30_000,
  authDown: 20_000,
  restoreBackup: 40_000,
  tokenSwap: 15_000,
} as const;

export type ChaosKind = keyof typeof CHAOS | ClusterChaosKind;

export interface ClientProfile {
  readonly name: string;
  readonly durable: boolean;
  /** By how much its wall clock is wrong at first, ms. */
  readonly skewMs: number;
  readonly subject: string;
  readonly role: 'admin' | 'user' | 'guest';
  /** Ms between actions, on average. */
  readonly paceMs: number;
  readonly fixedId: boolean;
}

/** All that a seed decides before the run begins. Faults come in random subsets: too many at once hide each other. */
export interface Profile {
  readonly clients: readonly ClientProfile[];
  readonly keys: readonly string[];
  readonly shardCount: number;
  readonly tuning: Partial<ShardTuning>;
  readonly maxSendBufferBytes: number;
  readonly auth: boolean;
  readonly rules: readonly Rule[] | null;
  readonly tokenMs: number;
  readonly durationMs: number;
  readonly chaos: ReadonlyMap<ChaosKind, number>;
  /** Deletions are forgotten during the run. */
  readonly shortRetention: boolean;
}

const RULES: readonly Rule[] = [
  { roles: ['admin'], maps: '*', allow: ['read', 'write'] },
  { roles: ['user'], maps: ['items', 'tags', 'hits'], allow: ['read', 'write'] },
  { roles: ['user'], maps: 'docs', allow: ['read', 'write'], where: { owner: '$sub' } },
  { roles: ['guest'], maps: ['items', 'tags', 'hits'], allow: ['read'] },
  { topics: '*', allow: ['publish', 'subscribe'] },
];

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

export function drawProfile(random: Random): Profile {
  const calm = random.chance(0.08);
  const auth = random.chance(0.5);
  const rules = auth && random.chance(0.7) ? RULES : null;
  const skewed = random.chance(0.4);
  const shortRetention = random.chance(0.3);
  const chaos = new Map<ChaosKind, number>();
  const density = random.between(0.1, 0.5);
  for (const [kind, meanMs] of Object.entries(CHAOS) as [keyof typeof CHAOS, number][]) {
    const rare = kind === 'restoreBackup' || kind === 'nodeClockJump' ? 0.4 : 1;
    if (!calm && random.chance(density * rare)) chaos.set(kind, meanMs * random.between(0.5, 2));
  }
  if (!auth) chaos.delete('authDown');
  if (!auth) chaos.delete('tokenSwap');
  const count = 2 + random.int(3);
  const clients = Array.from({ length: count }, (_, index): ClientProfile => {
    const role = rules === null || index === 0 ? 'admin' : random.pick(['admin', 'user', 'user', 'guest'] as const);
    return {
      name: `c${index}`,
      durable: random.chance(0.7),
      skewMs: skewed && random.chance(0.5) ? random.pick([HOUR, -HOUR, 3 * YEAR, -3 * YEAR, 20_000, -20_000]) : 0,
      subject: auth ? `${role}-${random.int(2)}` : '',
      role,
      paceMs: random.between(150, 2_000),
      fixedId: random.chance(0.3),
    };
  });
  return {
    clients,
    keys: Array.from({ length: 2 + random.int(5) }, (_, index) => `k${index}`),
    shardCount: random.pick([1, 2, 3, 7]),
    tuning: {
      refuseAfterMs: random.pick([500, 3_000, 10_000]),
      recordCostBytes: 0,
      ...random.pick([
        { snapshotLogBytes: 300, snapshotDelayMs: 0 },
        { snapshotLogBytes: 2_000, snapshotDelayMs: 1_000 },
        { snapshotLogBytes: 1_000_000, snapshotDelayMs: 0 },
      ]),
      snapshotStepRows: random.pick([1, 3, 1_000]),
      maxRecordBytes: random.pick([200, 1_000_000]),
      ...(shortRetention
        ? { tombstoneRetentionMs: random.pick([3_000, 10_000, 30_000]), horizonIntervalMs: random.pick([500, 4_000]) }
        : {}),
    },
    maxSendBufferBytes: random.pick([1_024, 4_096, 1_000_000]),
    auth,
    rules,
    tokenMs: random.pick([6_000, 20_000, 3_600_000]),
    durationMs: random.between(10_000, 60_000),
    chaos,
    shortRetention,
  };
}
