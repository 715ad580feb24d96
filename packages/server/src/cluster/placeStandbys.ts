import { best, type Draft } from './Draft.js';

/**
 * Gives every shard its standbys: on nodes that do not own it and will not, balanced within one a node where that can
 * be, and so that what one node owns is spread over the others. In a row of the map, those meant to stay come first; then
 * who will own the shard; then who is kept only until the first are ready.
 */
export function placeStandbys(draft: Draft): void {
  const placement = new Placement(draft);
  placement.fill();
  placement.balance();
  placement.write();
}

class Placement {
  readonly #draft: Draft;
  /** By shard: those meant to stay. An owner that is to be succeeded may be among them: its copy is there already. */
  readonly #kept: number[][];
  readonly #loads: number[];
  /** How many shards of one node have a standby on the other. */
  readonly #pairs: number[][];

  constructor(draft: Draft) {
    this.#draft = draft;
    this.#loads = draft.nodes.map(() => 0);
    this.#pairs = draft.nodes.map(() => draft.nodes.map(() => 0));
    this.#kept = draft.standbys.map(() => []);
    for (let shard = 0; shard < draft.shardCount; shard++) {
      const goal = draft.goals[shard] ?? -1;
      // Who is about to give the shard away comes last: what it is now cannot be written into the row.
      for (const node of [...draft.standbysOf(shard), draft.owners[shard] ?? -1]) {
        if (this.#lacks(shard) && node !== goal && draft.isEligible(node)) this.#keep(shard, node);
      }
    }
  }

  fill(): void {
    const { shardCount, eligible } = this.#draft;
    for (let shard = 0; shard < shardCount; shard++) {
      while (this.#lacks(shard)) {
        const candidates = eligible.filter((node) => this.#isFree(node, shard));
        const node = best(candidates, (candidate) => {
          const load = this.#loads[candidate] ?? 0;
          return -load * shardCount - this.#pair(shard, candidate);
        });
        if (node === null) break;
        this.#keep(shard, node);
      }
    }
  }

  /** Shifts standbys along paths from nodes that have most to nodes that have two less. */
  balance(): void {
    for (let path = this.#path(); path !== null; path = this.#path()) {
      for (const { shard, from, to } of path) {
        const kept = this.#kept[shard] ?? [];
        kept[kept.indexOf(from)] = to;
        this.#count(shard, from, -1);
        this.#count(shard, to, 1);
      }
    }
  }

  write(): void {
    const draft = this.#draft;
    for (let shard = 0; shard < draft.shardCount; shard++) {
      const owner = draft.owners[shard] ?? -1;
      const goal = draft.goals[shard] ?? -1;
      const kept = (this.#kept[shard] ?? []).filter((node) => node !== owner);
      const missing = kept.filter((node) => !draft.isHot(node, shard)).length;
      const others = draft.standbysOf(shard).filter((node) => node !== owner && node !== goal && !kept.includes(node));
      // The good ones of them: as many as are missing.
      const extra = others.sort((a, b) => draft.readiness(b, shard) - draft.readiness(a, shard)).slice(0, missing);
      draft.standbys[shard] = [...kept, ...(goal === owner ? [] : [goal]), ...extra];
    }
  }

  /** The shortest from a node with most to one with at least two less; each step is one shard's standby. */
  #path(): Step[] | null {
    const { eligible } = this.#draft;
    const load = (node: number): number => this.#loads[node] ?? 0;
    const most = Math.max(...eligible.map(load));
    if (most - Math.min(...eligible.map(load)) <= 1) return null;
    const steps = this.#steps();
    const reachedBy = new Map<number, Step | null>();
    const queue = eligible.filter((node) => load(node) === most);
    for (const node of queue) reachedBy.set(node, null);
    for (const from of queue) {
      if (load(from) <= most - 2) return backtrack(reachedBy, from);
      for (const [to, step] of steps.get(from) ?? []) {
        if (reachedBy.has(to)) continue;
        reachedBy.set(to, step);
        queue.push(to);
      }
    }
    return null;
  }

  /** From each node to each: the standby that is shifted most easily. */
  #steps(): Map<number, Map<number, Step>> {
    const draft = this.#draft;
    const steps = new Map<number, Map<number, Step>>();
    for (let shard = 0; shard < draft.shardCount; shard++) {
      for (const from of this.#kept[shard] ?? []) {
        if (from === draft.owners[shard]) continue;
        const found = steps.get(from) ?? new Map<number, Step>();
        steps.set(from, found);
        for (const to of draft.eligible) {
          if (!this.#isFree(to, shard)) continue;
          const score = this.#ease(shard, from, to);
          if (score > (found.get(to)?.score ?? Number.NEGATIVE_INFINITY)) found.set(to, { shard, from, to, score });
        }
      }
    }
    return steps;
  }

  /** Best to a copy that is there; else from one that is not ready yet; then what spreads an owner's standbys. */
  #ease(shard: number, from: number, to: number): number {
    const draft = this.#draft;
    const there = draft.standbysOf(shard).includes(to) ? 2 + draft.readiness(to, shard) : 0;
    const unready = draft.readiness(from, shard) === 0 ? 1 : 0;
    return (there + unready) * 2 * draft.shardCount + this.#pair(shard, from) - this.#pair(shard, to);
  }

  #lacks(shard: number): boolean {
    const { eligible, goals, backups } = this.#draft;
    const others = eligible.length - (eligible.includes(goals[shard] ?? -1) ? 1 : 0);
    return (this.#kept[shard]?.length ?? 0) < Math.min(backups, others);
  }

  #isFree(node: number, shard: number): boolean {
    const { owners, goals } = this.#draft;
    return node !== owners[shard] && node !== goals[shard] && this.#kept[shard]?.includes(node) !== true;
  }

  #keep(shard: number, node: number): void {
    this.#kept[shard]?.push(node);
    this.#count(shard, node, 1);
  }

  #count(shard: number, node: number, by: 1 | -1): void {
    this.#loads[node] = (this.#loads[node] ?? 0) + by;
    const pairs = this.#pairs[this.#draft.goals[shard] ?? -1];
    if (pairs !== undefined) pairs[node] = (pairs[node] ?? 0) + by;
  }

  #pair(shard: number, node: number): number {
    return this.#pairs[this.#draft.goals[shard] ?? -1]?.[node] ?? 0;
  }
}

interface Step {
  readonly shard: number;
  readonly from: number;
  readonly to: number;
  readonly score: number;
}

function backtrack(reachedBy: ReadonlyMap<number, Step | null>, end: number): Step[] {
  const path: Step[] = [];
  for (let step = reachedBy.get(end) ?? null; step !== null; step = reachedBy.get(step.from) ?? null) path.push(step);
  return path;
}
