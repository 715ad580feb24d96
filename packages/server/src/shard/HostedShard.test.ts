import { shardOfKey } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { type Op, stamp } from '../testing/ops.js';
import { NONE, owner, PlaneCluster, STANDBY } from '../testing/PlaneCluster.js';
import { decodeLogRecord } from './logRecord.js';

const set = (key: string, value: unknown, ms: number): Op => ({ key, set: value, at: stamp(ms) });
const ACKED = { rejected: [], notOwner: [] };
const MOVED = { rejected: [], notOwner: [0] };

const marks = (cluster: PlaneCluster, shard = 0): string[] => {
  const contents = cluster.shared.log.after(shard, 0).map(({ bytes }) => decodeLogRecord(bytes));
  return contents.flatMap((content) => (content.type === 'epoch' ? [`${content.epoch} ${content.nodeId}`] : []));
};

describe('a node that shares its backbone', () => {
  it('hosts nothing until it is told to', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    expect(a.hosting()).toEqual({ state: 'absent', readiness: 0, epoch: 0, appliedSeq: 0 });
    expect(a.plane.owns(0)).toBe(false);
    const write = a.start(set('k', 1, 1));
    await cluster.settle();
    expect(write.answer).toEqual(MOVED);
    expect(() => a.read('k')).toThrow(expect.objectContaining({ code: 'NOT_OWNER' }));
    expect(() => a.subscribe()).toThrow(expect.objectContaining({ code: 'NOT_OWNER' }));
    expect(a.plane.readyProblem()).toBeNull();
  });

  it('serves what it owns, behind a mark of its epoch', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.be(owner(3));
    await cluster.settle();
    expect(a.hosting()).toMatchObject({ state: 'idle', readiness: 2, epoch: 3 });
    const write = a.start(set('k', 1, 1));
    await cluster.settle();
    expect(write.answer).toEqual(ACKED);
    expect(marks(cluster)).toEqual(['3 node-0']);
    expect(a.plane.stats().shards[0]).toMatchObject({ role: 'owner', epoch: 3, takeovers: 1, lastTakeoverMs: 0 });
  });

  it('does not take ops for shards of others, and takes the rest of the batch', async () => {
    const cluster = new PlaneCluster({ shardCount: 2 });
    const a = await cluster.node();
    a.be(owner(1), 0);
    await cluster.settle();
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    const write = a.start(...keys.map((key) => set(key, 1, 1)));
    await cluster.settle();
    const foreign = keys.flatMap((key, i) => (shardOfKey(key, 2) === 1 ? [i] : []));
    expect(write.answer).toEqual({ rejected: [], notOwner: foreign });
  });

  it('forgets what it no longer hosts', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.be(owner(1));
    await cluster.settle();
    a.start(set('k', 1, 1));
    await cluster.settle();
    a.be(NONE);
    await cluster.settle();
    expect(a.hosting()).toEqual({ state: 'absent', readiness: 0, epoch: 0, appliedSeq: 0 });
    expect(a.plane.stats().totals).toMatchObject({ records: 0, queuedBytes: 0, logBytes: 0 });
    expect(a.plane.stats().shards[0]).toMatchObject({ role: 'none', logSeq: 0, lagMs: null });
  });

  it('leaves no timers behind when it closes, whatever it was doing', async () => {
    for (const role of [NONE, STANDBY, owner(2)]) {
      const cluster = new PlaneCluster();
      const a = await cluster.node();
      a.be(role);
      await a.plane.close();
      const b = await cluster.node();
      b.be(role);
      await cluster.settle(3_000);
      await b.plane.close();
      expect(cluster.runtime.pendingTimers).toBe(0);
      expect(b.hosting()).toMatchObject({ state: 'closed', readiness: 0 });
    }
  });
});

describe('a standby', () => {
  it('holds what the owner has, record by record', async () => {
    const cluster = new PlaneCluster();
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(1));
    await cluster.settle();
    a.start(set('k', 1, 1));
    await cluster.settle();
    b.be(STANDBY);
    await cluster.settle();
    expect(b.hosting()).toMatchObject({ state: 'standby', readiness: 1, appliedSeq: a.hosting().appliedSeq, epoch: 1 });
    a.start(set('l', 1, 1));
    await cluster.settle();
    expect(b.hosting().appliedSeq).toBe(a.hosting().appliedSeq);
    expect(b.plane.stats().totals.records).toBe(2);
    expect(() => b.read('k')).toThrow(expect.objectContaining({ code: 'NOT_OWNER' }));
  });

  it('tells how far it is behind, and is not hot while it is', async () => {
    const cluster = new PlaneCluster();
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(1));
    b.be(STANDBY);
    await cluster.settle(1_100);
    expect(b.plane.stats().shards[0]).toMatchObject({ lagRecords: 0 });
    // The tail is silent, though the log can be asked.
    const { watchers } = cluster.shared.log.shard(0);
    watchers.clear();
    a.start(set('k', 1, 1));
    for (let i = 0; i < 4; i++) await cluster.settle(1_000);
    expect(b.plane.stats().shards[0]).toMatchObject({ lagRecords: 1 });
    expect(b.hosting().readiness).toBe(0);
    // It does not stay that way.
    for (let i = 0; i < 12; i++) await cluster.settle(1_000);
    expect(b.hosting()).toMatchObject({ readiness: 1, appliedSeq: a.hosting().appliedSeq });
  });

  it('restores anew when records that it has missed are gone', async () => {
    const cluster = new PlaneCluster({ tuning: { snapshotLogBytes: 200 } });
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(1));
    b.be(STANDBY);
    await cluster.settle();
    b.link.cut();
    for (let i = 0; i < 10; i++) {
      a.start(set(`k${i}`, 'x'.repeat(100), i));
      await cluster.settle();
    }
    expect(cluster.shared.log.after(0, 0).length).toBeLessThan(5);
    b.link.mend();
    await cluster.settle(1_000);
    expect(b.hosting()).toMatchObject({ state: 'standby', appliedSeq: a.hosting().appliedSeq, epoch: 1 });
    expect(b.plane.stats().totals.records).toBe(10);
  });

  it('tries to restore until it succeeds, and says so once', async () => {
    const warnings: string[] = [];
    const silent = () => undefined;
    const warn = (_: unknown, text?: string): void => void warnings.push(text ?? '');
    const cluster = new PlaneCluster({ logger: { debug: silent, info: silent, error: silent, warn } });
    const b = await cluster.node();
    b.log.readsFail = true;
    b.be(STANDBY);
    for (let i = 0; i < 20; i++) await cluster.settle(1_000);
    expect(b.hosting()).toMatchObject({ state: 'restoring', readiness: 0 });
    expect(warnings).toEqual(['shard cannot be restored, trying on']);
    expect(b.log.restores).toBeLessThan(30);
    b.log.readsFail = false;
    await cluster.settle(2_000);
    expect(b.hosting().state).toBe('standby');
  });
});

describe('taking over', () => {
  it('catches up with all that was acked before it serves', async () => {
    const cluster = new PlaneCluster();
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(1));
    b.be(STANDBY);
    await cluster.settle();
    cluster.shared.log.shard(0).watchers.clear();
    const writes = Array.from({ length: 5 }, (_, i) => a.start(set(`k${i}`, i, 1)));
    await cluster.settle();
    expect(writes.every(({ answer }) => answer?.rejected.length === 0)).toBe(true);
    b.be(owner(2));
    await cluster.settle();
    expect(b.hosting()).toMatchObject({ readiness: 2, epoch: 2 });
    expect([0, 1, 2, 3, 4].map((i) => b.read(`k${i}`))).toEqual([0, 1, 2, 3, 4]);
    expect(marks(cluster)).toEqual(['1 node-0', '2 node-1']);
  });

  it('fences the former owner, which acks nothing more, and which goes on as what it was told', async () => {
    const cluster = new PlaneCluster();
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(1));
    b.be(STANDBY);
    await cluster.settle();
    b.be(owner(2));
    await cluster.settle();
    const stale = a.start(set('k', 'stale', 1));
    await cluster.settle();
    expect(stale.answer).toEqual(MOVED);
    expect(a.plane.owns(0)).toBe(false);
    // Still told to be the owner, it learns from the log that it is not, and is a standby in all but name.
    await cluster.settle(5_000);
    expect(a.hosting()).toMatchObject({ state: 'standby', readiness: 1, epoch: 2 });
    const later = a.start(set('k', 'stale', 1));
    await cluster.settle();
    expect(later.answer).toEqual(MOVED);
    expect(b.read('k')).toBeUndefined();
    a.be(owner(3));
    await cluster.settle();
    expect(a.hosting()).toMatchObject({ readiness: 2, epoch: 3 });
  });

  it('is noticed by a former owner that nobody writes to', async () => {
    const cluster = new PlaneCluster();
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(1));
    b.be(STANDBY);
    await cluster.settle();
    const client = a.subscribe();
    b.be(owner(2));
    await cluster.settle();
    b.start(set('k', 1, 1));
    await cluster.settle();
    expect(client.moved).toBe(0);
    for (let i = 0; i < 3; i++) await cluster.settle(1_000);
    expect(client.moved).toBe(1);
    expect(a.hosting()).toMatchObject({ state: 'standby', epoch: 2 });
    expect(b.hosting()).toMatchObject({ readiness: 2, epoch: 2 });
  });

  it('fences an owner that stood still with a record on its way', async () => {
    const cluster = new PlaneCluster();
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(1));
    b.be(STANDBY);
    await cluster.settle();
    a.link.freeze();
    const stale = a.start(set('k', 'stale', 1), set('l', 'stale', 1));
    await cluster.settle();
    b.be(owner(2));
    await cluster.settle();
    const fresh = b.start(set('l', 'fresh', 2));
    await cluster.settle();
    a.link.thaw();
    await cluster.settle();
    expect(stale.answer).toEqual({ rejected: [], notOwner: [0, 1] });
    expect(fresh.answer).toEqual(ACKED);
    expect([b.read('k'), b.read('l')]).toEqual([undefined, 'fresh']);
  });

  it('acks what landed before another took over, though the answer was lost', async () => {
    const cluster = new PlaneCluster();
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(1));
    b.be(STANDBY);
    await cluster.settle();
    a.log.fault = () => 'lose';
    const write = a.start(set('k', 1, 1));
    await cluster.settle();
    b.be(owner(2));
    await cluster.settle(1_000);
    expect(write).toEqual({ answer: ACKED, answers: 1 });
    expect(b.read('k')).toBe(1);
    expect(a.plane.owns(0)).toBe(false);
  });

  it('finds its mark when the answer was lost, and leaves one mark', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.log.fault = () => 'lose';
    a.be(owner(1));
    await cluster.settle();
    expect(a.hosting().state).toBe('opening');
    a.log.fault = () => 'none';
    await cluster.settle(1_000);
    expect(a.hosting().readiness).toBe(2);
    expect(marks(cluster)).toEqual(['1 node-0']);
    expect(a.log.appends).toBe(1);
  });

  it('goes on trying while the log fails', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.log.fault = () => 'refuse';
    a.be(owner(1));
    for (let i = 0; i < 6; i++) await cluster.settle(1_000);
    expect(a.hosting().state).toBe('opening');
    expect(a.plane.readyProblem()).toContain('opening');
    a.log.fault = () => 'none';
    await cluster.settle(3_000);
    expect(a.hosting().readiness).toBe(2);
    expect(a.plane.readyProblem()).toBeNull();
  });

  it('does not happen when the log knows of a later owner', async () => {
    const cluster = new PlaneCluster();
    const [a, b] = [await cluster.node(), await cluster.node()];
    b.be(owner(5));
    await cluster.settle();
    a.be(owner(4));
    const write = a.start(set('k', 1, 1));
    await cluster.settle();
    expect(a.hosting()).toMatchObject({ state: 'standby', epoch: 5 });
    expect(a.plane.owns(0)).toBe(false);
    expect(write.answer).toEqual(MOVED);
    expect(marks(cluster)).toEqual(['5 node-1']);
  });

  it('remembers epochs beyond snapshots', async () => {
    const cluster = new PlaneCluster({ tuning: { snapshotLogBytes: 100 } });
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(7));
    await cluster.settle();
    for (let i = 0; i < 5; i++) {
      a.start(set(`k${i}`, 'x'.repeat(200), i));
      await cluster.settle();
    }
    expect(marks(cluster)).toEqual([]);
    b.be(owner(6));
    await cluster.settle();
    expect(b.hosting()).toMatchObject({ state: 'standby', epoch: 7 });
  });

  it('lets writes wait, and answers them once it serves', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.log.fault = () => 'hold';
    a.be(owner(1));
    const early = a.start(set('k', 1, 1), set('l', 1, 1));
    await cluster.settle();
    const late = a.start(set('k', 2, 2));
    await cluster.settle(2_000);
    expect([early.answer, late.answer]).toEqual([null, null]);
    expect(a.plane.owns(0)).toBe(true);
    expect(() => a.read('k')).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
    a.log.fault = () => 'none';
    a.log.release();
    await cluster.settle();
    expect([early.answer, late.answer]).toEqual([ACKED, ACKED]);
    expect(a.read('k')).toBe(2);
    expect(a.plane.stats().totals.queuedBytes).toBe(0);
  });

  it('does not let writes wait for long, nor for more than there is room', async () => {
    const cluster = new PlaneCluster({ tuning: { maxQueuedBytes: 1_000 } });
    const a = await cluster.node();
    a.log.fault = () => 'hold';
    a.be(owner(1));
    const pending = Array.from({ length: 20 }, (_, i) => a.start(set(`k${i}`, 'x'.repeat(50), i)));
    await cluster.settle();
    const refused = pending.filter(({ answer }) => answer !== null);
    expect(refused.length).toBeGreaterThan(5);
    expect(refused.every(({ answer }) => answer?.rejected[0]?.code === 'UNAVAILABLE')).toBe(true);
    await cluster.settle(5_000);
    expect(pending.every(({ answer, answers }) => answers === 1 && answer?.rejected[0]?.code === 'UNAVAILABLE')).toBe(
      true,
    );
    const late = a.start(set('k', 1, 1));
    await cluster.settle();
    expect(late.answer?.rejected[0]?.code).toBe('UNAVAILABLE');
  });

  it('hands writes that wait to whoever is the owner then', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.log.fault = () => 'hold';
    a.be(owner(1));
    const write = a.start(set('k', 1, 1));
    await cluster.settle();
    a.be(STANDBY);
    await cluster.settle();
    expect(write.answer).toEqual(MOVED);
  });
});

describe('giving a shard away', () => {
  it('settles what is on its way, and passes on what is queued', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.be(owner(1));
    await cluster.settle();
    a.log.fault = () => 'hold';
    const sent = a.start(set('k', 1, 1));
    await cluster.settle();
    const queued = a.start(set('l', 1, 1));
    a.be(STANDBY);
    const late = a.start(set('m', 1, 1));
    await cluster.settle();
    expect(a.hosting().state).toBe('closing');
    expect([sent.answer, queued.answer, late.answer]).toEqual([null, MOVED, MOVED]);
    a.log.release();
    await cluster.settle();
    expect(sent.answer).toEqual(ACKED);
    expect(a.hosting()).toMatchObject({ state: 'standby', readiness: 1 });
    expect(a.plane.stats().totals.records).toBe(1);
  });

  it('does not wait for ever for a log that is silent', async () => {
    const cluster = new PlaneCluster();
    const a = await cluster.node();
    a.be(owner(1));
    await cluster.settle();
    a.log.fault = () => 'hold';
    const sent = a.start(set('k', 1, 1));
    await cluster.settle();
    a.be(STANDBY);
    await cluster.settle(6_000);
    expect(sent.answer?.rejected.map(({ code }) => code)).toEqual(['UNAVAILABLE']);
    expect(a.hosting().state).toBe('standby');
    // It lands all the same, and is there, as its author will find when he sends it again.
    a.log.fault = () => 'none';
    a.log.release();
    await cluster.settle();
    expect(a.plane.stats().totals).toMatchObject({ records: 1, queuedBytes: 0 });
    a.be(owner(2));
    await cluster.settle();
    const again = a.start(set('k', 1, 1));
    await cluster.settle();
    expect(again).toEqual({ answer: ACKED, answers: 1 });
  });

  it('and taking it back shows what others wrote in between', async () => {
    const cluster = new PlaneCluster();
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.be(owner(1));
    await cluster.settle();
    a.start(set('k', 'a', 1));
    await cluster.settle();
    a.be(STANDBY);
    b.be(owner(2));
    await cluster.settle();
    b.start(set('k', 'b', 2));
    await cluster.settle();
    b.be(STANDBY);
    a.be(owner(3));
    await cluster.settle();
    expect(a.read('k')).toBe('b');
    expect(marks(cluster)).toEqual(['1 node-0', '2 node-1', '3 node-0']);
    expect(a.plane.stats().shards[0]?.takeovers).toBe(2);
  });

  it.each([
    ['while it restores', [STANDBY, NONE, STANDBY]],
    ['while it opens', [owner(1), NONE, owner(1)]],
    ['and ends as nothing', [owner(1), STANDBY, owner(2), NONE]],
    ['and ends as a standby', [STANDBY, NONE, owner(1), STANDBY]],
    ['with epoch upon epoch', [owner(1), owner(2), STANDBY, owner(3)]],
  ])('is safe however fast roles change %s', async (_, roles) => {
    for (let pace = 0; pace < 4; pace++) {
      const cluster = new PlaneCluster({ delay: () => 1 });
      const a = await cluster.node();
      for (const role of roles) {
        a.be(role);
        if (pace > 0) await cluster.settle(pace);
      }
      for (let i = 0; i < 20; i++) await cluster.settle(50);
      const last = roles.at(-1);
      const readiness = last?.name === 'owner' ? 2 : last?.name === 'standby' ? 1 : 0;
      expect(a.hosting().readiness).toBe(readiness);
      if (last?.name === 'owner') expect(a.hosting().epoch).toBe(last.epoch);
    }
  });
});
