import { encodeMessage, encodeValue, type QueryRecordsMessage, Tag } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { Attacker, rowsIn } from './support/Attacker.js';
import { bytesInUse } from './support/collectGarbage.js';
import { VirtualNode } from './support/VirtualNode.js';

const MB = 1024 * 1024;

/** Seconds of the processor that `work` takes. */
async function cpuSeconds(work: () => Promise<unknown>): Promise<number> {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

function rows(count: number, more: object = {}): { map: string; key: string; value: object }[] {
  return Array.from({ length: count }, (_, i) => ({
    map: 'todos',
    key: `k${i}`,
    value: { a: i, ...more },
    counter: i % 60_000,
  }));
}

describe('a reader that does not read', () => {
  it('holds up no publisher and little memory, is cut off by a code that says so, and resumes by cursor without loss', async () => {
    const node = await VirtualNode.start();
    const writer = await Attacker.join(node, 'ann');
    const reader = await Attacker.join(node, 'bob');
    await reader.subscribe(1, 'todos');
    reader.peer.reads = false;
    const before = await bytesInUse();
    let sent = 0;
    for (let round = 0; round < 60; round++) {
      expect(await writer.write(...rows(400, { text: 'x'.repeat(200), round }))).toEqual([]);
      writer.take();
      sent += 400;
    }
    // Each row changed sixty times; what waits for the reader is bounded by the watermark.
    expect(reader.peer.buffered).toBeLessThan(2 * MB);
    const waiting = reader.take();
    expect(rowsIn(waiting).length).toBeLessThan(sent / 2);
    expect((await bytesInUse()) - before).toBeLessThan(40 * MB);

    node.runtime.advance(61_000);
    expect(reader.peer.closed?.code).toBe(4429);
    expect(reader.peer.all('ERROR').at(-1)?.code).toBe('LIMIT_EXCEEDED');
    reader.session.onClosed();

    // What the cursors say it has, it has; the rest comes.
    const held = new Map<string, number>();
    const cursors = new Map<number, number>();
    const take = (messages: readonly unknown[]): void => {
      for (const message of messages as QueryRecordsMessage[]) {
        if (message.type !== 'QUERY_RECORDS') continue;
        for (let i = 0; i < message.records.count; i++)
          held.set(message.records.keys[i] as string, message.records.ms[i] as number);
        for (let i = 0; i < message.cursors.length; i += 2)
          cursors.set(message.cursors[i] as number, message.cursors[i + 1] as number);
      }
    };
    take(waiting);
    const again = await Attacker.join(node, 'bob', 'c-bob-2');
    await again.subscribe(1, 'todos', {}, { logId: 'log-1', cursors: [...cursors].flat() });
    take(again.take());
    expect(held.size).toBe(400);
    expect(new Set(held.values()).size).toBeLessThanOrEqual(400);
    const fresh = await Attacker.join(node, 'eve');
    await fresh.subscribe(1, 'todos');
    for (const message of fresh.peer.all('QUERY_RECORDS')) {
      for (let i = 0; i < message.records.count; i++)
        expect(held.get(message.records.keys[i] as string)).toBe(message.records.ms[i]);
    }
  });

  it('of a topic costs its publisher nothing, and no memory beyond its buffer', async () => {
    const node = await VirtualNode.start({ maxSendBufferBytes: MB });
    const deaf = await Promise.all(Array.from({ length: 20 }, (_, i) => Attacker.join(node, 'eve', `deaf-${i}`)));
    for (const one of deaf) {
      await one.send({ type: 'TOPIC_SUB', topic: 'news' });
      one.peer.reads = false;
    }
    const publisher = await Attacker.join(node, 'ann');
    const frame = encodeMessage({ type: 'TOPIC_PUB', topic: 'news', payload: encodeValue('x'.repeat(10_000)) });
    for (let i = 0; i < 2_000; i++) publisher.session.onFrame(frame);
    expect(publisher.errors).toEqual([]);
    for (const one of deaf) expect(one.peer.buffered).toBeLessThan(MB + 20_000);
    expect(node.counters.topicDropped).toBeGreaterThan(30_000);
  });
});

it('a set that is filled with large elements stays small enough for whoever reads its map', async () => {
  const node = await VirtualNode.start();
  const eve = await Attacker.join(node, 'eve');
  let refused = 0;
  for (let i = 0; i < 60; i++) {
    refused += (await eve.write({ map: 'todos', key: 'poison', tag: Tag.OR_ADD, value: 'x'.repeat(MB - 16) })).length;
  }
  expect(eve.lastAck.join()).toMatch(/^LIMIT_EXCEEDED/);
  expect(refused).toBeGreaterThan(40);
  const reader = await Attacker.join(node, 'bob');
  reader.peer.reads = false;
  await reader.subscribe(1, 'todos');
  expect(reader.peer.closed).toBeNull();
  reader.peer.buffered = 0;
  reader.session.onDrain();
  expect(reader.peer.all('QUERY_RECORDS').at(-1)?.last).toBe(true);
});

it('a flood of small additions to a large set is taken in pieces, and answered', async () => {
  const node = await VirtualNode.start();
  const eve = await Attacker.join(node, 'eve');
  const add = (value: unknown): object => ({ map: 'todos', key: 'large', tag: Tag.OR_ADD, value });
  for (let i = 0; i < 5; i++) await eve.write(add('x'.repeat(MB - 16)), add('y'.repeat(MB - 16)));
  eve.take();
  const heads = (): number => node.plane.stats().shards.reduce((sum, { logSeq }) => sum + logSeq, 0);
  const before = heads();
  await eve.write(...Array.from({ length: 2_000 }, (_, i) => add(i)));
  while (eve.peer.all('OP_ACK').length === 0) await node.settle();
  const refused = eve.lastAck.length;
  expect(new Set(eve.lastAck.map((told) => told.split(':')[0]))).toEqual(new Set(['UNAVAILABLE']));
  // Not one record of two thousand operations, each of which writes ten megabytes.
  expect(heads() - before).toBeGreaterThan((2_000 - refused) / 20);
  expect(refused).toBeLessThan(2_000);
  expect(node.plane.stats().totals.queuedBytes).toBe(0);
}, 30_000);

describe('a thousand live queries of one session', () => {
  it('opened at once over many rows do not hold the loop: what others write is answered between', async () => {
    const node = await VirtualNode.start({ maxOpsPerSecond: 10_000_000 });
    const writer = await Attacker.join(node, 'ann');
    for (let i = 0; i < 5; i++) await writer.write(...rows(10_000).map((row) => ({ ...row, key: `${row.key}-${i}` })));
    const timers: (() => void)[] = [];
    node.runtime.setTimer = (delay, run) => {
      if (delay === 0) timers.push(run);
      return {};
    };
    const eve = await Attacker.join(node, 'eve');
    const opening = await cpuSeconds(async () => {
      for (let id = 0; id < 1_000; id++) {
        const query = { where: { a: { $gt: 100_000 + id } } };
        eve.session.onFrame(
          encodeMessage({
            type: 'QUERY_SUB',
            queryId: id,
            map: 'todos',
            query,
            logId: null,
            cursors: [],
            shards: null,
          }),
        );
      }
    });
    expect(opening).toBeLessThan(3);
    expect(node.counters.subscriptions).toBe(1_000);
    // All catch-ups together take one turn of the loop at a time.
    expect(timers).toHaveLength(1);
    const turn = await cpuSeconds(async () => timers.shift()?.());
    expect(turn).toBeLessThan(1);
    expect(timers).toHaveLength(1);
  });

  it('on rows that all change at once slow a write down by little, and are told in the end', async () => {
    const node = await VirtualNode.start({ maxOpsPerSecond: 10_000_000 });
    const writer = await Attacker.join(node, 'ann');
    const eve = await Attacker.join(node, 'eve');
    for (let id = 0; id < 1_000; id++) {
      await eve.subscribe(id, 'todos', { where: { $or: [{ a: 2_999 }, { b: id }, { c: id }, { d: { $lt: -id } }] } });
    }
    eve.take();
    const timers: (() => void)[] = [];
    node.runtime.setTimer = (delay, run) => {
      if (delay === 0) timers.push(run);
      return {};
    };
    const writing = await cpuSeconds(() => writer.write(...rows(3_000)));
    expect(writer.lastAck).toEqual([]);
    expect(writing).toBeLessThan(1.5);
    // A few queries are told at once, the others in turns.
    const told = rowsIn(eve.take());
    expect(told.length).toBeLessThan(900);
    for (let turns = 0; turns < 5_000 && timers.length > 0; turns++) timers.shift()?.();
    expect(timers).toEqual([]);
    expect([...told, ...rowsIn(eve.take())].filter((row) => row === 'k2999')).toHaveLength(1_000);
    expect(node.logger.errors).toEqual([]);
  }, 60_000);

  it('do not keep memory: closed sessions leave nothing', async () => {
    const node = await VirtualNode.start({ maxOpsPerSecond: 10_000_000 });
    const round = async (n: number): Promise<void> => {
      const eve = await Attacker.join(node, 'eve', `c-${n}`);
      for (let id = 0; id < 1_000; id++) await eve.subscribe(id, `map ${n} ${id}`, { where: { a: id }, limit: 10 });
      eve.session.onClosed();
    };
    await round(0);
    const before = await bytesInUse();
    for (let n = 1; n < 4; n++) await round(n);
    expect((await bytesInUse()) - before).toBeLessThan(5 * MB);
    expect(node.plane.stats()).toMatchObject({ streams: 0, windows: 0 });
  });
});

describe('the rate of a subject', () => {
  it('is not refilled by connecting again, under whatever client id', async () => {
    const node = await VirtualNode.start({ maxOpsPerSecond: 100 });
    let accepted = 0;
    for (let i = 0; i < 50; i++) {
      const eve = await Attacker.join(node, 'eve', `c-${i}`);
      await eve.write(...rows(20));
      accepted += 20 - eve.peer.all('OP_ACK').flatMap((ack) => ack.rejected).length;
      eve.session.onClosed();
    }
    expect(accepted).toBe(200);
    // Others are not the ones to pay.
    const ann = await Attacker.join(node, 'ann');
    expect(await ann.write(...rows(20))).toEqual([]);
  });

  it('covers subscriptions and topics, so that floods of them end as RATE_LIMITED', async () => {
    const node = await VirtualNode.start({ maxOpsPerSecond: 100 });
    const eve = await Attacker.join(node, 'eve');
    for (let i = 0; i < 300; i++) {
      eve.session.onFrame(encodeMessage({ type: 'TOPIC_PUB', topic: 'news', payload: encodeValue(i) }));
      await eve.subscribe(1, 'todos', { where: { a: i } });
    }
    expect(eve.errors.filter((error) => error.startsWith('RATE_LIMITED'))).toHaveLength(400);
  });
});
