import type { Bench } from '../harness/Bench.js';
import { Child } from '../harness/Child.js';
import { compare } from '../harness/format.js';
import { median } from '../harness/rounds.js';
import type { LocalRole, Speed } from '../processes/local.js';

const KINDS = ['topgun', 'bare', 'yjs'] as const;

export const local: Bench = {
  name: 'local',
  about:
    'One client without a server: 100,000 sets over 20,000 keys, then 1,000,000 gets. A set by TopGun also makes an operation that waits to be sent. Each candidate in a process of its own.',
  async run({ rounds, scale }) {
    const children = KINDS.map((kind) => ({
      kind,
      child: new Child<LocalRole>(new URL('../processes/local.ts', import.meta.url)),
    }));
    const speeds: Record<(typeof KINDS)[number], Speed[]> = { topgun: [], bare: [], yjs: [] };
    // The first round is for the compilers.
    for (let round = 0; round <= rounds; round++) {
      for (const { kind, child } of children) {
        const speed = await child.call(kind, scale(100_000), scale(1_000_000));
        if (round > 0) speeds[kind].push(speed);
      }
    }
    await Promise.all(children.map(({ child }) => child.stop()));
    const sets = (kind: (typeof KINDS)[number]): number => median(speeds[kind].map((speed) => speed.sets));
    const gets = (kind: (typeof KINDS)[number]): number => median(speeds[kind].map((speed) => speed.gets));
    return [
      compare('local `set`', sets('topgun'), 'Yjs', sets('yjs'), 'ops/s', { atLeast: 5 }),
      compare('local `set`', sets('topgun'), 'bare Map + LWW', sets('bare'), 'ops/s'),
      compare('local `get`', gets('topgun'), 'bare Map + LWW', gets('bare'), 'ops/s', { atLeast: 0.8 }),
      compare('local `get`', gets('topgun'), 'Yjs', gets('yjs'), 'ops/s'),
    ];
  },
};
