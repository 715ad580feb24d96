import { encodeValue } from '@topgunbuild/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClusterWorld } from '../testing/ClusterWorld.js';

const NOW = 1_760_000_000_000;
const IDS = ['a', 'b', 'c'] as const;
const KEYS = 24;

const FAULTS = [
  ...([
    'kill',
    'kill',
    'hang',
    'start',
    'start',
    'startElsewhere',
    'failOver',
    'failOver',
    'move',
    'moveUntold',
  ] as const),
  ...(['goodbye', 'mute', 'set', 'set', 'set', 'remoteSet', 'remoteSet', 'remove', 'query', 'closeQuery'] as const),
  ...(['token', 'stall', 'sleep'] as const),
] as const;

const step = fc.record({
  fault: fc.constantFrom(...FAULTS),
  node: fc.nat(2),
  pick: fc.nat(1_000),
  thenMs: fc.oneof(fc.nat(15), fc.nat(700), fc.nat(9_000)),
});

describe('a client of a cluster under chaos', () => {
  it('loses nothing, and shows in the end what the cluster has', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 2 }),
        fc.array(step, { maxLength: 40, size: 'max' }),
        async (seed, smartRouting, connectionsPerNode, steps) => {
          const world = new ClusterWorld(IDS, seed);
          const { cluster, time } = world;
          const seeds = IDS.map((id) => `ws://${id}/`);
          const client = world.client({ seeds, smartRouting, connectionsPerNode });
          await client.start();
          const rows = client.getMap<{ n: number }>('m');
          rows.subscribe(() => {});
          const asked = (): { n: number } => ({ n: Math.floor(time.now) % 50 });
          let least = 20;
          let query = client.query<{ n: number }>('m', { where: { n: { $gte: 20 } }, sort: { n: 'desc' }, limit: 4 });
          let writes = 0;
          let homes = 0;
          for (const { fault, node, pick, thenMs } of steps) {
            const id = IDS[node] as string;
            const one = cluster.node(id);
            const key = `k${pick % KEYS}`;
            const ms = NOW + Math.floor(time.now);
            if (fault === 'kill') cluster.kill(id);
            else if (fault === 'hang') cluster.hang(id);
            else if (fault === 'start' && one.state !== 'up') cluster.start(id);
            else if (fault === 'startElsewhere' && one.state === 'down') cluster.start(id, `ws://${id}-${++homes}/`);
            else if (fault === 'failOver') cluster.failOver();
            else if (fault === 'move' || fault === 'moveUntold') {
              const isTold = fault === 'move';
              cluster.move((shard, owner) => ((shard + pick) % 3 === 0 && one.state === 'up' ? id : owner), isTold);
            } else if (fault === 'goodbye') cluster.sayGoodbye(id, pick);
            else if (fault === 'mute') one.isMute = !one.isMute;
            else if (fault === 'set') rows.set(key, { n: writes++ % 50 });
            else if (fault === 'remove') rows.remove(key);
            else if (fault === 'remoteSet') cluster.write('m', key, encodeValue(asked()), ms);
            else if (fault === 'query' || fault === 'closeQuery') {
              query.close();
              least = pick % 40;
              query = client.query<{ n: number }>('m', { where: { n: { $gte: least } }, sort: { n: 'asc' }, limit: 3 });
            } else if (fault === 'token') client.setAuthToken(null);
            else if (fault === 'stall') for (const { peer } of one.sessions) peer.stopReading();
            else if (fault === 'sleep') await time.sleep(thenMs);
            await time.advance(thenMs);
          }
          // Whoever was stalled or muted for good counts as dead.
          for (const id of IDS) {
            cluster.kill(id);
            cluster.node(id).isMute = false;
          }
          await time.advance(100);
          for (const id of IDS) cluster.start(id, `ws://${id}/`);
          cluster.failOver();
          await world.during(client.flush(), 200_000);
          await time.advance(70_000);
          expect(client.status).toBe('online');
          expect(client.pendingWrites).toBe(0);
          expect(client.getConnectedNodes().length).toBe(smartRouting ? 3 : 1);
          const sessions = [...cluster.nodes.values()].map((node) => node.sessions.length);
          expect(sessions.reduce((sum, count) => sum + count)).toBe((smartRouting ? 3 : 1) * connectionsPerNode);
          const shown: Record<string, unknown> = {};
          for (const [key, value] of rows.entries()) shown[key] = value;
          const held: Record<string, unknown> = {};
          for (let n = 0; n < KEYS; n++) {
            const value = cluster.value('m', `k${n}`);
            if (value !== undefined) held[`k${n}`] = value;
          }
          expect(shown).toEqual(held);
          const { sort, limit } = query.query;
          const sign = sort?.n === 'asc' ? 1 : -1;
          const expected = Object.entries(held as Record<string, { n: number }>)
            .filter(([, { n }]) => n >= least)
            .sort(([a, x], [b, y]) => sign * (x.n - y.n) || (a < b ? -1 : 1))
            .slice(0, limit)
            .map(([key, value]) => ({ key, value }));
          expect(query.rows.map(({ key, value }) => ({ key, value }))).toEqual(expected);
          expect(world.transport.attempts.length).toBeLessThan(60 + time.now / 500);
          await client.close();
          await time.advance(100);
          expect([...cluster.nodes.values()].map((node) => node.sessions.length)).toEqual([0, 0, 0]);
          expect(world.errors).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  });
});
