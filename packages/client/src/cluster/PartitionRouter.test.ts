import { type MapDelta, mapDelta, type PartitionMap, partitionOf } from '@topgunbuild/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PartitionRouter } from './PartitionRouter.js';

const SHARDS = 4;

function mapOf(
  version: number,
  owners: readonly number[] = [0, 1, 0, 1],
  more: Partial<PartitionMap> = {},
): PartitionMap {
  const nodes = ['a', 'b', 'c'].map((id) => ({ id, endpoint: `ws://${id}/` }));
  const epochs = owners.map(() => 1);
  return { clusterId: 'c', incarnation: 'i', version, shardCount: SHARDS, nodes, owners, epochs, ...more };
}

function routerOf(usable: readonly string[] = ['a', 'b', 'c']): PartitionRouter {
  return new PartitionRouter({ isUsable: (id) => usable.includes(id), usableNodes: () => usable });
}

/** A key of the shard. */
function keyIn(shard: number): string {
  for (let n = 0; ; n++) if (partitionOf(`k${n}`) % SHARDS === shard) return `k${n}`;
}

describe('PartitionRouter', () => {
  it('sends a key to the owner of its shard', () => {
    const router = routerOf();
    expect(router.updateMap(mapOf(1))).toBe('taken');
    expect(router.route(keyIn(0))).toEqual({ nodeId: 'a', isDirect: true });
    expect(router.route(keyIn(1))).toEqual({ nodeId: 'b', isDirect: true });
    expect(router.getOwner(keyIn(1))).toEqual({ nodeId: 'b', partition: partitionOf(keyIn(1)) });
  });

  it('falls back to one other node, always the same, when the owner cannot be reached', () => {
    const router = routerOf(['b', 'c']);
    router.updateMap(mapOf(1));
    const first = router.route(keyIn(0));
    expect(first?.isDirect).toBe(false);
    expect(['b', 'c']).toContain(first?.nodeId);
    expect(router.route(keyIn(0))).toEqual(first);
    expect(routerOf([]).route('k')).toBeNull();
  });

  it('routes without a map to whoever is there', () => {
    const router = routerOf(['b']);
    expect(router.route('k')).toEqual({ nodeId: 'b', isDirect: false });
    expect(router.getOwner('k')).toBeNull();
  });

  it('goes only forward in version, and takes no map of another cluster or without nodes', () => {
    const router = routerOf();
    router.updateMap(mapOf(5));
    expect(router.updateMap(mapOf(4, [1, 1, 1, 1]))).toBe('known');
    expect(router.updateMap(mapOf(5, [1, 1, 1, 1]))).toBe('known');
    expect(router.updateMap(mapOf(6, [-1, -1, -1, -1], { nodes: [] }))).toBe('refused');
    expect(router.updateMap(mapOf(6, [1, 1, 1, 1], { clusterId: 'other' }))).toBe('refused');
    expect(router.route(keyIn(0))?.nodeId).toBe('a');
    expect(router.updateMap(mapOf(1, [2, 2, 2, 2], { incarnation: 'j' }))).toBe('taken');
    expect(router.route(keyIn(0))?.nodeId).toBe('c');
  });

  it('tells a change that it knows already from one that does not fit', () => {
    const router = routerOf();
    const [one, two, three] = [mapOf(1), mapOf(2, [1, 1, 0, 1]), mapOf(3, [1, 1, 2, 1])];
    const delta = (from: PartitionMap, to: PartitionMap): MapDelta => mapDelta(from, to) as MapDelta;
    expect(router.updateMap(delta(one, two))).toBe('unfit');
    router.updateMap(one);
    expect(router.updateMap(delta(two, three))).toBe('unfit');
    expect(router.updateMap(delta(one, two))).toBe('taken');
    expect(router.updateMap(delta(one, two))).toBe('known');
    expect(router.route(keyIn(0))?.nodeId).toBe('b');
  });

  it('believes NOT_OWNER of a later epoch until a map knows better', () => {
    const router = routerOf();
    router.updateMap(mapOf(1));
    const told = { shard: 0, owner: 'c', endpoint: 'ws://c/', epoch: 2 };
    expect(router.handleNotOwner([told], 'a', 3)).toBe(true);
    expect(router.metrics.notOwnerRetries).toBe(3);
    expect(router.route(keyIn(0))?.nodeId).toBe('c');
    expect(router.isBehind).toBe(true);
    expect(router.learnedNodes).toEqual(['c']);
    // Somebody who is behind does not teach anything.
    router.handleNotOwner([{ ...told, owner: 'b', epoch: 1 }], 'c');
    expect(router.route(keyIn(0))?.nodeId).toBe('c');
    // Nor does a map that does not know of it yet.
    router.updateMap(mapOf(2));
    expect(router.route(keyIn(0))?.nodeId).toBe('c');
    router.updateMap(mapOf(3, [1, 1, 0, 1], { epochs: [3, 1, 1, 1] }));
    expect(router.route(keyIn(0))?.nodeId).toBe('b');
    expect(router.isBehind).toBe(false);
  });

  it('says that there is no other way while the node that denies a shard is the only owner known', () => {
    const router = routerOf();
    router.updateMap(mapOf(1));
    expect(router.handleNotOwner([{ shard: 0, owner: '', endpoint: '', epoch: 0 }], 'a')).toBe(false);
    expect(router.isBehind).toBe(true);
    // What somebody else owned all along only had been sent before that was known.
    expect(router.handleNotOwner([{ shard: 1, owner: '', endpoint: '', epoch: 0 }], 'a')).toBe(true);
  });

  it('counts by the way that was taken', () => {
    const router = routerOf();
    router.updateMap(mapOf(1, [0, -1, 0, 0]));
    router.count(0, true, 2);
    router.count(1, false, 3);
    expect(router.metrics).toEqual({
      ...{ directRoutes: 2, fallbackRoutes: 3, partitionMisses: 3, notOwnerRetries: 0, totalRoutes: 5 },
    });
  });

  it('never goes back in version or in the epoch of a shard, whatever it is told in whatever order', () => {
    const told = fc.oneof(
      fc.record({
        version: fc.nat(9),
        owners: fc.array(fc.integer({ min: -1, max: 2 }), { minLength: SHARDS, maxLength: SHARDS }),
      }),
      fc.record({ shard: fc.nat(SHARDS + 1), owner: fc.constantFrom('', 'a', 'b', 'c', 'd'), epoch: fc.nat(12) }),
    );
    fc.assert(
      fc.property(fc.array(told, { maxLength: 40, size: 'max' }), (all) => {
        const router = routerOf();
        let version = 0;
        const epochs = new Array<number>(SHARDS).fill(0);
        for (const one of all) {
          if ('version' in one) {
            // Epochs grow with the version, as a cluster has them.
            router.updateMap(mapOf(one.version, one.owners, { epochs: one.owners.map(() => one.version) }));
            expect(router.version).toBeGreaterThanOrEqual(version);
            if (router.version > version)
              for (let s = 0; s < SHARDS; s++) epochs[s] = Math.max(epochs[s] ?? 0, router.version);
            version = router.version;
          } else {
            const before = router.ownerOfShard(one.shard);
            router.handleNotOwner([{ ...one, endpoint: 'ws://x/' }], 'z');
            const isNewer =
              one.shard < SHARDS && version > 0 && one.owner !== '' && one.epoch > (epochs[one.shard] ?? 0);
            expect(router.ownerOfShard(one.shard)).toBe(isNewer ? one.owner : before);
            if (isNewer) epochs[one.shard] = one.epoch;
          }
        }
      }),
    );
  });
});
