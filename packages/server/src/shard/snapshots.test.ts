import { EntryBatch, Interner } from '@topgunbuild/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyOp } from '../testing/opArbitraries.js';
import { batchOf, type Op, stamp } from '../testing/ops.js';
import { PlaneHarness } from '../testing/PlaneHarness.js';
import { AT_ONCE } from './Pace.js';
import { ShardStore } from './ShardStore.js';
import { SnapshotBuilder } from './SnapshotBuilder.js';
import { loadSnapshot } from './snapshotFormat.js';

const set = (key: string, value: unknown, ms: number): Op => ({ key, set: value, at: stamp(ms) });

function newStore(): ShardStore {
  return new ShardStore(0, new Interner(), 1_000, { mapCreated: () => undefined });
}

function apply(store: ShardStore, ops: readonly Op[]): void {
  const batch = batchOf(ops);
  const seq = store.appliedSeq + 1;
  for (let i = 0; i < batch.count; i++) store.apply(batch, i, seq);
  store.appliedSeq = seq;
}

/** Everything a store knows, in the order in which it knows it. */
function dump(store: ShardStore): unknown {
  const maps = [...store.maps()].map((map) => {
    const rows: unknown[] = [];
    const iterator = map.table.changesSince(0);
    for (let slot = map.table.next(iterator); slot >= 0; slot = map.table.next(iterator)) {
      const row = new EntryBatch();
      map.table.addTo(row, slot);
      rows.push([
        row.keys,
        row.tags,
        row.ms,
        row.counters,
        row.replicas,
        row.expires,
        [...row.bytes(0)],
        map.table.seq(slot),
      ]);
    }
    map.table.closeIterator(iterator);
    return { name: map.name, collectedSeq: map.collectedSeq, rows };
  });
  maps.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { seq: store.appliedSeq, horizonMs: store.horizonMs, epoch: store.epoch, maps };
}

describe('a snapshot', () => {
  it('is the exact state at its sequence, though the shard changes while it is built', async () => {
    const batches = fc.array(fc.array(anyOp, { minLength: 1, maxLength: 6, size: 'max' }), {
      maxLength: 12,
      size: 'max',
    });
    await fc.assert(
      fc.asyncProperty(batches, batches, fc.integer({ min: 1, max: 4 }), async (before, during, stepRows) => {
        const store = newStore();
        for (const ops of before) apply(store, ops);
        const builder = new SnapshotBuilder(store, 1);
        const pending = [...during];
        let snapshot = builder.step(stepRows);
        while (snapshot === null) {
          const ops = pending.shift();
          if (ops !== undefined) apply(store, ops);
          snapshot = builder.step(stepRows);
        }
        if (snapshot === 'void') throw new Error('nothing was forgotten');
        const loaded = newStore();
        await loadSnapshot(loaded, 1, snapshot, AT_ONCE);
        expect(snapshot.seq).toBe(store.appliedSeq);
        expect(dump(loaded)).toEqual(dump(store));
        for (const ops of pending) {
          apply(store, ops);
          apply(loaded, ops);
        }
        expect(dump(loaded)).toEqual(dump(store));
      }),
      { numRuns: 200 },
    );
  }, 60_000);

  it('carries the horizon, who took over, and what became of cursors', async () => {
    const store = newStore();
    apply(store, [set('a', 1, 10), set('b', 1, 10)]);
    apply(store, [{ key: 'a', remove: true, at: stamp(20) }]);
    store.applyHorizon(50, 3);
    store.applyEpoch(7, 'node-1', 4);
    store.appliedSeq = 4;
    const snapshot = new SnapshotBuilder(store, 1).step(100);
    if (snapshot === null || snapshot === 'void') throw new Error('one step is enough');
    const loaded = newStore();
    await loadSnapshot(loaded, 1, snapshot, AT_ONCE);
    expect(dump(loaded)).toEqual(dump(store));
    expect(loaded.find('todos')?.collectedSeq).toBe(2);
  });

  it('is given up when records are forgotten meanwhile', () => {
    const store = newStore();
    apply(store, [set('a', 1, 10), set('b', 1, 10), set('c', 1, 10)]);
    const builder = new SnapshotBuilder(store, 1);
    expect(builder.step(1)).toBeNull();
    store.applyHorizon(50, 2);
    expect(builder.step(1)).toBe('void');
  });

  it('is taken once the log has grown, and the log is trimmed', async () => {
    const h = await PlaneHarness.open({ shardCount: 1, tuning: { snapshotLogBytes: 2_000, snapshotStepRows: 5 } });
    for (let i = 0; i < 60; i++) {
      await h.write(set(`k${i % 20}`, 'x'.repeat(100), i));
      await h.settle();
    }
    const log = h.backbone.shardLog(0);
    const [shard] = h.plane.stats().shards;
    expect(shard?.snapshotSeq).toBeGreaterThan(20);
    expect(log.snapshot?.seq).toBe(shard?.snapshotSeq);
    expect(log.records.length).toBeLessThan(40);
    const successor = await h.reopened();
    expect(successor.plane.stats().totals.records).toBe(20);
    expect(successor.plane.read('todos', 'k19')?.value).toBe('x'.repeat(100));
    expect(successor.plane.stats().shards[0]?.logSeq).toBe(60);
    expect(await successor.write(set('k1', 'more', 100))).toEqual([]);
  });

  it('is due the sooner the more records the log has, as each costs something to read', async () => {
    const tuning = { snapshotLogBytes: 10_000, recordCostBytes: 1_000 };
    const h = await PlaneHarness.open({ shardCount: 1, tuning });
    for (let i = 0; i < 8; i++) await h.write(set('k', i, i));
    await h.settle();
    expect(h.plane.stats().shards[0]?.snapshotSeq).toBe(0);
    for (let i = 8; i < 12; i++) await h.write(set('k', i, i));
    await h.settle();
    const { snapshotSeq = 0 } = h.plane.stats().shards[0] ?? {};
    expect(snapshotSeq).toBeGreaterThan(8);
    // From then on it counts anew.
    for (let i = 12; i < 18; i++) await h.write(set('k', i, i));
    await h.settle();
    expect(h.plane.stats().shards[0]?.snapshotSeq).toBe(snapshotSeq);
  });

  it('waits a while after it was asked for, and not when the node closes', async () => {
    const tuning = { snapshotLogBytes: 100, snapshotDelayMs: 1_000 };
    const h = await PlaneHarness.open({ shardCount: 1, tuning });
    await h.write(set('a', 'x'.repeat(200), 1));
    await h.settle(900);
    expect(h.plane.stats().shards[0]?.snapshotSeq).toBe(0);
    await h.settle(200);
    expect(h.plane.stats().shards[0]?.snapshotSeq).toBe(1);
    await h.write(set('b', 'x'.repeat(300), 2));
    await h.plane.close();
    expect(h.runtime.pendingTimers).toBe(0);
    expect(h.backbone.shardLog(0).snapshot?.seq).toBe(1);
  });

  it('that cannot be saved leaves the log as it is, and is tried again', async () => {
    const h = await PlaneHarness.open({ shardCount: 1, tuning: { snapshotLogBytes: 500 } });
    h.backbone.snapshotFails = true;
    for (let i = 0; i < 20; i++) await h.write(set(`k${i}`, 'x'.repeat(100), i));
    await h.settle();
    expect(h.backbone.shardLog(0).records).toHaveLength(20);
    h.backbone.snapshotFails = false;
    await h.settle(60_000);
    expect(h.plane.stats().shards[0]?.snapshotSeq).toBe(20);
    expect(h.backbone.shardLog(0).records).toHaveLength(1);
  });

  it('does not hold up closing', async () => {
    const h = await PlaneHarness.open({ shardCount: 1, tuning: { snapshotLogBytes: 500, snapshotStepRows: 1 } });
    await h.write(...Array.from({ length: 50 }, (_, i) => set(`k${i}`, 'x'.repeat(100), i)));
    await h.settle();
    await h.plane.close();
    expect(h.runtime.pendingTimers).toBe(0);
  });

  it('that is damaged, or of another version, is refused', async () => {
    const h = await PlaneHarness.open({ shardCount: 1, tuning: { snapshotLogBytes: 100 } });
    await h.write(set('a', 'x'.repeat(200), 1));
    await h.settle();
    const snapshot = h.backbone.shardLog(0).snapshot;
    snapshot?.chunks[1]?.fill(0xff, 3);
    await expect(h.reopened()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    snapshot?.chunks[0]?.fill(9, 0, 1);
    await expect(h.reopened()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });
});
