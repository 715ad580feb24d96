import { MAX_MS } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { TestRuntime } from '../testing/TestRuntime.js';
import { NodeClock } from './NodeClock.js';

const HOUR = 3_600_000;
const DRIFT = 60_000;

function setUp(): { runtime: TestRuntime; clock: NodeClock; start: number } {
  const runtime = new TestRuntime();
  return { runtime, clock: new NodeClock(runtime, DRIFT), start: runtime.now() };
}

describe('the clock of a node', () => {
  it('is the wall clock while that goes forward, by whatever it goes', () => {
    const { runtime, clock } = setUp();
    expect(clock.now()).toBe(runtime.now());
    runtime.advance(5_000);
    expect(clock.now()).toBe(runtime.now());
    runtime.shiftWall(HOUR);
    expect(clock.now()).toBe(runtime.now());
  });

  it('never goes back: behind a wall clock that was set back it goes on, slower, until that has come up to it', () => {
    const { runtime, clock, start } = setUp();
    expect(clock.now()).toBe(start);
    runtime.shiftWall(-HOUR);
    expect(clock.now()).toBe(start);
    runtime.advance(10_000);
    expect(clock.now()).toBe(start + 9_000);
    // A tenth of real time is made up: an hour takes ten.
    runtime.advance(9 * HOUR);
    expect(clock.now()).toBeGreaterThan(runtime.now());
    runtime.advance(HOUR);
    expect(clock.now()).toBe(runtime.now());
  });

  it('follows the timestamps of data, as far as they can be right', () => {
    const { runtime, clock, start } = setUp();
    clock.observe(start + DRIFT);
    expect(clock.now()).toBe(start);
    clock.observe(start + HOUR);
    expect(clock.now()).toBe(start + HOUR - DRIFT);
    clock.observe(start + HOUR / 2);
    runtime.advance(1_000);
    expect(clock.now()).toBe(start + HOUR - DRIFT + 900);
  });

  it('is not carried ahead by data when it was not read for long', () => {
    const { runtime, clock } = setUp();
    clock.now();
    runtime.advance(HOUR);
    clock.observe(runtime.now());
    runtime.advance(1_000);
    expect(clock.now()).toBe(runtime.now());
  });

  it('ends where timestamps end', () => {
    const { clock } = setUp();
    clock.observe(Number.MAX_SAFE_INTEGER);
    expect(clock.now()).toBe(MAX_MS);
  });
});
