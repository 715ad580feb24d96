import { compileQuery, type Query, type Where } from '@topgunbuild/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Stream } from '../shard/DataPlane.js';
import { NaiveModel } from '../testing/NaiveModel.js';
import { anyOp } from '../testing/opArbitraries.js';
import type { Op } from '../testing/ops.js';
import { PlaneHarness } from '../testing/PlaneHarness.js';
import type { StreamClient } from '../testing/StreamClient.js';
import type { LiveTuning } from './LiveTuning.js';

const QUERIES: readonly Query[] = [
  {},
  { where: { owner: 'ann' } },
  { where: { n: { $gte: 5 } } },
  { where: { _key: { $in: ['k1', 'k2', 'or0', 'count1', 'nobody'] } } },
  { where: { _key: { $startsWith: 'k1' } } },
  { where: { $not: { owner: 'bob' } } },
  { sort: { n: 'asc' }, limit: 1 },
  { sort: { n: 'desc', owner: 'asc' }, limit: 3, offset: 1 },
  { where: { owner: 'ann' }, sort: { n: 'asc' }, limit: 2 },
  { limit: 4 },
  { where: { _key: { $in: ['k3', 'k4'] } }, limit: 1 },
];

const RESTRICTIONS: readonly (Where | null)[] = [null, null, { owner: 'ann' }, { $or: [{ owner: 'bob' }, { n: 3 }] }];

type Act = 'room' | 'full' | 'fullSoon' | 'disconnect' | 'reconnect' | 'unsubscribe';

type Step =
  | { readonly do: 'write'; readonly ops: readonly Op[] }
  | { readonly do: 'settle'; readonly ms: number }
  | { readonly do: 'subscribe'; readonly query: number; readonly restriction: number; readonly full: boolean }
  | { readonly do: Act; readonly client: number }
  | { readonly do: 'hold' | 'release' };

const client = fc.nat(7);
const write = fc.record({
  do: fc.constant('write' as const),
  ops: fc.array(anyOp, { minLength: 1, maxLength: 8, size: 'max' }),
});
const subscribe = fc.record({
  do: fc.constant('subscribe' as const),
  query: fc.nat(QUERIES.length - 1),
  restriction: fc.nat(RESTRICTIONS.length - 1),
  full: fc.boolean(),
});
const act = fc.constantFrom<Act>('room', 'full', 'fullSoon', 'disconnect', 'reconnect');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: write },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const), ms: fc.constantFrom(0, 0, 1, 40, 150) }) },
  { weight: 1, arbitrary: subscribe },
  { weight: 6, arbitrary: fc.record({ do: act, client }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant<Act>('unsubscribe'), client }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hold' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const) }) },
);
/** Long enough for something to happen: left to itself the library prefers a handful of steps. */
const steps = fc
  .tuple(
    fc.array(subscribe, { minLength: 4, maxLength: 7, size: 'max' }),
    fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }),
  )
  .map(([first, rest]): Step[] => [...first, ...rest]);

interface Subscriber {
  readonly query: Query;
  readonly restriction: Where | null;
  client: StreamClient & { stream: Stream };
  isOpen: boolean;
  isConnected: boolean;
}

class Run {
  readonly #h: PlaneHarness;
  readonly #model = new NaiveModel();
  readonly #subscribers: Subscriber[] = [];
  /** Per restriction: the keys that it has ever let through. */
  readonly #everAllowed = new Map<Where, Set<string>>();

  constructor(h: PlaneHarness) {
    this.#h = h;
  }

  async do(step: Step): Promise<void> {
    const h = this.#h;
    switch (step.do) {
      case 'write':
        for (const op of step.ops) {
          this.#model.apply(op);
          this.#noteAllowed();
        }
        void h.write(...step.ops);
        break;
      case 'settle':
        await h.settle(step.ms);
        break;
      case 'subscribe':
        this.#subscribe(QUERIES[step.query] as Query, RESTRICTIONS[step.restriction] as Where | null, step.full);
        break;
      case 'hold':
        h.backbone.fault = () => 'hold';
        break;
      case 'release':
        h.backbone.fault = () => 'none';
        h.backbone.release();
        break;
      default:
        this.#act(step.do, this.#subscribers[step.client]);
    }
  }

  /** When traffic stops and sinks drain, everybody holds what the model says. */
  async check(): Promise<void> {
    const h = this.#h;
    await this.do({ do: 'release' });
    await h.settle();
    for (const subscriber of this.#subscribers) {
      if (!subscriber.isConnected) this.#act('reconnect', subscriber);
      this.#act('room', subscriber);
    }
    await h.settle();
    for (const { query, restriction, client, isOpen } of this.#subscribers) {
      if (!isOpen) continue;
      const now = h.runtime.now();
      const expected = this.#model.result('todos', query, restriction, now);
      expect(client.complete).toBe(true);
      expect(client.values(now), JSON.stringify({ query, restriction })).toEqual(expected);
    }
    this.#checkSecrecy();
  }

  #subscribe(query: Query, restriction: Where | null, full: boolean): void {
    const client = this.#h.subscribe(query, { full, ...(restriction === null ? {} : { restriction }) });
    this.#subscribers.push({ query, restriction, client, isOpen: true, isConnected: true });
  }

  #act(what: Act, subscriber: Subscriber | undefined): void {
    if (subscriber === undefined || !subscriber.isOpen) return;
    const { client } = subscriber;
    switch (what) {
      case 'room':
        client.onFrame = null;
        client.hasRoom = true;
        client.stream.resume();
        break;
      case 'full':
        client.hasRoom = false;
        break;
      case 'fullSoon':
        client.onFrame = () => {
          client.hasRoom = false;
        };
        break;
      case 'disconnect':
        client.stream.close();
        subscriber.isConnected = false;
        break;
      case 'reconnect': {
        client.stream.close();
        client.complete = false;
        const { query, restriction } = subscriber;
        subscriber.isConnected = true;
        subscriber.client = this.#h.subscribe(query, { client, ...(restriction === null ? {} : { restriction }) });
        break;
      }
      case 'unsubscribe':
        subscriber.isOpen = false;
        client.stream.close();
    }
  }

  #noteAllowed(): void {
    for (const restriction of RESTRICTIONS) {
      if (restriction === null) continue;
      const allowed = this.#everAllowed.get(restriction) ?? new Set();
      this.#everAllowed.set(restriction, allowed);
      const { matches } = compileQuery({ where: restriction });
      for (const { key, value } of this.#model.rows('todos', 0)) if (matches(key, value)) allowed.add(key);
    }
  }

  #checkSecrecy(): void {
    for (const { restriction, client } of this.#subscribers) {
      if (restriction === null) continue;
      const { matches } = compileQuery({ where: restriction });
      for (const { key, value } of client.everSeen) expect(matches(key, value), `${key} is hidden`).toBe(true);
      const allowed = this.#everAllowed.get(restriction);
      for (const key of client.left) expect(allowed?.has(key), `LEFT tells of ${key}`).toBe(true);
    }
  }
}

/** So small that every limit is met all the time. */
const NARROW: Partial<LiveTuning> = {
  chunkBytes: 60,
  chunkRows: 3,
  turnBytes: 150,
  turnRows: 4,
  frameBytes: 60,
  quietRows: 3,
  maxLostRows: 2,
  flushTests: 3,
  minWindowSlack: 1,
  windowStepRows: 3,
};

describe.each<[string, Partial<LiveTuning>]>([
  ['as configured by default', {}],
  ['with narrow limits', NARROW],
])('live queries, %s', (_name, tuning) => {
  it('end up equal to an evaluation from scratch, whatever happens to sinks and connections', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const run = new Run(await PlaneHarness.open({ tuning }));
        for (const one of all) await run.do(one);
        await run.check();
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});
