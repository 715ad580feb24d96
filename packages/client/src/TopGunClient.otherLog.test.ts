import { decodeTotals, decodeValue, Tag } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { MemoryAdapter } from './storage/MemoryAdapter.js';
import { World } from './testing/World.js';

describe('A server with another log', () => {
  it('is offered again what it may have lost of this client', async () => {
    const world = new World();
    const client = await world.online();
    const map = client.getMap<number>('m');
    map.set('a', 1);
    await world.time.advance(10);
    const sent = world.lastBatch();
    await world.answer(sent);
    world.node.script.hello = (node) => node.authRequired({ logId: 'log-2' });
    world.node.peer.close(1006, 'restored');
    await world.time.advance(60_000);
    const again = world.lastBatch();
    expect(again).not.toBe(sent);
    expect([again.ops.keys, again.ops.ms, again.ops.replicas]).toEqual([sent.ops.keys, sent.ops.ms, sent.ops.replicas]);
    await client.close();
  });

  it('is not offered what is pending besides: that is sent once, under its own timestamp', async () => {
    const world = new World();
    const storage = new MemoryAdapter();
    const first = await world.online({ storage });
    const known = first.getORMap<string>('tags').add('k', 'known');
    await world.time.advance(10);
    await world.answer(world.lastBatch());
    await known.acked;
    await first.close();

    world.node.script.hello = (node) => node.authRequired({ logId: 'log-2' });
    world.node.clockAhead = 60_000;
    const before = world.batches.length;
    world.node.stop();
    const second = await world.online({ storage });
    second.getORMap<string>('tags').add('k', 'pending');
    world.node.start();
    await world.time.advance(10_000);
    const sent = world.batches
      .slice(before)
      .flatMap(({ ops }) => [...ops.keys.keys()].map((i) => ops.bytes(i).slice()));
    expect(sent.map((bytes) => decodeValue(bytes)).sort()).toEqual(['known', 'pending']);
    await second.close();
  });

  it('is offered the same under the same name each time, though more was removed meanwhile', async () => {
    const world = new World();
    const client = await world.online();
    const tags = client.getORMap<string>('tags');
    const logs = ['log-2', 'log-3'];
    const removals: Map<number, string>[] = [];
    const acked = async (change: () => unknown): Promise<void> => {
      change();
      await world.time.advance(10);
      await world.answer(world.lastBatch());
    };
    await acked(() => tags.add('k', 'a'));
    await acked(() => tags.add('k', 'b'));
    for (const [index, value] of ['b', 'a'].entries()) {
      await acked(() => tags.remove('k', value));
      world.node.script.hello = (node) => node.authRequired({ logId: logs[index] as string });
      world.node.peer.close(1006, 'restored');
      await world.time.advance(60_000);
      const { ops } = world.lastBatch();
      const rows = [...ops.keys.keys()].filter((i) => ops.tags[i] === Tag.OR_REMOVE);
      removals.push(new Map(rows.map((i) => [ops.ms[i] as number, Buffer.from(ops.bytes(i)).toString('hex')])));
      await world.answer(world.lastBatch());
    }
    const [once, twice] = removals;
    expect([once?.size, twice?.size]).toEqual([1, 2]);
    for (const [ms, content] of once ?? []) expect(twice?.get(ms)).toBe(content);
    await client.close();
  });

  it('is offered a counter once, and what it refuses of it is not lost with what it accepted before', async () => {
    const world = new World();
    const client = await world.online();
    const hits = client.getCounter('hits', 'k');
    hits.increment(3);
    await world.time.advance(10);
    await world.answer(world.lastBatch());
    const refused = hits.increment(2).acked.catch((error: Error) => error.message);
    await world.time.advance(10);
    world.node.script.hello = (node) => node.authRequired({ logId: 'log-2' });
    world.node.peer.close(1006, 'restored');
    await world.time.advance(60_000);
    const again = world.lastBatch();
    expect([...again.ops.keys.keys()].map((i) => decodeTotals(again.ops.bytes(i)))).toEqual([{ added: 5, removed: 0 }]);
    await world.answer(again, [{ index: 0, code: 'FORBIDDEN', message: 'no' }]);
    expect(await refused).toBe('no');
    expect(hits.value).toBe(3);
    hits.increment(1);
    await world.time.advance(10);
    expect(decodeTotals(world.lastBatch().ops.bytes(0))).toEqual({ added: 4, removed: 0 });
    await client.close();
  });
});
