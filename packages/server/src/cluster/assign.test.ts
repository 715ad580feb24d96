import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assign } from './assign.js';
import { type ClusterMap, clusterMapCodec, rolesIn, toPartitionMap } from './ClusterMap.js';
import { AssignmentModel, ownerMoves, spread } from './testing/AssignmentModel.js';

/** Comes to rest with these many nodes. */
function rested(count: number, options: { shardCount?: number; backups?: number } = {}): AssignmentModel {
  const model = new AssignmentModel(options);
  for (let i = 1; i <= count; i++) model.join(`n${i}`);
  model.rest();
  return model;
}

describe('the assignment', () => {
  it('gives a single node everything, without standbys', () => {
    const { map } = rested(1);
    expect(map.owners).toEqual(new Array(32).fill(0));
    expect(map.epochs).toEqual(new Array(32).fill(1));
    expect(map.standbys).toEqual(new Array(32).fill([]));
  });

  it('is balanced from its first version on', () => {
    for (const count of [2, 3, 5, 7]) {
      const model = rested(count);
      expect(model.map.version).toBe(1);
      expect(spread(model.ownerLoads())).toBeLessThanOrEqual(1);
      expect(spread(model.standbyLoads())).toBeLessThanOrEqual(1);
    }
  });

  it('spreads the standbys of what one node owns over the others, so that its death burdens all alike', () => {
    const model = rested(5, { shardCount: 100 });
    for (let owner = 0; owner < 5; owner++) {
      const standbys = model.map.standbys.flatMap((row, shard) => (model.map.owners[shard] === owner ? row : []));
      const loads = [0, 1, 2, 3, 4].filter((node) => node !== owner).map((n) => standbys.filter((s) => s === n).length);
      expect(spread(loads)).toBeLessThanOrEqual(2);
    }
  });

  it('changes nothing when nothing has changed: the very same map comes back', () => {
    const model = rested(3);
    expect(model.step()).toBe(model.map);
  });

  it('makes the hot standbys of a dead node owners in one version, with new epochs', () => {
    const model = rested(3);
    const before = model.map;
    model.die('n2');
    const after = model.advance();
    before.owners.forEach((owner, shard) => {
      const isOrphan = before.nodes[owner]?.id === 'n2';
      const heir = before.nodes[isOrphan ? (before.standbys[shard]?.[0] ?? -1) : owner]?.id;
      expect(after.nodes[after.owners[shard] ?? -1]?.id).toBe(heir);
      expect(after.epochs[shard]).toBe((before.epochs[shard] ?? 0) + (isOrphan ? 1 : 0));
    });
  });

  it('takes the readiest of several standbys', () => {
    const model = rested(4, { backups: 2, shardCount: 8 });
    const [first, second] = model.map.standbys[0] ?? [];
    const owner = model.map.nodes[model.map.owners[0] ?? -1]?.id ?? '';
    model.forget(model.map.nodes[first ?? -1]?.id ?? '', 0);
    const readiest = model.map.nodes[second ?? -1]?.id;
    model.die(owner);
    const after = model.advance();
    expect(after.nodes[after.owners[0] ?? -1]?.id).toBe(readiest);
  });

  it('treats another boot of a node as another node', () => {
    const model = rested(3);
    const owned = model.shardsOf('n2');
    model.die('n2');
    model.join('n2');
    const after = model.advance();
    for (const shard of owned) {
      expect(after.nodes[after.owners[shard] ?? -1]?.id).not.toBe('n2');
      expect(after.epochs[shard]).toBe(2);
    }
    model.rest();
    expect(spread(model.ownerLoads())).toBeLessThanOrEqual(1);
  });

  it('puts everything where it was when all nodes come back with new boots', () => {
    const model = rested(3, { shardCount: 31 });
    const before = [1, 2, 3].map((n) => model.shardsOf(`n${n}`));
    for (const id of ['n1', 'n2', 'n3']) model.die(id);
    for (const id of ['n1', 'n2', 'n3']) model.join(id);
    const after = model.advance();
    expect([1, 2, 3].map((n) => model.shardsOf(`n${n}`))).toEqual(before);
    expect(after.epochs).toEqual(new Array(31).fill(2));
  });

  it('gives a joiner nothing before it is ready, and then no more than its share', () => {
    const model = rested(3);
    model.join('n4');
    model.advance({ heat: false });
    expect(model.shardsOf('n4')).toEqual([]);
    const before = model.map;
    model.rest();
    expect(model.shardsOf('n4')).toHaveLength(8);
    expect(ownerMoves(before, model.map)).toBe(8);
  });

  it('lets the leaving give away what they have at once to hot standbys, and gets them nothing new', () => {
    const model = rested(3);
    const owned = model.shardsOf('n3');
    expect(owned.length).toBeGreaterThan(9);
    model.leave('n3');
    model.advance();
    expect(model.shardsOf('n3')).toEqual([]);
    model.rest();
    expect(model.map.standbys.flat()).not.toContain(2);
    expect(spread(model.ownerLoads().slice(0, 2))).toBeLessThanOrEqual(1);
  });

  it('leaves everything where it is when everybody leaves', () => {
    const model = rested(2);
    model.leave('n1');
    model.leave('n2');
    expect(model.step()).toBe(model.map);
    model.die('n1');
    model.advance();
    expect(model.shardsOf('n2')).toHaveLength(32);
  });

  it('raises an epoch above one that the owner met in the log', () => {
    const model = rested(2);
    const after = assign(model.input({ metEpochs: new Map([[5, 40]]) }));
    expect(after.epochs[5]).toBe(41);
    expect(after.epochs[4]).toBe(1);
    expect(after.owners).toEqual(model.map.owners);
  });

  it('keeps a standby until who replaces it is ready', () => {
    const model = rested(3, { shardCount: 12 });
    model.join('n4');
    const before = model.map;
    const during = model.advance({ heat: false });
    before.standbys.forEach((row, shard) => {
      expect(during.standbys[shard]).toEqual(expect.arrayContaining([...row]));
    });
    model.rest();
    expect(model.map.standbys.every((row) => row.length === 1)).toBe(true);
  });
});

describe('the map in the registry', () => {
  const { map } = rested(3);

  it('is read as it was written', () => {
    expect(clusterMapCodec.decode(clusterMapCodec.encode(map))).toEqual(map);
  });

  it('tells clients who owns what, and nothing of boots and standbys', () => {
    const { clusterId, incarnation, version, shardCount, owners, epochs } = map;
    const nodes = ['n1', 'n2', 'n3'].map((id) => ({ id, endpoint: `ws://${id}` }));
    expect(toPartitionMap(map)).toEqual({ clusterId, incarnation, version, shardCount, nodes, owners, epochs });
  });

  it('gives roles to the very process that it names, and none to another of the same node', () => {
    const { id, boot } = map.nodes[1] ?? { id: '', boot: '' };
    const roles = rolesIn(map, id, boot);
    map.owners.forEach((owner, shard) => {
      if (owner === 1) expect(roles[shard]).toEqual({ name: 'owner', epoch: 1 });
      else expect(roles[shard]).toEqual({ name: map.standbys[shard]?.includes(1) ? 'standby' : 'none' });
    });
    expect(rolesIn(map, id, 'another').every(({ name }) => name === 'none')).toBe(true);
  });

  it('is not read when it contradicts itself', () => {
    const wrong: unknown[] = [
      { ...map, owners: map.owners.slice(1) },
      { ...map, owners: map.owners.map(() => 3) },
      { ...map, standbys: map.owners.map((owner) => [owner]) },
      { ...map, standbys: map.standbys.map(([first]) => [first, first]) },
      { ...map, nodes: map.nodes.map((node) => ({ ...node, id: 'n1' })) },
      { ...map, version: 0 },
      null,
    ];
    for (const value of wrong) expect(clusterMapCodec.decode(clusterMapCodec.encode(value as ClusterMap))).toBeNull();
    expect(clusterMapCodec.decode(new Uint8Array([0xc1]))).toBeNull();
  });
});

const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const), node: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('die' as const), node: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), node: fc.nat(7) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('step' as const), node: fc.nat(7) }) },
);
const settings = { shardCount: fc.integer({ min: 1, max: 60 }), backups: fc.integer({ min: 0, max: 3 }) };

describe('any assignment', () => {
  it('is sound at every step, and comes to rest balanced, with hot standbys and nobody who is gone', () => {
    fc.assert(
      fc.property(fc.record(settings), fc.array(change, { maxLength: 30 }), fc.nat(), (options, changes, seed) => {
        const model = new AssignmentModel({ ...options, seed });
        model.join('n0');
        model.advance();
        for (const { kind, node } of changes) {
          const id = `n${node}`;
          if (kind === 'join') model.join(id);
          else if (kind === 'leave') model.leave(id);
          else if (kind === 'die' && model.live.size > 1) model.die(id);
          // Some of the copies that are being made are ready now.
          model.warm(0.4);
          model.advance({ heat: false });
        }
        model.rest();
        model.checkRest();
      }),
      { numRuns: 150 },
    );
  });

  it('moves as few owners for a join as there can be', () => {
    fc.assert(
      fc.property(fc.record(settings), fc.integer({ min: 1, max: 8 }), fc.nat(), (options, count, seed) => {
        const model = new AssignmentModel({ ...options, seed });
        for (let i = 0; i < count; i++) model.join(`n${i}`);
        model.rest();
        const before = model.map;
        model.join('x');
        let moves = 0;
        for (let i = 0; i < 500 && model.isRestless(); i++) {
          const from = model.map;
          model.warm(0.3);
          model.advance({ heat: false });
          moves += ownerMoves(from, model.map);
        }
        expect(moves).toBe(Math.floor(options.shardCount / (count + 1)));
        expect(ownerMoves(before, model.map)).toBe(moves);
      }),
      { numRuns: 80 },
    );
  });

  it('makes only as many copies for a join as the joiner is to have', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 1, max: 60 }), (count, shardCount) => {
        const model = new AssignmentModel({ shardCount, backups: 1 });
        for (let i = 0; i < count; i++) model.join(`n${i}`);
        model.rest();
        model.made = 0;
        model.join('x');
        model.rest();
        const had = model.map.nodes.findIndex(({ id }) => id === 'x');
        const copies = (model.ownerLoads()[had] ?? 0) + (model.standbyLoads()[had] ?? 0);
        // Standbys of others may have to move in turn, where an owner's own are in the way.
        expect(model.made).toBeLessThanOrEqual(copies + 3);
      }),
      { numRuns: 80 },
    );
  });

  it('waits quietly while copies are made', () => {
    const model = rested(3);
    model.die('n1');
    model.advance({ heat: false });
    model.advance({ heat: false });
    expect(model.step()).toBe(model.map);
  });
});
