import { TopGunError } from '@topgunbuild/core';
import type { Random } from '../kernel/Random.js';
import type { SimProcess } from '../kernel/SimProcess.js';
import type { VirtualTime } from '../kernel/VirtualTime.js';

/** What becomes of a call, beyond what befalls the way. */
export interface CallFate {
  /** The work is done so many ms late; null = never. */
  readonly doneAfterMs: number | null;
  /** The caller gets an error after so many ms; null = the result. */
  readonly failsAfterMs: number | null;
}

const WORKS: CallFate = { doneAfterMs: 0, failsAfterMs: null };
/** No call waits longer for its answer. */
const CALL_TIMEOUT_MS = 3_000;

/**
 * One process's way to one thing that all share: both directions keep their order, and nothing is lost while the way is
 * whole. It may stall (all waits) or break (what is on its way is lost, or was just in time). A stopped process neither sends
 * nor hears; what reached its machine waits for it.
 */
export class Way {
  readonly process: SimProcess;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #delay: () => number;
  readonly #there: Lane;
  readonly #back: Lane;
  #state: 'up' | 'cut' | 'dead' | 'vanished' = 'up';
  readonly #calls = new Set<(error: TopGunError) => void>();
  readonly #listeners = new Set<() => void>();

  constructor(process: SimProcess, time: VirtualTime, random: Random, delay: () => number) {
    this.process = process;
    this.#time = time;
    this.#random = random;
    this.#delay = delay;
    this.#there = new Lane(time);
    this.#back = new Lane(time);
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  /** Whoever looks for the process by this way finds it there, whether it answers or not. */
  get isKnown(): boolean {
    return this.#state === 'up' || this.#state === 'vanished';
  }

  /** To what is shared; lost when the way is broken. */
  send(work: () => void, extraMs = 0): void {
    if (this.#state === 'up' && this.process.isAlive) this.#there.put(this.#delay() + extraMs, work);
  }

  /** To the process; lost when the way is broken. */
  deliver(work: () => void): void {
    if (this.#state === 'up') this.#back.put(this.#delay(), () => this.process.reach(work));
  }

  /** Does `work` there, and resolves with its result. @throws TopGunError UNAVAILABLE: it may have been done, or be yet to be */
  call<T>(work: () => T, fate: CallFate = WORKS): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.process.isAlive) return;
      if (this.#state !== 'up') return reject(unreachable());
      const settle = (run: () => void): void => {
        if (!this.#calls.delete(fail)) return;
        this.process.clearTimer(timer);
        run();
      };
      const fail = (error: TopGunError): void => settle(() => reject(error));
      const timer = this.process.setTimer(CALL_TIMEOUT_MS, () => fail(unreachable()));
      this.#calls.add(fail);
      const { doneAfterMs, failsAfterMs } = fate;
      if (failsAfterMs !== null) this.process.setTimer(failsAfterMs, () => fail(unreachable()));
      if (doneAfterMs === null) return;
      const run = (): void => {
        const result = outcomeOf(work);
        if (failsAfterMs === null) this.deliver(() => settle(() => result(resolve, reject)));
      };
      // What is late lets others pass, and lands even when the way has broken meanwhile.
      if (doneAfterMs > 0) this.#time.at(this.#delay() + doneAfterMs, run);
      else this.send(run);
    });
  }

  /** Told when the way broke and when it is whole again, as the process hears of it. Returns the unsubscribe. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Everything waits, in both directions, until `ms` have passed or the way breaks. */
  stall(ms: number): void {
    this.#there.holdUp(ms);
    this.#back.holdUp(ms);
  }

  /** The way breaks. Of what is on its way some is there already; whoever waits for an answer is told there is none. */
  cut(): void {
    if (this.#state !== 'up') return;
    this.#lose('cut');
    const calls = [...this.#calls];
    this.process.reach(() => {
      for (const fail of calls) fail(unreachable());
      this.#tell();
    });
  }

  /** The way could be whole again: it is as soon as the process, which must do its part, gets to it. */
  mend(): void {
    this.process.reach(() => {
      if (this.#state !== 'cut') return;
      this.#state = 'up';
      this.#tell();
    });
  }

  /** The process has died; what it sent last may arrive or not. `silently`: its machine went with it, and nobody is told. */
  die(silently = false): void {
    if (this.#state !== 'dead' && this.#state !== 'vanished') this.#lose(silently ? 'vanished' : 'dead');
    this.#calls.clear();
    this.#listeners.clear();
  }

  #lose(state: 'cut' | 'dead' | 'vanished'): void {
    this.#state = state;
    // The first of what is on its way has left this machine.
    this.#there.keep(this.#random.chance(0.5) ? this.#random.int(4) : 0);
    this.#back.keep(0);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Sums of times are not exact. */
const EPSILON_MS = 1e-6;

/** One direction: what is put in comes out in order, each after its delay. */
class Lane {
  readonly #time: VirtualTime;
  #queue: { readonly dueAt: number; readonly work: () => void }[] = [];
  #lastAt = 0;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  put(delayMs: number, work: () => void): void {
    const { now } = this.#time;
    this.#lastAt = Math.max(this.#lastAt, now + delayMs);
    this.#queue.push({ dueAt: this.#lastAt, work });
    this.#time.at(this.#lastAt - now, () => this.#takeOut());
  }

  /** Nothing that is put in from now on comes out before. */
  holdUp(ms: number): void {
    this.#lastAt = Math.max(this.#lastAt, this.#time.now + ms);
  }

  /** All but the first `count` are lost. */
  keep(count: number): void {
    this.#queue = this.#queue.slice(0, count);
    this.#lastAt = this.#queue.at(-1)?.dueAt ?? 0;
  }

  #takeOut(): void {
    const end = this.#time.now + EPSILON_MS;
    for (let item = this.#queue[0]; item !== undefined && item.dueAt <= end; item = this.#queue[0]) {
      this.#queue.shift();
      item.work();
    }
  }
}

function outcomeOf<T>(work: () => T): (resolve: (value: T) => void, reject: (error: unknown) => void) => void {
  try {
    const value = work();
    return (resolve) => resolve(value);
  } catch (error) {
    return (_resolve, reject) => reject(error);
  }
}

export function unreachable(): TopGunError {
  return new TopGunError('UNAVAILABLE', 'simulated: the backbone cannot be reached');
}
