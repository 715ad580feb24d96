import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom, VirtualTime } from './VirtualTime.js';

describe('VirtualTime', () => {
  it('fires timers at their moment, those of one moment in the order they were set', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(50), { maxLength: 60 }), async (delays) => {
        const time = new VirtualTime();
        const fired: { delay: number; index: number; at: number }[] = [];
        delays.forEach((delay, index) => {
          time.setTimer(delay, () => fired.push({ delay, index, at: time.now }));
        });
        await time.advance(50);
        expect(fired.map(({ index }) => index)).toEqual(
          delays.map((_, index) => index).sort((a, b) => (delays[a] ?? 0) - (delays[b] ?? 0) || a - b),
        );
        expect(fired.every(({ delay, at }) => delay === at)).toBe(true);
      }),
    );
  });

  it('does not fire what was cleared, nor what is due later', async () => {
    const time = new VirtualTime();
    const fired: number[] = [];
    const timers = [10, 20, 30, 40].map((delay) => time.setTimer(delay, () => fired.push(delay)));
    for (const timer of timers.slice(1, 2)) time.clearTimer(timer);
    await time.advance(30);
    expect(fired).toEqual([10, 30]);
    expect(time.now).toBe(30);
  });

  it('fires timers that timers set, within the same advance', async () => {
    const time = new VirtualTime();
    const ticks: number[] = [];
    const tick = (): void => {
      ticks.push(time.now);
      time.setTimer(10, tick);
    };
    tick();
    await time.advance(35);
    expect(ticks).toEqual([0, 10, 20, 30]);
  });

  it('lets promises settle between timers, however long their chain', async () => {
    const time = new VirtualTime();
    const log: string[] = [];
    time.setTimer(5, () => {
      let chain = Promise.resolve();
      for (let i = 0; i < 100; i++) chain = chain.then(() => {});
      void chain.then(() => log.push(`promise at ${time.now}`));
    });
    time.setTimer(5, () => log.push(`timer at ${time.now}`));
    await time.advance(6);
    expect(log).toEqual(['promise at 5', 'timer at 5']);
  });

  it('fires late what was due during a sleep', async () => {
    const time = new VirtualTime();
    const fired: number[] = [];
    time.setTimer(10, () => fired.push(time.now));
    time.setTimer(20, () => fired.push(time.now));
    await time.sleep(100);
    expect(fired).toEqual([100, 100]);
  });

  it('gives each runtime its own wall clock and random numbers, the same for the same seed', async () => {
    const time = new VirtualTime();
    const [a, b, c] = [1, 1, 2].map((seed) => time.runtime({ seed, wallAt: 1_000 }));
    expect([a?.random(), a?.id()]).toEqual([b?.random(), b?.id()]);
    expect(a?.random()).not.toBe(c?.random());
    expect(a?.id(10)).toMatch(/^[0-9a-z]{10}$/);
    a?.shiftWall(-500);
    await time.advance(100);
    expect([a?.now(), b?.now(), a?.monotonic()]).toEqual([600, 1_100, 100]);
  });
});

describe('seededRandom', () => {
  it('is uniform in [0, 1)', () => {
    const random = seededRandom(42);
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i++) {
      const bucket = Math.floor(random() * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) expect(count).toBeGreaterThan(850);
    expect(buckets.reduce((sum, count) => sum + count, 0)).toBe(10_000);
  });
});
