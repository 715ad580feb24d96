import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyMapDelta, mapDelta } from './mapDelta.js';
import type { PartitionMap } from './PartitionMap.js';

const SHARDS = 8;

function map(fields: Partial<PartitionMap>): PartitionMap {
  return {
    clusterId: 'c',
    incarnation: 'i',
    version: 1,
    shardCount: SHARDS,
    nodes: ['a', 'b', 'c'].map(node),
    owners: [0, 1, 2, 0, 1, 2, 0, 1],
    epochs: new Array<number>(SHARDS).fill(1),
    ...fields,
  };
}

function node(id: string): { id: string; endpoint: string } {
  return { id, endpoint: `ws://${id}` };
}

const someMap = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 5 }).chain((ids) =>
  fc.record({
    nodes: fc.constant(ids.map(node)),
    owners: fc.array(fc.integer({ min: -1, max: ids.length - 1 }), { minLength: SHARDS, maxLength: SHARDS }),
    epochs: fc.array(fc.nat({ max: 5 }), { minLength: SHARDS, maxLength: SHARDS }),
  }),
);

describe('a change of the partition map', () => {
  it('makes the later map of the earlier one, whatever the two are', () => {
    fc.assert(
      fc.property(someMap, someMap, (before, after) => {
        const from = map({ ...before, version: 4 });
        const to = map({ ...after, version: 9 });
        const delta = mapDelta(from, to);
        expect(delta).not.toBeNull();
        if (delta !== null) expect(applyMapDelta(from, delta)).toEqual(to);
      }),
    );
  });

  it('names only the shards whose owner or epoch is another', () => {
    const to = map({ version: 2, nodes: ['c', 'b'].map(node), owners: [1, 1, 0, 1, 1, 0, 0, 1] });
    expect(mapDelta(map({}), to)?.changes).toEqual([0, 1, 1, 3, 1, 1, 6, 0, 1]);
  });

  it('is not made between maps of other incarnations, clusters or sizes, nor backwards', () => {
    expect(mapDelta(map({}), map({ version: 2, incarnation: 'j' }))).toBeNull();
    expect(mapDelta(map({}), map({ version: 2, clusterId: 'd' }))).toBeNull();
    expect(mapDelta(map({}), map({ version: 2, shardCount: 4 }))).toBeNull();
    expect(mapDelta(map({ version: 2 }), map({}))).toBeNull();
  });

  it('changes no map but the one it was made for', () => {
    const delta = mapDelta(map({}), map({ version: 2, owners: new Array<number>(SHARDS).fill(1) }));
    if (delta === null) throw new Error('there is a delta');
    expect(applyMapDelta(map({ version: 2 }), delta)).toBeNull();
    expect(applyMapDelta(map({ incarnation: 'j' }), delta)).toBeNull();
  });

  it('is refused when it contradicts itself', () => {
    const delta = { incarnation: 'i', base: 1, version: 2, nodes: [node('a')], changes: [0, 0, 2] };
    expect(applyMapDelta(map({}), delta)?.owners).toEqual([0, -1, -1, 0, -1, -1, 0, -1]);
    for (const changes of [[0], [SHARDS, 0, 2], [0, 1, 2], [0, -2, 2]]) {
      expect(applyMapDelta(map({}), { ...delta, changes })).toBeNull();
    }
    expect(applyMapDelta(map({}), { ...delta, version: 1 })).toBeNull();
  });
});
