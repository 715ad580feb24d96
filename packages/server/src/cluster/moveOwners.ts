import { best, type Draft } from './Draft.js';

interface Move {
  readonly shard: number;
  readonly to: number;
  readonly score: number;
}

/**
 * Balances owners within one a node, by as few moves as can do it; the leaving give away all they have. Ownership goes to
 * nodes that are ready at once; the others are the goals of their shards until they are. Whichever copy is ready first
 * is moved to first, so a plan is nowhere written down: it follows anew from what is there, and nothing is restored in vain.
 */
export function moveOwners(draft: Draft): void {
  const loads = draft.loads(draft.owners);
  const move = (shard: number, to: number): void => {
    const from = draft.owners[shard] ?? -1;
    loads[from] = (loads[from] ?? 0) - 1;
    loads[to] = (loads[to] ?? 0) + 1;
    draft.goals[shard] = to;
    if (!draft.isHot(to, shard)) return;
    draft.owners[shard] = to;
    // Its copy is as good as any, so it stays as long as it is wanted.
    const others = draft.standbysOf(shard).filter((node) => node !== to);
    draft.standbys[shard] = [...others, from];
  };

  for (let shard = 0; shard < draft.shardCount; shard++) {
    if (draft.isEligible(draft.owners[shard] ?? -1)) continue;
    // Away from here is more urgent than balance: that can be had later.
    const to = best(draft.eligible, (node) => preference(draft, node, shard) * draft.shardCount - (loads[node] ?? 0));
    if (to !== null) move(shard, to);
  }

  for (let next = nextMove(draft, loads); next !== null; next = nextMove(draft, loads)) move(next.shard, next.to);
}

/** From one of those who own most to one of those who own least, while they differ by more than one. */
function nextMove(draft: Draft, loads: readonly number[]): Move | null {
  const load = (node: number): number => loads[node] ?? 0;
  const most = Math.max(...draft.eligible.map(load));
  const least = Math.min(...draft.eligible.map(load));
  if (most - least <= 1) return null;
  const receivers = draft.eligible.filter((node) => load(node) === least);
  let found: Move | null = null;
  for (let shard = 0; shard < draft.shardCount; shard++) {
    const owner = draft.owners[shard] ?? -1;
    if (draft.goals[shard] !== owner || !draft.isEligible(owner) || load(owner) !== most) continue;
    for (const to of receivers) {
      const score = preference(draft, to, shard);
      if (found === null || score > found.score) found = { shard, to, score };
    }
  }
  return found;
}

function preference(draft: Draft, node: number, shard: number): number {
  if (!draft.standbysOf(shard).includes(node)) return 0;
  return draft.isHot(node, shard) ? 3 : draft.readiness(node, shard) > 0 ? 2 : 1;
}
