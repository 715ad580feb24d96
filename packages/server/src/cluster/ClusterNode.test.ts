import { decodeValue, encodeValue } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { LEADER_KEY } from './Lease.js';
import { nodeKey } from './Registration.js';
import { ownerMoves } from './testing/AssignmentModel.js';
import { TestCluster, type TestClusterOptions } from './testing/TestCluster.js';

async function cluster(count: number, options: TestClusterOptions = {}): Promise<TestCluster> {
  const test = new TestCluster(options);
  await test.startAll(count);
  return test;
}

/** A node that does not lead. */
function follower(test: TestCluster): string {
  const id = test.live().find((one) => one.id !== test.leader())?.id;
  if (id === undefined) throw new Error('nobody follows');
  return id;
}

/** Owners that changed in all the maps since that one. */
function movesSince(test: TestCluster, version: number): number {
  const maps = test.history.map(({ map }) => map).filter((map) => map.version >= version);
  return maps.slice(1).reduce((sum, map, i) => sum + ownerMoves(maps[i] ?? map, map), 0);
}

describe('nodes that start', () => {
  it('serve everything soon when they are alone', async () => {
    const test = new TestCluster();
    test.start('n1');
    expect(await test.until(() => test.history.length > 0 && test.isServed([...Array(32).keys()]))).toBeLessThan(600);
    await test.run(500);
    test.checkRest();
    expect(test.clusterNode('n1').stats).toMatchObject({ isLeader: true, term: 1, leaderId: 'n1', version: 1 });
  });

  it('at the same time have a balanced map from its first version on', async () => {
    const test = await cluster(3);
    expect(test.history).toHaveLength(1);
    expect(test.history[0]?.at).toBeLessThan(1_000);
    const owner = test.clusterNode('n2').ownerOf(0);
    expect(owner).toEqual({ nodeId: 'n1', endpoint: 'ws://n1', epoch: 1 });
    expect(test.clusterNode('n2').ownerOf(32)).toBeNull();
  });

  it('one after the other within a second have one as well', async () => {
    const test = new TestCluster();
    for (const id of ['n1', 'n2', 'n3', 'n4']) {
      test.start(id);
      await test.run(220);
    }
    await test.run(2_000);
    test.checkRest();
    expect(test.history).toHaveLength(1);
  });

  it('all anew find everything where it was, in new epochs', async () => {
    const test = await cluster(3);
    const before = ['n1', 'n2', 'n3'].map((id) => test.shardsOf(id));
    for (const id of ['n1', 'n2', 'n3']) test.kill(id);
    await test.run(100);
    for (const id of ['n1', 'n2', 'n3']) test.start(id);
    await test.run(3_000);
    test.checkRest();
    expect(['n1', 'n2', 'n3'].map((id) => test.shardsOf(id))).toEqual(before);
    expect(test.map.epochs).toEqual(new Array(32).fill(2));
  });

  it('all anew within a second of each other do so as well', async () => {
    const test = await cluster(3);
    const before = ['n1', 'n2', 'n3'].map((id) => test.shardsOf(id));
    for (const id of ['n1', 'n2', 'n3']) test.kill(id);
    for (const id of ['n2', 'n1', 'n3']) {
      test.start(id);
      await test.run(420);
    }
    await test.run(3_000);
    test.checkRest();
    expect(['n1', 'n2', 'n3'].map((id) => test.shardsOf(id))).toEqual(before);
    expect(test.history).toHaveLength(2);
  });

  it('are refused while another process with their id lives', async () => {
    const test = await cluster(2);
    const first = test.at('n2');
    const second = test.start('n2');
    await test.run(100);
    expect(second.error).toMatchObject({ code: 'INVALID_VALUE', message: expect.stringContaining('"n2"') });
    await test.run(2_000);
    test.nodes.set('n2', first);
    test.checkRest();
    expect(test.history).toHaveLength(1);
  });

  it('are refused with an id that cannot be one', async () => {
    const test = new TestCluster();
    const one = test.start('a.b');
    await test.run(100);
    expect(one.error).toMatchObject({ code: 'INVALID_VALUE' });
  });

  it('say why they have no part in the work yet', async () => {
    const test = new TestCluster();
    test.start('n1');
    await test.run(100);
    expect(test.clusterNode('n1').problem).toBe('the cluster has no map yet');
    await test.run(1_000);
    expect(test.clusterNode('n1').problem).toBeNull();
    test.clusterNode('n1').close();
    expect(test.clusterNode('n1').problem).not.toBeNull();
  });
});

describe('the death of a node', () => {
  it('makes its standbys owners within half a second', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const test = await cluster(3, { seed });
      await test.run(seed * 37);
      const id = follower(test);
      const shards = test.shardsOf(id);
      test.kill(id);
      expect(await test.until(() => test.isServed(shards))).toBeLessThan(500);
      expect(test.clusterNode(test.leader()).stats.takeovers).toBe(shards.length);
      await test.run(2_000);
      test.checkRest();
      expect(test.cluster.registry.get(nodeKey(id))?.value).toBeNull();
    }
  });

  it('costs no more when it led', async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const test = await cluster(3, { seed });
      await test.run(seed * 37);
      const id = test.leader();
      const shards = test.shardsOf(id);
      test.kill(id);
      expect(await test.until(() => test.isServed(shards))).toBeLessThan(600);
      await test.run(2_000);
      test.checkRest();
    }
  });

  it('that led while it was about to change the map is made up for by the next leader', async () => {
    for (let ms = 0; ms < 12; ms++) {
      const test = await cluster(4, { seed: ms });
      const [first, leader] = [follower(test), test.leader()];
      test.kill(first);
      await test.until(() => test.at(leader).node?.stats.takeovers !== 0 || test.now > 3_000 + 140 + 10 * ms);
      test.kill(leader);
      await test.run(4_000);
      test.checkRest();
    }
  });

  it('is seen as such when the node has been started again at once', async () => {
    const test = await cluster(3);
    const id = follower(test);
    const shards = test.shardsOf(id);
    test.kill(id);
    test.start(id);
    expect(await test.until(() => test.isServed(shards))).toBeLessThan(300);
    await test.run(4_000);
    test.checkRest();
    for (const shard of shards) expect(test.map.epochs[shard]).toBeGreaterThan(1);
  });

  it('leaves the last node with everything', async () => {
    const test = await cluster(2);
    test.kill(test.leader());
    expect(await test.until(() => test.isServed([...Array(32).keys()]))).toBeLessThan(600);
    await test.run(1_000);
    test.checkRest();
  });
});

describe('a node that stands still', () => {
  it('is given up after a second, and comes back with the same boot when it goes on', async () => {
    for (const leads of [false, true]) {
      const test = await cluster(3);
      const id = leads ? test.leader() : follower(test);
      const shards = test.shardsOf(id);
      test.stop(id);
      expect(await test.until(() => test.isServed(shards))).toBeLessThan(1_700);
      await test.run(3_000);
      const version = test.map.version;
      expect(test.map.nodes).toHaveLength(2);
      test.continue(id);
      await test.run(4_000);
      test.checkRest();
      expect(movesSince(test, version)).toBe(10);
    }
  });

  it('for less than a second loses nothing', async () => {
    for (const leads of [false, true]) {
      const test = await cluster(3);
      const id = leads ? test.leader() : follower(test);
      test.stop(id);
      await test.run(700);
      test.continue(id);
      await test.run(3_000);
      test.checkRest();
      expect(test.history).toHaveLength(1);
    }
  });

  it('and led acts on nothing that it believed of the others', async () => {
    for (const stillMs of [600, 1_100, 1_400, 1_900, 5_000]) {
      const test = await cluster(3);
      const id = test.leader();
      test.stop(id);
      await test.run(stillMs);
      test.continue(id);
      await test.run(4_000);
      test.checkRest();
      const others = ['n1', 'n2', 'n3'].filter((other) => other !== id);
      for (const { map } of test.history)
        expect(map.nodes.map((node) => node.id)).toEqual(expect.arrayContaining(others));
    }
  });

  it('while it joins, and is given up before it could hear of it, joins all the same', async () => {
    const test = await cluster(2);
    const one = test.start('n3');
    await test.until(() => test.cluster.registry.get(nodeKey('n3')) !== null);
    test.stop('n3');
    await test.until(() => test.cluster.registry.get(nodeKey('n3'))?.value === null);
    test.continue('n3');
    await test.run(4_000);
    expect(one.node?.problem).toBeNull();
    test.checkRest();
  });

  it('together with all others, as in a machine that sleeps, goes on as if nothing had been', async () => {
    const test = await cluster(3);
    for (const { id } of test.live()) test.stop(id);
    await test.run(60_000);
    for (const { id } of test.live()) test.continue(id);
    await test.run(4_000);
    test.checkRest();
    expect(test.history).toHaveLength(1);
  });

  it('and whose id another process has taken meanwhile stays out of everything', async () => {
    const test = await cluster(3);
    const id = follower(test);
    const old = test.at(id);
    test.stop(id);
    await test.run(2_000);
    test.start(id);
    await test.run(3_000);
    old.backbone.link.thaw();
    old.process.continue();
    await test.run(3_000);
    expect(old.node?.problem).toContain('another process');
    expect(old.replaced).toBe(1);
    expect(old.host.roles.every(({ name }) => name === 'none')).toBe(true);
    test.checkRest();
  });
});

describe('the leader', () => {
  it('is one, whoever else would take the lease at the same time', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const test = await cluster(5, { seed });
      test.kill(test.leader());
      const leaders = new Set<string>();
      for (let i = 0; i < 100; i++) {
        await test.run(10);
        for (const id of test.leaders()) leaders.add(id);
        expect(test.leaders().length).toBeLessThanOrEqual(1);
      }
      expect(leaders.size).toBe(1);
      expect(test.clusterNode(test.leader()).stats.term).toBe(2);
      await test.run(1_000);
      test.checkRest();
    }
  });

  it('leads no more once it cannot renew its lease', async () => {
    const test = await cluster(3);
    const id = test.leader();
    test.cut(id);
    await test.run(1_600);
    expect(test.clusterNode(id).stats.isLeader).toBe(false);
    test.mend(id);
    await test.run(5_000);
    test.checkRest();
  });

  it('thinks again when somebody else has changed the map', async () => {
    const test = await cluster(3);
    const { registry } = test.cluster;
    const key = 'map';
    const change = (): void => {
      const present = registry.get(key);
      const map = decodeValue(present?.value ?? new Uint8Array()) as { version: number };
      registry.set(key, encodeValue({ ...map, version: map.version + 1 }), present?.revision ?? 0);
    };
    const id = follower(test);
    const { version } = test.map;
    test.kill(id);
    // Again and again, until the leader has its way.
    for (let i = 0; i < 300; i++) {
      change();
      await test.run(1);
    }
    await test.run(3_000);
    test.checkRest();
    expect(test.map.version).toBeGreaterThan(version + 300);
  });

  it('writes the map anew when the registry has lost or spoilt it', async () => {
    for (const spoilt of [null, new Uint8Array([1, 2, 3]), encodeValue({ version: 9 })]) {
      const test = await cluster(2);
      const { registry } = test.cluster;
      const { epochs, incarnation } = test.map;
      registry.set('map', spoilt, registry.get('map')?.revision ?? 0);
      await test.run(1_000);
      test.checkRest();
      expect(test.map).toMatchObject({ version: 2, epochs, incarnation });
    }
  });

  it('is found although the lease was spoilt', async () => {
    const test = await cluster(2);
    const { registry } = test.cluster;
    registry.set(LEADER_KEY, new Uint8Array([0xc1]), registry.get(LEADER_KEY)?.revision ?? 0);
    registry.set(nodeKey('n9'), new Uint8Array([0xc1]), 0);
    await test.run(2_000);
    test.checkRest();
  });

  it('raises an epoch that the log of a shard has outdone', async () => {
    const test = await cluster(3);
    const shard = test.shardsOf('n2')[0] ?? -1;
    test.at('n2').host.meetEpoch(shard, 7);
    await test.run(1_000);
    expect(test.map.epochs[shard]).toBe(8);
    test.checkRest();
  });
});

describe('membership', () => {
  it('gives a fourth node its share, by as few moves as can be', async () => {
    const test = await cluster(3);
    test.start('n4');
    await test.run(4_000);
    test.checkRest();
    expect(movesSince(test, 1)).toBe(8);
  });

  it('lets a node leave: others serve all it had before it goes, and nobody takes anything over', async () => {
    for (const leads of [false, true]) {
      const test = await cluster(3);
      const id = leads ? test.leader() : follower(test);
      const shards = test.shardsOf(id);
      const start = test.now;
      let tookMs = -1;
      void test.leave(id).then(() => {
        tookMs = test.now - start;
        expect(test.isServed(shards)).toBe(true);
      });
      await test.run(4_000);
      expect(tookMs).toBeGreaterThanOrEqual(0);
      expect(tookMs).toBeLessThan(500);
      expect(movesSince(test, 1)).toBeLessThanOrEqual(shards.length + 1);
      expect(test.clusterNode(test.leader()).stats.takeovers).toBe(0);
      test.checkRest();
    }
  });

  it('lets a node go in time although nobody takes what it has', async () => {
    const test = await cluster(2);
    const id = follower(test);
    const start = test.now;
    let tookMs = -1;
    test.stop(test.leader());
    void test.leave(id, 400).then(() => {
      tookMs = test.now - start;
    });
    await test.run(600);
    expect(tookMs).toBeGreaterThanOrEqual(400);
  });

  it('lets the last node go at once, and whoever comes next begin where it was', async () => {
    const test = await cluster(1);
    let hasLeft = false;
    void test.leave('n1').then(() => {
      hasLeft = true;
    });
    await test.run(50);
    expect(hasLeft).toBe(true);
    test.start('n2');
    await test.run(1_000);
    test.checkRest();
    expect(test.map).toMatchObject({ version: 2, epochs: new Array(32).fill(2) });
  });

  it('has nothing left to do for a node that has left, so that its process ends', async () => {
    const test = await cluster(1);
    const left = test.clusterNode('n1').leave(5_000);
    await test.run(100);
    await left;
    expect(test.time.nextTimerMs).toBeNull();
  });

  it('lets all leave together in time', async () => {
    const test = await cluster(3);
    let left = 0;
    for (const { id } of test.live()) void test.leave(id, 2_000).then(() => left++);
    await test.run(4_000);
    expect(left).toBe(3);
  });
});

describe('when the backbone cannot be reached', () => {
  it('by anybody, nobody is given up, and all goes on where it was', async () => {
    const test = await cluster(3);
    for (const { id } of test.live()) test.cut(id);
    await test.run(20_000);
    expect(test.clusterNode('n1').problem).not.toBeNull();
    const ids = test.live().map(({ id }) => id);
    // One after the other, as connections come back: who is not back yet is not dead.
    for (const id of ids) {
      test.mend(id);
      await test.run(900);
    }
    await test.run(3_000);
    test.checkRest();
    expect(test.history).toHaveLength(1);
  });

  it('by one node, the others take over what it has, and it is one of them again afterwards', async () => {
    for (const leads of [false, true]) {
      const test = await cluster(3);
      const id = leads ? test.leader() : follower(test);
      const shards = test.shardsOf(id);
      test.cut(id);
      expect(await test.until(() => test.isServed(shards))).toBeLessThan(600);
      await test.run(2_000);
      expect(test.map.nodes).toHaveLength(2);
      test.mend(id);
      await test.run(6_000);
      test.checkRest();
    }
  });

  it('and a node dies meanwhile, it is given up once the others have waited for it', async () => {
    const test = await cluster(3);
    const id = follower(test);
    for (const one of test.live()) test.cut(one.id);
    await test.run(5_000);
    test.kill(id);
    for (const one of test.live()) test.mend(one.id);
    await test.run(8_000);
    test.checkRest();
    expect(test.map.nodes).toHaveLength(2);
  });
});
