import { describe, expect, it } from 'vitest';
import { TestRuntime } from '../testing/TestRuntime.js';
import { Turns } from './Turns.js';

function turnsOf(runtime = new TestRuntime()): { runtime: TestRuntime; turns: Turns; done: string[] } {
  return { runtime, turns: new Turns(runtime), done: [] };
}

describe('turns', () => {
  it('are taken at once while there is work left in this one', () => {
    const { runtime, turns, done } = turnsOf();
    for (const name of ['a', 'b', 'c']) turns.run({}, () => done.push(name) * 0 + 0.5);
    expect(done).toEqual(['a', 'b']);
    runtime.advance(0);
    expect(done).toEqual(['a', 'b', 'c']);
    expect(runtime.pendingTimers).toBe(0);
  });

  it('go round among owners, whatever the number of their tasks', () => {
    const { runtime, turns, done } = turnsOf();
    const greedy = {};
    for (let i = 0; i < 100; i++) turns.later(greedy, () => done.push(`greedy ${i}`) * 0 + 1);
    turns.later({}, () => done.push('modest') * 0 + 1);
    runtime.advance(0);
    expect(done).toHaveLength(101);
    expect(done.indexOf('modest')).toBe(1);
  });

  it('come one a timer, so that others have theirs between', () => {
    const { turns, done } = turnsOf();
    const timers: (() => void)[] = [];
    const runtime = new TestRuntime();
    runtime.setTimer = (_, run) => {
      timers.push(run);
      return {};
    };
    const loop = new Turns(runtime);
    for (let i = 0; i < 3; i++) loop.later(turns, () => done.push('x') * 0 + 1);
    for (let i = 1; i <= 3; i++) {
      expect(timers).toHaveLength(i);
      timers[i - 1]?.();
      expect(done).toHaveLength(i);
    }
    expect(timers).toHaveLength(3);
  });

  it('that are given up are not taken, and leave no timer behind', () => {
    const { runtime, turns, done } = turnsOf();
    const owner = {};
    const task = (): number => done.push('never');
    turns.later(owner, task);
    turns.drop(owner, task);
    turns.drop(owner, task);
    expect(runtime.pendingTimers).toBe(0);
    runtime.advance(1);
    expect(done).toEqual([]);
  });

  it('may be asked for again from within', () => {
    const { runtime, turns, done } = turnsOf();
    const owner = {};
    const task = (): number => {
      if (done.push('x') < 5) turns.run(owner, task);
      return 0.6;
    };
    turns.run(owner, task);
    for (let i = 0; i < 5; i++) runtime.advance(0);
    expect(done).toHaveLength(5);
    expect(runtime.pendingTimers).toBe(0);
  });
});
