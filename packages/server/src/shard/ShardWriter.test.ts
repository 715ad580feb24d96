import type { RejectedOp } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { batchOf, type Op, stamp } from '../testing/ops.js';
import { PlaneHarness, type PlaneHarnessOptions } from '../testing/PlaneHarness.js';

const DAY = 24 * 60 * 60 * 1000;
const one = { shardCount: 1 } as const;

interface Pending {
  answer: readonly RejectedOp[] | null;
  answers: number;
}

/** A write whose answer can be looked at before it has come. */
function start(h: PlaneHarness, ...ops: readonly Op[]): Pending {
  const pending: Pending = { answer: null, answers: 0 };
  h.plane.write(batchOf(ops), null, (rejected) => {
    pending.answer = rejected;
    pending.answers++;
  });
  return pending;
}

const set = (key: string, value: unknown, ms: number): Op => ({ key, set: value, at: stamp(ms) });

describe('a shard', () => {
  describe('group commit', () => {
    it('puts what is queued while an append is under way into one record', async () => {
      const h = await PlaneHarness.open(one);
      h.backbone.fault = () => 'hold';
      const first = start(h, set('a', 1, 1));
      await h.settle();
      const later = Array.from({ length: 50 }, (_, i) => start(h, set(`k${i}`, i, 2)));
      await h.settle();
      expect(first.answer).toBeNull();
      h.backbone.fault = () => 'none';
      h.backbone.release();
      await h.settle();
      expect(later.every(({ answer }) => answer?.length === 0)).toBe(true);
      expect(h.backbone.appended).toBe(2);
    });

    it('starts another record when one is full', async () => {
      const h = await PlaneHarness.open({ ...one, tuning: { maxRecordBytes: 1000 } });
      await h.write(...Array.from({ length: 20 }, (_, i) => set(`k${i}`, 'x'.repeat(100), i)));
      expect(h.backbone.appended).toBeGreaterThan(2);
      expect(h.plane.stats().totals.records).toBe(20);
    });

    it('refuses what would make the queue too long, and takes ops again once it is shorter', async () => {
      const h = await PlaneHarness.open({ ...one, tuning: { maxQueuedBytes: 1000 } });
      h.backbone.fault = () => 'hold';
      const pending = Array.from({ length: 20 }, (_, i) => start(h, set(`k${i}`, 'x'.repeat(50), i)));
      await h.settle();
      const refused = pending.filter(({ answer }) => answer !== null);
      expect(refused.length).toBeGreaterThan(5);
      expect(refused.every(({ answer }) => answer?.[0]?.code === 'UNAVAILABLE')).toBe(true);
      h.backbone.fault = () => 'none';
      h.backbone.release();
      await h.settle();
      expect(pending.every(({ answers }) => answers === 1)).toBe(true);
      expect(await h.write(set('more', 1, 1))).toEqual([]);
    });
  });

  describe('answers from what is durable', () => {
    it('acks duplicates and losers without a log record', async () => {
      const h = await PlaneHarness.open(one);
      await h.write(set('a', 'new', 10));
      const before = h.backbone.appended;
      expect(await h.write(set('a', 'new', 10), set('a', 'old', 9))).toEqual([]);
      expect(h.backbone.appended).toBe(before);
      expect(h.plane.read('todos', 'a')?.value).toBe('new');
    });

    it('does not ack a loser before what it lost against is durable', async () => {
      const h = await PlaneHarness.open(one);
      h.backbone.fault = () => 'hold';
      const winner = start(h, set('a', 'new', 10));
      await h.settle();
      const loser = start(h, set('a', 'old', 9));
      await h.settle();
      expect([winner.answer, loser.answer]).toEqual([null, null]);
    });

    it('refuses another payload under a known identity, and an op of another kind', async () => {
      const h = await PlaneHarness.open(one);
      await h.write(set('a', 1, 10));
      const rejected = await h.write(set('a', 2, 10), { key: 'a', add: 1, at: stamp(11) }, set('b', 1, 1));
      expect(rejected.map(({ index, code }) => [index, code])).toEqual([
        [0, 'INVALID_VALUE'],
        [1, 'KIND_MISMATCH'],
      ]);
      expect(h.plane.read('todos', 'a')?.value).toBe(1);
    });

    it('lets the first of two kinds in one record decide', async () => {
      const h = await PlaneHarness.open(one);
      const rejected = await h.write(set('a', 1, 10), { key: 'a', add: 1, at: stamp(11) });
      expect(rejected.map(({ index, code }) => [index, code])).toEqual([[1, 'KIND_MISMATCH']]);
    });

    it('refuses elements beyond the limit of a key', async () => {
      const h = await PlaneHarness.open({ ...one, limits: { maxElementsPerKey: 2 } });
      const adds = [1, 2, 3].map((ms): Op => ({ key: 'tags', add: ms, at: stamp(ms) }));
      const rejected = await h.write(...adds);
      expect(rejected.map(({ index, code }) => [index, code])).toEqual([[2, 'LIMIT_EXCEEDED']]);
    });
  });

  describe('when the log fails', () => {
    it('keeps ops and acks them when the log works again', async () => {
      const h = await PlaneHarness.open(one);
      h.backbone.fault = () => 'refuse';
      const pending = start(h, set('a', 1, 1));
      await h.settle(3_000);
      expect(pending.answer).toBeNull();
      expect(h.plane.read('todos', 'a')).toBeNull();
      expect(h.plane.readyProblem()).toContain('log fails');
      h.backbone.fault = () => 'none';
      await h.settle(3_000);
      expect(pending).toEqual({ answer: [], answers: 1 });
      expect(h.plane.readyProblem()).toBeNull();
    });

    it('finds its record in the log when only the answer was lost, and does not append it twice', async () => {
      const h = await PlaneHarness.open(one);
      h.backbone.fault = () => 'lose';
      const pending = start(h, { key: 'hits', totals: [1, 0], at: stamp(1) });
      await h.settle();
      h.backbone.fault = () => 'none';
      await h.settle(1_000);
      expect(pending.answer).toEqual([]);
      expect(h.backbone.shardLog(0).head).toBe(1);
    });

    it('refuses with the cause after ten seconds, refuses at once from then on, and recovers', async () => {
      const h = await PlaneHarness.open(one);
      h.backbone.fault = () => 'refuse';
      const pending = start(h, set('a', 1, 1));
      const queued = start(h, set('b', 1, 1));
      for (let i = 0; i < 30; i++) await h.settle(500);
      expect(pending.answer?.map(({ code }) => code)).toEqual(['STORAGE_FULL']);
      expect(queued.answer?.map(({ code }) => code)).toEqual(['STORAGE_FULL']);
      expect((await h.write(set('c', 1, 1))).map(({ code }) => code)).toEqual(['STORAGE_FULL']);
      h.backbone.fault = () => 'none';
      for (let i = 0; i < 10; i++) await h.settle(500);
      expect(await h.write(set('a', 1, 1), set('c', 1, 1))).toEqual([]);
      expect([pending.answers, queued.answers]).toEqual([1, 1]);
      expect(h.plane.stats().totals.queuedBytes).toBe(0);
    });

    it('agrees with its log after a record whose ops were refused turns up in it', async () => {
      const h = await PlaneHarness.open(one);
      h.backbone.fault = () => 'lose';
      h.backbone.readsFail = true;
      const pending = start(h, set('a', 1, 1));
      for (let i = 0; i < 30; i++) await h.settle(500);
      expect(pending.answer?.map(({ code }) => code)).toEqual(['STORAGE_FAILED']);
      h.backbone.fault = () => 'none';
      h.backbone.readsFail = false;
      for (let i = 0; i < 10; i++) await h.settle(500);
      expect(h.plane.read('todos', 'a')?.value).toBe(1);
      expect(await h.write(set('a', 1, 1))).toEqual([]);
      expect(h.backbone.shardLog(0).head).toBe(1);
    });

    it('says that it is not ready when the log does not answer at all', async () => {
      const h = await PlaneHarness.open(one);
      h.backbone.fault = () => 'hold';
      start(h, set('a', 1, 1));
      await h.settle(9_000);
      expect(h.plane.readyProblem()).toBeNull();
      await h.settle(2_000);
      expect(h.plane.readyProblem()).toContain('does not answer');
    });

    it('does not hold up other shards', async () => {
      const h = await PlaneHarness.open({ shardCount: 2 });
      h.backbone.fault = (shard) => (shard === 0 ? 'refuse' : 'none');
      const writes = Array.from({ length: 20 }, (_, i) => start(h, set(`k${i}`, i, 1)));
      await h.settle();
      expect(writes.filter(({ answer }) => answer !== null).length).toBeGreaterThan(3);
      expect(writes.filter(({ answer }) => answer === null).length).toBeGreaterThan(3);
    });
  });

  describe('when somebody else has written to its log', () => {
    it('steps down for good and acks nothing', async () => {
      const h = await PlaneHarness.open(one);
      await h.write(set('a', 1, 1));
      const rival = await h.reopened();
      await rival.write(set('a', 'rival', 2));
      const pending = start(h, set('a', 'stale', 3));
      await h.settle();
      expect(pending.answer?.map(({ code }) => code)).toEqual(['UNAVAILABLE']);
      expect(h.plane.readyProblem()).toContain('somebody else');
      expect((await h.write(set('b', 1, 1)))[0]?.code).toBe('UNAVAILABLE');
      expect(rival.plane.read('todos', 'a')?.value).toBe('rival');
    });

    it('takes an equal record for its own, which changes nothing', async () => {
      const h = await PlaneHarness.open(one);
      const rival = await h.reopened();
      await rival.write(set('a', 1, 1));
      expect(await h.write(set('a', 1, 1))).toEqual([]);
      expect(h.backbone.shardLog(0).head).toBe(1);
    });
  });

  describe('closing', () => {
    it('waits for what is queued and refuses what comes later', async () => {
      const h = await PlaneHarness.open(one);
      h.backbone.fault = () => 'hold';
      const first = start(h, set('a', 1, 1));
      await h.settle();
      const second = start(h, set('b', 1, 1));
      let isClosed = false;
      const closing = h.plane.close().then(() => {
        isClosed = true;
      });
      await h.settle();
      expect(isClosed).toBe(false);
      expect((await h.write(set('c', 1, 1)))[0]?.code).toBe('SHUTTING_DOWN');
      h.backbone.fault = () => 'none';
      h.backbone.release();
      await closing;
      expect([first.answer, second.answer]).toEqual([[], []]);
      expect(h.runtime.pendingTimers).toBe(0);
    });

    it('does not wait for ever for a log that fails', async () => {
      const h = await PlaneHarness.open(one);
      h.backbone.fault = () => 'refuse';
      const pending = start(h, set('a', 1, 1));
      await h.settle();
      const closing = h.plane.close();
      for (let i = 0; i < 30; i++) await h.settle(500);
      await closing;
      expect(pending.answer?.[0]?.code).toBe('STORAGE_FULL');
      expect(h.runtime.pendingTimers).toBe(0);
    });
  });

  it('answers every write once when an answer throws', async () => {
    const h = await PlaneHarness.open(one);
    h.plane.write(batchOf([set('a', 1, 1)]), null, () => {
      throw new Error('the session is gone');
    });
    const other = start(h, set('b', 1, 1));
    await h.settle();
    expect(other.answer).toEqual([]);
    expect(await h.write(set('c', 1, 1))).toEqual([]);
  });

  it('takes writes from within an answer', async () => {
    const h = await PlaneHarness.open(one);
    const second = await new Promise<readonly RejectedOp[]>((resolve) => {
      h.plane.write(batchOf([set('a', 1, 1)]), null, () => h.plane.write(batchOf([set('a', 2, 2)]), null, resolve));
    });
    expect(second).toEqual([]);
    expect(h.plane.read('todos', 'a')?.value).toBe(2);
  });

  it('refuses a payload that is not what the op asks for', async () => {
    const h = await PlaneHarness.open(one);
    const batch = batchOf([{ key: 'hits', totals: [1, 0], at: stamp(1) }, set('a', 1, 1)]);
    batch.sources[0] = new Uint8Array([0xff]);
    batch.starts[0] = 0;
    batch.ends[0] = 1;
    const rejected = await new Promise<readonly RejectedOp[]>((resolve) => h.plane.write(batch, null, resolve));
    expect(rejected.map(({ index, code }) => [index, code])).toEqual([[0, 'INVALID_VALUE']]);
    expect((await h.reopened()).plane.read('todos', 'a')?.value).toBe(1);
  });

  it('writes only the ops that were asked for', async () => {
    const h = await PlaneHarness.open(one);
    const batch = batchOf([set('a', 1, 1), set('b', 1, 1), set('c', 1, 1)]);
    await new Promise((resolve) => h.plane.write(batch, [0, 2], resolve));
    expect(['a', 'b', 'c'].map((key) => h.plane.read('todos', key)?.value)).toEqual([1, undefined, 1]);
  });

  describe('before it is restored', () => {
    it('refuses writes, reads and subscriptions', async () => {
      const h = new PlaneHarness(one as PlaneHarnessOptions);
      expect((await h.write(set('a', 1, 1)))[0]?.code).toBe('UNAVAILABLE');
      expect(() => h.plane.read('todos', 'a')).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
      expect(() => h.subscribe()).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
      expect(h.plane.readyProblem()).toContain('restoring');
    });

    it('refuses data of another number of shards', async () => {
      const h = await PlaneHarness.open({ shardCount: 4 });
      await h.write(...Array.from({ length: 30 }, (_, i) => set(`k${i}`, i, 1)));
      await expect(h.reopened({ shardCount: 3 })).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    });

    it('refuses a log with a gap and a damaged record', async () => {
      const gap = await PlaneHarness.open(one);
      for (let i = 1; i < 5; i++) await gap.write(set('a', i, i));
      gap.backbone.shardLog(0).records.splice(2, 1);
      await expect(gap.reopened()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });

      const damaged = await PlaneHarness.open(one);
      await damaged.write(set('a', 1, 1));
      damaged.backbone.shardLog(0).records[0]?.bytes.fill(0xff, 1);
      await expect(damaged.reopened()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    });
  });
});

describe('deadlines', () => {
  it('makes a record a tombstone at its deadline, for readers, newcomers and windows', async () => {
    const h = await PlaneHarness.open(one);
    const now = h.runtime.now();
    await h.write({ key: 'a', set: 1, at: stamp(now), ttlMs: 1000 }, set('b', 2, now));
    const plain = h.subscribe();
    const window = h.subscribe({ limit: 5 }, { queryId: 2 });
    expect([...window.rows.keys()].sort()).toEqual(['a', 'b']);
    const framesBefore = plain.frames;
    await h.settle(999);
    expect(h.plane.read('todos', 'a')?.value).toBe(1);
    await h.settle(1);
    expect(h.plane.read('todos', 'a')).toBeNull();
    expect(plain.frames).toBe(framesBefore);
    expect(plain.values(h.runtime.now())).toEqual(new Map([['b', 2]]));
    expect([...window.rows.keys()]).toEqual(['b']);
    expect(h.subscribe({ where: { $or: [{ _key: 'a' }, { _key: 'b' }] } }).rows.size).toBe(1);
  });

  it('brings the next row into a window when one runs out', async () => {
    const h = await PlaneHarness.open(one);
    const now = h.runtime.now();
    await h.write({ key: 'a', set: 1, at: stamp(now), ttlMs: 10 }, set('b', 2, now), set('c', 3, now));
    const window = h.subscribe({ limit: 1 });
    expect([...window.rows.keys()]).toEqual(['a']);
    await h.settle(10);
    expect([...window.rows.keys()]).toEqual(['b']);
    expect(window.left).toEqual(['a']);
  });

  it('survives a wall clock that is set back', async () => {
    const h = await PlaneHarness.open(one);
    await h.write({ key: 'a', set: 1, at: stamp(h.runtime.now()), ttlMs: 1000 });
    const window = h.subscribe({ limit: 1 });
    h.runtime.shiftWall(-5_000);
    await h.settle(1_000);
    expect(window.rows.size).toBe(1);
    await h.settle(5_000);
    expect(window.rows.size).toBe(0);
  });
});

describe('the tombstone horizon', () => {
  const tuning = { tombstoneRetentionMs: 30 * DAY, horizonIntervalMs: 60 * 60 * 1000 };

  async function withOldDeletion(): Promise<{ h: PlaneHarness; start: number }> {
    const h = await PlaneHarness.open({ ...one, tuning });
    const start = h.runtime.now();
    await h.write(set('gone', 1, start), set('stays', 1, start));
    await h.write({ key: 'gone', remove: true, at: stamp(start + 10) });
    return { h, start };
  }

  it('keeps deletions for the time of retention and forgets them afterwards', async () => {
    const { h } = await withOldDeletion();
    await h.settle(29 * DAY);
    expect(h.plane.stats().totals.records).toBe(2);
    expect(h.plane.stats().shards[0]?.horizonMs).toBe(0);
    await h.settle(2 * DAY);
    expect(h.plane.stats().totals.records).toBe(1);
    expect(h.plane.stats().shards[0]?.horizonMs).toBeGreaterThan(0);
  });

  it('refuses an op from before what it has forgotten, so that the key stays deleted, also after a restart', async () => {
    const { h, start } = await withOldDeletion();
    await h.settle(31 * DAY);
    const old = set('gone', 'zombie', start + 5);
    expect((await h.write(old)).map(({ code }) => code)).toEqual(['STALE_OP']);
    const successor = await h.reopened({ tuning });
    expect((await successor.write(old)).map(({ code }) => code)).toEqual(['STALE_OP']);
    expect(successor.plane.read('todos', 'gone')).toBeNull();
    expect(await successor.write(set('gone', 'new', h.runtime.now()))).toEqual([]);
  });

  it('still acks old ops that are in, or have lost', async () => {
    const { h, start } = await withOldDeletion();
    await h.settle(31 * DAY);
    expect(await h.write(set('stays', 1, start), set('stays', 0, start - 1))).toEqual([]);
  });

  it('takes counters of any age: their totals can only be too low', async () => {
    const { h, start } = await withOldDeletion();
    await h.settle(31 * DAY);
    expect(await h.write({ key: 'hits', totals: [3, 0], at: stamp(start) })).toEqual([]);
  });

  it('judges ops that were queued before it moved by the new horizon, as a replay would', async () => {
    const { h, start } = await withOldDeletion();
    await h.settle(29 * DAY);
    h.backbone.fault = () => 'hold';
    await h.settle(2 * DAY);
    const late = start0(h, set('gone', 'zombie', start + 20));
    await h.settle();
    h.backbone.fault = () => 'none';
    h.backbone.release();
    await h.settle();
    expect(late.answer?.map(({ code }) => code)).toEqual(['STALE_OP']);
    expect((await h.reopened({ tuning })).plane.read('todos', 'gone')).toBeNull();
  });

  it('resets cursors from before the deletions it has forgotten, and no others', async () => {
    const { h } = await withOldDeletion();
    const early = h.subscribe();
    early.stream.close();
    early.cursors.set(0, 1);
    await h.settle(31 * DAY);
    const resumed = h.subscribe({}, { client: early });
    expect(resumed.resets).toEqual([[0]]);
    expect([...resumed.values(h.runtime.now()).keys()]).toEqual(['stays']);

    const late = h.subscribe({}, { queryId: 2 });
    late.stream.close();
    expect(h.subscribe({}, { client: late }).resets).toEqual([]);
    const ofOtherMap = h.subscribe({}, { map: 'other' });
    ofOtherMap.stream.close();
    ofOtherMap.cursors.set(0, 1);
    expect(h.subscribe({}, { client: ofOtherMap, map: 'other' }).resets).toEqual([]);
  });

  it('resets a stream that is behind when the deletions that it had still to tell are forgotten', async () => {
    const { h } = await withOldDeletion();
    const client = h.subscribe();
    await h.write(set('late', 1, h.runtime.now()));
    await h.settle();
    client.hasRoom = false;
    await h.write({ key: 'late', remove: true, at: stamp(h.runtime.now() + 1) });
    await h.settle(31 * DAY);
    client.hasRoom = true;
    client.stream.resume();
    expect(client.resets).toEqual([[0]]);
    expect([...client.values(h.runtime.now()).keys()]).toEqual(['stays']);
  });

  it('prunes what OR records remember of removals', async () => {
    const h = await PlaneHarness.open({ ...one, tuning, limits: { maxElementsPerKey: 4 } });
    const start = h.runtime.now();
    for (let i = 0; i < 3; i++) {
      await h.write({ key: 'tags', add: i, at: stamp(start + i) });
      await h.write({ key: 'tags', drop: [stamp(start + i)], at: stamp(start + 10 + i) });
    }
    await h.write({ key: 'tags', add: 'kept', at: stamp(start + 20) });
    expect((await h.write({ key: 'tags', add: 'full', at: stamp(start + 21) }))[0]?.code).toBe('LIMIT_EXCEEDED');
    await h.settle(31 * DAY);
    expect(await h.write({ key: 'tags', add: 'more', at: stamp(h.runtime.now()) })).toEqual([]);
    expect(h.plane.read('todos', 'tags')?.value).toEqual(['kept', 'more']);
    expect((await h.write({ key: 'tags', add: 0, at: stamp(start) }))[0]?.code).toBe('STALE_OP');
    expect((await h.reopened({ tuning })).plane.read('todos', 'tags')?.value).toEqual(['kept', 'more']);
  });

  it('forgets records past their deadline', async () => {
    const h = await PlaneHarness.open({ ...one, tuning });
    await h.write({ key: 'a', set: 1, at: stamp(h.runtime.now()), ttlMs: 1000 });
    await h.settle(31 * DAY);
    expect(h.plane.stats().totals.records).toBe(0);
  });

  it('writes nothing when there is nothing to forget', async () => {
    const h = await PlaneHarness.open({ ...one, tuning });
    await h.write(set('a', 1, h.runtime.now()));
    const before = h.backbone.appended;
    await h.settle(90 * DAY);
    expect(h.backbone.appended).toBe(before);
  });
});

const start0 = start;
