import { TopGunError } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { type Change, CommitQueue } from './CommitQueue.js';
import { numberedKey } from './testing/bytes.js';

const FULL = new TopGunError('STORAGE_FULL', 'full');
const BROKEN = new TopGunError('STORAGE_FAILED', 'broken');

/** Changes whose keys are their numbers. */
function changes(...numbers: number[]): Change[] {
  return numbers.map((number) => ({ table: 'rows', key: numberedKey(number), value: new Uint8Array(1) }));
}

function numbersOf(group: readonly Change[]): number[] {
  return group.map(({ key }) => key[3] ?? 0);
}

/** A queue whose writes end when the test says how. */
function harness() {
  const groups: number[][] = [];
  const endings: ((error: TopGunError | null) => void)[] = [];
  const queue = new CommitQueue((group) => {
    groups.push(numbersOf(group));
    return new Promise((resolve) => endings.push(resolve));
  });
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    queue,
    groups,
    turn,
    async end(error: TopGunError | null = null): Promise<void> {
      endings.shift()?.(error);
      await turn();
      await turn();
    },
  };
}

describe('CommitQueue', () => {
  it('writes as one group what one turn of the event loop asks for, and what asks while a group is written', async () => {
    const h = harness();
    const first = [h.queue.commit(changes(1), {}), h.queue.commit(changes(2, 3), {})];
    await h.turn();
    const second = [h.queue.commit(changes(4), {}), h.queue.commit(changes(5), {})];
    await h.turn();
    expect(h.groups).toEqual([[1, 2, 3]]);
    await h.end();
    await Promise.all(first);
    expect(h.groups).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    await h.end();
    await Promise.all(second);
  });

  it('takes into the next group what those who were just answered ask for', async () => {
    const h = harness();
    const both = [1, 2].map((number) => h.queue.commit(changes(number), {}).then(() => h.queue.commit(changes(9), {})));
    const queued = h.turn().then(() => h.queue.commit(changes(3), {}));
    await h.turn();
    await h.end();
    expect(h.groups[1]).toEqual([3, 9, 9]);
    await h.end();
    await Promise.all([...both, queued]);
  });

  it('fails a whole group with its error, and goes on with the next', async () => {
    const h = harness();
    const results = Promise.allSettled([h.queue.commit(changes(1), {}), h.queue.commit(changes(2), {})]);
    await h.turn();
    const later = h.queue.commit(changes(3), {});
    await h.end(BROKEN);
    await h.end();
    expect(await results).toEqual([
      { status: 'rejected', reason: BROKEN },
      { status: 'rejected', reason: BROKEN },
    ]);
    await later;
  });

  it('fails what is queued in the lane of a failed commit, in the same turn, and nothing else', async () => {
    const h = harness();
    const failed: number[] = [];
    const commit = (number: number, lane: number) =>
      h.queue.commit(changes(number), { lane, onFailure: () => failed.push(number) });
    const first = commit(1, 7);
    await h.turn();
    const rest = Promise.allSettled([first, commit(2, 7), commit(3, 8)]);
    await h.end(BROKEN);
    expect(failed).toEqual([1, 2]);
    expect(h.groups[1]).toEqual([3]);
    await h.end();
    expect((await rest).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  });

  it('tries one by one what the disk has no space for together', async () => {
    const h = harness();
    const results = Promise.allSettled([1, 2, 3].map((number) => h.queue.commit(changes(number), {})));
    await h.turn();
    await h.end(FULL);
    await h.end(null);
    await h.end(FULL);
    await h.end(null);
    expect(h.groups).toEqual([[1, 2, 3], [1], [2], [3]]);
    expect((await results).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('bounds a group by its bytes', async () => {
    const h = harness();
    const large = (number: number): Change[] => [
      { table: 'rows', key: numberedKey(number), value: new Uint8Array(5 * 1024 * 1024) },
    ];
    const all = [1, 2, 3].map((number) => h.queue.commit(large(number), {}));
    await h.turn();
    for (const one of all) {
      await h.end();
      await one;
    }
    expect(h.groups).toEqual([[1], [2], [3]]);
  });

  it('is idle when nothing is queued or under way', async () => {
    const h = harness();
    await h.queue.idle();
    const one = h.queue.commit(changes(1), {});
    let isIdle = false;
    const idle = h.queue.idle().then(() => {
      isIdle = true;
    });
    await h.turn();
    expect(isIdle).toBe(false);
    await h.end();
    await Promise.all([one, idle]);
  });
});
