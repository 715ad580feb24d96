import { DEFAULT_LIMITS, Kind } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { batchOf, stamp } from '../testing/ops.js';
import { PlaneHarness } from '../testing/PlaneHarness.js';

describe('LocalDataPlane', () => {
  it('acks a write and shows it', async () => {
    const h = await PlaneHarness.open();
    expect(await h.write({ key: 'a', set: { n: 1 }, at: stamp(10) })).toEqual([]);
    expect(h.plane.read('todos', 'a')).toEqual({ kind: Kind.LWW, value: { n: 1 } });
    expect(h.plane.read('todos', 'b')).toBeNull();
    expect(h.plane.read('other', 'a')).toBeNull();
  });

  it('answers a batch over many shards once', async () => {
    const h = await PlaneHarness.open({ shardCount: 32 });
    const ops = Array.from({ length: 200 }, (_, i) => ({ key: `k${i}`, set: i, at: stamp(10, i) }));
    expect(await h.write(...ops)).toEqual([]);
    expect(h.plane.stats().totals.records).toBe(200);
  });

  it('appends what came in one turn of the event loop together, whoever sent it', async () => {
    const atEnd: (() => void)[] = [];
    const h = await PlaneHarness.open({ shardCount: 1, atTurnEnd: (run) => void atEnd.push(run) });
    const writes = [h.write({ key: 'a', set: 1, at: stamp(1) })];
    await h.settle();
    writes.push(h.write({ key: 'b', set: 2, at: stamp(2) }));
    for (const run of atEnd) run();
    expect(await Promise.all(writes)).toEqual([[], []]);
    expect(h.plane.stats().totals.appends).toBe(1);
  });

  it('answers what waits for the end of the turn when it closes', async () => {
    const atEnd: (() => void)[] = [];
    const h = await PlaneHarness.open({ atTurnEnd: (run) => void atEnd.push(run) });
    const written = h.write({ key: 'a', set: 1, at: stamp(1) });
    await h.plane.close();
    for (const run of atEnd) run();
    expect(await written).toEqual([]);
  });

  it('is not set back by a restart with a wrong clock behind what its data says, whether from the log or a snapshot', async () => {
    const tuning = { snapshotLogBytes: 1 };
    const h = await PlaneHarness.open({ shardCount: 1, tuning });
    const written = h.runtime.now() + 7;
    await h.write({ key: 'a', set: 1, at: stamp(written) });
    await h.settle();
    h.runtime.shiftWall(-3_600_000);
    const fromSnapshot = await h.reopened();
    expect(fromSnapshot.plane.now()).toBe(written - DEFAULT_LIMITS.maxDriftMs);
    await fromSnapshot.write({ key: 'a', set: 2, at: stamp(written + 1_000) });
    const fromLog = await h.reopened();
    expect(fromLog.plane.now()).toBe(written + 1_000 - DEFAULT_LIMITS.maxDriftMs);
  });

  it('answers an empty write', async () => {
    const h = await PlaneHarness.open();
    expect(await h.write()).toEqual([]);
  });

  it('reads OR records as arrays and counters as numbers', async () => {
    const h = await PlaneHarness.open();
    await h.write(
      { key: 'tags', add: 'x', at: stamp(1) },
      { key: 'tags', add: 'y', at: stamp(2) },
      { key: 'hits', totals: [5, 2], at: stamp(3) },
      { key: 'hits', totals: [1, 0], at: stamp(3, 0, 'r2') },
    );
    expect(h.plane.read('todos', 'tags')).toEqual({ kind: Kind.OR, value: ['x', 'y'] });
    expect(h.plane.read('todos', 'hits')).toEqual({ kind: Kind.COUNTER, value: 4 });
    await h.write({ key: 'tags', drop: [stamp(1), stamp(2)], at: stamp(4) });
    expect(h.plane.read('todos', 'tags')).toBeNull();
  });

  it('streams what is there, then what changes', async () => {
    const h = await PlaneHarness.open();
    await h.write({ key: 'a', set: 1, at: stamp(1) });
    const client = h.subscribe();
    expect(client.complete).toBe(true);
    expect(client.values(0)).toEqual(new Map([['a', 1]]));
    await h.write({ key: 'b', set: 2, at: stamp(2) });
    await h.settle();
    expect(client.values(0)).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    );
  });

  it('tells streams of a change before its write is answered', async () => {
    const h = await PlaneHarness.open({ shardCount: 32 });
    const client = h.subscribe();
    const ops = Array.from({ length: 50 }, (_, i) => ({ key: `k${i}`, set: i, at: stamp(10, i) }));
    let seenWhenAnswered = -1;
    h.plane.write(batchOf(ops), null, () => {
      seenWhenAnswered = client.values(0).size;
    });
    await h.settle();
    expect(seenWhenAnswered).toBe(50);
  });

  it('answers a subscription of an empty map with one message', async () => {
    const h = await PlaneHarness.open();
    const client = h.subscribe();
    expect(client.frames).toBe(1);
    expect(client.complete).toBe(true);
    expect(client.cursors.size).toBe(4);
  });
});
