import { compareStamps, compareTimestamps, decodeValue, type EntryBatch } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { MemoryAdapter } from './storage/MemoryAdapter.js';
import { World } from './testing/World.js';

const NOW = 1_760_000_000_000;

describe('Clocks', () => {
  it.each([10 * 365 * 86_400_000, -10 * 365 * 86_400_000])(
    'that are wrong by %d ms are corrected before a write is sent, in order',
    async (skew) => {
      const world = new World();
      const client = world.client({ runtime: world.runtime(NOW + skew) });
      await client.start();
      const map = client.getMap<number>('m');
      map.set('a', 1);
      map.set('b', 2);
      await world.time.advance(100);
      const { ops } = world.lastBatch();
      for (const ms of ops.ms) expect(Math.abs(ms - NOW)).toBeLessThan(2_000);
      const [firstMs = 0, secondMs = 0] = ops.ms;
      const [firstCounter = 0, secondCounter = 0] = ops.counters;
      expect(compareStamps(firstMs, firstCounter, '', secondMs, secondCounter, '')).toBe(-1);
      map.set('c', 3);
      await world.time.advance(10);
      expect(Math.abs((world.lastBatch().ops.ms[0] ?? 0) - NOW)).toBeLessThan(2_000);
      expect([map.get('a'), map.get('b'), map.get('c')]).toEqual([1, 2, 3]);
      await client.close();
    },
  );

  it('do not matter once the server is known: a jump of the device changes nothing', async () => {
    const world = new World();
    const runtime = world.runtime();
    const client = await world.online({ runtime });
    runtime.shiftWall(5 * 86_400_000);
    client.getMap<number>('m').set('a', 1);
    await world.time.advance(10);
    expect(Math.abs((world.lastBatch().ops.ms[0] ?? 0) - NOW)).toBeLessThan(2_000);
    await client.close();
  });

  it('put a write that was made offline after what an earlier process wrote to its key', async () => {
    const world = new World();
    const storage = new MemoryAdapter();
    world.node.clockAhead = 60_000;
    const first = await world.online({ storage });
    await first.getMap<number>('m').set('a', 1).persisted;
    await first.close();

    world.node.clockAhead = 30_000;
    world.node.stop();
    const second = await world.online({ storage });
    const map = second.getMap<number>('m');
    map.set('a', 2);
    world.node.start();
    await world.time.advance(10_000);
    expect(map.get('a')).toBe(2);
    const [earlier, later] = world.batches.slice(-2).map(({ ops }) => ops);
    expect([earlier?.keys, later?.keys]).toEqual([['a'], ['a']]);
    expect(decodeValue(later?.bytes(0) ?? new Uint8Array())).toBe(2);
    const stampOf = (ops: EntryBatch | undefined) => ({
      ms: ops?.ms[0] ?? 0,
      counter: ops?.counters[0] ?? 0,
      replica: '',
    });
    expect(compareTimestamps(stampOf(later), stampOf(earlier))).toBe(1);
    await second.close();
  });

  it('that an earlier process was wrong by do not stay with the clock of the next', async () => {
    const world = new World();
    const storage = new MemoryAdapter();
    const wrong = NOW + 365 * 86_400_000;
    world.node.stop();
    const first = await world.online({ storage, runtime: world.runtime(wrong) });
    await first.getMap<number>('m').set('a', 1).persisted;
    await first.close();

    world.node.start();
    const second = await world.online({ storage, runtime: world.runtime(wrong) });
    await world.time.advance(1_000);
    second.getMap<number>('m').set('b', 2);
    await world.time.advance(10);
    const { keys, ms } = world.lastBatch().ops;
    expect(keys).toEqual(['b']);
    expect(Math.abs((ms[0] ?? 0) - NOW)).toBeLessThan(60_000);
    await second.close();
  });

  it('that are set right do not bring back for a moment what has come to its deadline', async () => {
    const world = new World();
    world.node.stop();
    const client = await world.online({ runtime: world.runtime(NOW + 365 * 86_400_000) });
    const map = client.getMap<number>('m');
    const query = client.query('m', { where: { _key: 'short' } });
    const seen: unknown[] = [];
    map.set('short', 1, { ttlMs: 5_000 });
    map.set('long', 2, { ttlMs: 60_000 });
    await world.time.advance(10_000);
    expect(query.rows).toEqual([]);
    map.subscribe(({ changes }) => seen.push(...changes));
    world.node.start();
    await world.time.advance(30_000);
    expect(client.status).toBe('online');
    expect(seen).toEqual([]);
    expect(query.rows).toEqual([]);
    await world.time.advance(30_000);
    expect(seen).toEqual([{ key: 'long', previous: 2, origin: 'remote' }]);
    await client.close();
  });

  it('refused all the same give the write another timestamp', async () => {
    const world = new World();
    const client = await world.online();
    client.getMap<number>('m').set('a', 1);
    await world.time.advance(10);
    const first = world.lastBatch();
    await world.answer(first, [{ index: 0, code: 'CLOCK_DRIFT', message: 'ahead' }]);
    await world.time.advance(1000);
    expect(world.lastBatch()).not.toBe(first);
    await world.answer(world.lastBatch());
    expect(client.pendingWrites).toBe(0);
    await client.close();
  });

  it('of a server that were set back do not make two elements of one whose answer was lost', async () => {
    const world = new World();
    const client = await world.online();
    client.getORMap<string>('tags').add('k', 'once');
    await world.time.advance(10);
    const first = world.lastBatch();
    world.node.peer.close(1006, 'cut');
    await world.time.advance(10_000);
    const second = world.lastBatch();
    expect(second).not.toBe(first);
    await world.answer(second, [{ index: 0, code: 'CLOCK_DRIFT', message: 'ahead' }]);
    await world.time.advance(10_000);
    const third = world.lastBatch();
    expect(third).not.toBe(second);
    expect([third.ops.ms, third.ops.counters]).toEqual([first.ops.ms, first.ops.counters]);
    await world.answer(third);
    expect(client.pendingWrites).toBe(0);
    await client.close();
  });

  it('of a server that were wrong by a day, and set right, do not keep an element waiting for that day', async () => {
    const world = new World();
    world.node.clockAhead = 86_400_000;
    const client = await world.online();
    client.getORMap<string>('tags').add('k', 'once');
    await world.time.advance(10);
    world.node.clockAhead = 0;
    world.node.peer.close(1006, 'cut');
    await world.time.advance(10_000);
    await world.answer(world.lastBatch(), [{ index: 0, code: 'CLOCK_DRIFT', message: 'ahead' }]);
    await world.time.advance(10_000);
    expect(Math.abs((world.lastBatch().ops.ms[0] ?? 0) - NOW)).toBeLessThan(60_000);
    await world.answer(world.lastBatch());
    expect(client.pendingWrites).toBe(0);
    await client.close();
  });
});
