import { encodeMessage, encodeTotals, encodeValue, Tag } from '@topgunbuild/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auth, type Client, ops, sessionHarness, settled, subscribe } from '../testing/sessionHarness.js';

/** One honest frame of every kind that a client sends. */
const HONEST: readonly Uint8Array[] = [
  encodeMessage(auth()),
  encodeMessage({ type: 'PING', nonce: 5 }),
  encodeMessage({
    type: 'OP_BATCH',
    batchId: 1,
    routed: true,
    mapVersion: 1,
    ops: ops({}, { value: { a: [1, 'x'] } }),
  }),
  encodeMessage({
    type: 'OP_BATCH',
    batchId: 2,
    routed: false,
    mapVersion: 0,
    ops: ops(
      { tag: Tag.COUNTER_ADD, bytes: encodeTotals(4, 1) },
      { tag: Tag.OR_ADD },
      { tag: Tag.LWW_REMOVE, map: 'b' },
    ),
  }),
  encodeMessage(
    subscribe(3, 'todos', { where: { $or: [{ a: 1 }, { b: { $in: ['x'] } }] }, sort: { a: 'asc' }, limit: 5 }),
  ),
  encodeMessage({ type: 'QUERY_UNSUB', queryId: 3 }),
  encodeMessage({ type: 'TOPIC_SUB', topic: 'news' }),
  encodeMessage({ type: 'TOPIC_PUB', topic: 'news', payload: encodeValue({ hi: 1 }) }),
  encodeMessage({ type: 'TOPIC_UNSUB', topic: 'news' }),
  encodeMessage({ type: 'PARTITION_MAP_REQUEST', version: 0 }),
];

interface Mutation {
  readonly kind: 'keep' | 'flip' | 'cut' | 'insert' | 'repeat';
  readonly at: number;
  readonly byte: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('keep', 'flip', 'flip', 'flip', 'cut', 'insert', 'repeat'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  byte: fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0, 0x7f, 0x80, 0xc0, 0xc1, 0xc6, 0xdb, 0xdd, 0xdf, 0xff),
  ),
});

function mutate(frame: Uint8Array, { kind, at, byte }: Mutation): Uint8Array {
  const index = Math.floor(at * Math.max(0, frame.length - 1));
  const bytes = [...frame];
  if (kind === 'flip') bytes[index] = byte;
  if (kind === 'cut') bytes.length = index;
  if (kind === 'insert') bytes.splice(index, 0, byte);
  if (kind === 'repeat') bytes.splice(index, 0, ...bytes.slice(index, index + 8));
  return Uint8Array.from(bytes);
}

const honest = fc.constantFrom(...HONEST);
const mutated = fc
  .tuple(honest, fc.array(mutation, { minLength: 1, maxLength: 4 }))
  .map(([frame, mutations]) => mutations.reduce(mutate, frame));
const noise = fc.uint8Array({ maxLength: 80 });
const frames = fc.array(fc.oneof({ weight: 6, arbitrary: mutated }, { weight: 1, arbitrary: noise }, honest), {
  minLength: 1,
  maxLength: 12,
});

/** Each frame is answered, ignored for a reason, or ends the session; nothing is thrown, and nothing stays behind. */
async function survives(states: readonly ('new' | 'waiting' | 'active' | 'leaving')[], input: readonly Uint8Array[]) {
  const harness = sessionHarness();
  const bystander = await harness.join('bob-token', 'bystander');
  for (const state of states) {
    const client =
      state === 'active' || state === 'leaving' ? await harness.join('ann-token', 'c1') : harness.connect();
    if (state === 'waiting') {
      harness.tokens.hold();
      client.send(auth());
    }
    if (state === 'leaving') client.session.goodbye('test', 0);
    for (const frame of input) client.session.onFrame(frame);
    harness.tokens.release();
    await settled();
    expectTyped(client);
    client.session.onClosed();
  }
  bystander.send({ type: 'PING', nonce: 9 });
  expect(bystander.peer.last).toMatchObject({ type: 'PONG', nonce: 9 });
  bystander.session.onClosed();
  expect(harness.counters.errorsSent.get('INTERNAL')).toBe(0);
  expect(harness.counters.subscriptions).toBe(0);
  expect(harness.runtime.pendingTimers).toBe(0);
  expect(harness.sessions.size).toBe(0);
}

function expectTyped(client: Client): void {
  const { closed } = client.peer;
  if (closed !== null) expect([1001, 1008, 1009, 4401, 4403]).toContain(closed.code);
}

describe('whatever bytes arrive', () => {
  it.each([['new'], ['waiting'], ['active'], ['leaving']] as const)(
    'a session that is %s stays a session, and others notice nothing',
    async (state) => {
      await fc.assert(
        fc.asyncProperty(frames, (input) => survives([state], input)),
        { numRuns: 1_000 },
      );
    },
  );

  it('frames of one connection have no effect on the next', async () => {
    await fc.assert(
      fc.asyncProperty(frames, (input) => survives(['active', 'active', 'new', 'active'], input)),
      { numRuns: 200 },
    );
  });
});
