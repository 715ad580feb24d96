import { encodeValue, TopGunError } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { auth, sessionHarness, settled, subscribe } from '../testing/sessionHarness.js';
import { CloseCode } from './CloseCode.js';

const own = { owner: '$sub' };

describe('a live query', () => {
  it('is opened at the data plane, checked, with cursors and without restriction', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    client.send({ ...subscribe(3, 'todos', { where: { done: false } }), logId: 'log-1', cursors: [4, 17] } as never);
    expect(harness.plane.streams[0]?.spec).toMatchObject({
      queryId: 3,
      map: 'todos',
      query: { where: { done: false } },
      logId: 'log-1',
      cursors: [4, 17],
      restriction: null,
    });
  });

  it('sends its frames to the peer', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    client.send(subscribe(3, 'todos'));
    harness.plane.streams[0]?.sink.send(harness.plane.emptyRecords(3));
    expect(client.peer.last).toMatchObject({ type: 'QUERY_RECORDS', queryId: 3, last: true });
  });

  it.each([
    ['an operator that does not exist', { where: { a: { $regex: 'x' } } }, 'INVALID_QUERY'],
    ['a limit of zero', { limit: 0 }, 'INVALID_QUERY'],
    ['an unknown property', { select: ['a'] }, 'INVALID_QUERY'],
  ])('with %s is refused under its id', async (_, query, code) => {
    const harness = sessionHarness();
    const client = await harness.join();
    client.send(subscribe(9, 'todos', query));
    expect(client.peer.last).toMatchObject({ type: 'ERROR', code, ref: 9 });
    expect(harness.plane.streams).toEqual([]);
    expect(client.peer.closed).toBeNull();
  });

  it('that is refused for a giant name is answered in a few words', async () => {
    const client = await sessionHarness().join();
    client.send(subscribe(9, 'todos', { [`${'x'.repeat(499)}😀${'x'.repeat(100_000)}`]: 1 }));
    const [error] = client.peer.all('ERROR');
    expect(error?.code).toBe('INVALID_QUERY');
    expect(error?.message.length).toBeLessThan(600);
  });

  it('that the data plane refuses is refused under its id', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    harness.plane.subscribeError = new TopGunError('UNAVAILABLE', 'restoring');
    client.send(subscribe(9, 'todos'));
    expect(client.peer.last).toMatchObject({ type: 'ERROR', code: 'UNAVAILABLE', ref: 9 });
  });

  it('under the id of another takes its place', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    client.send(subscribe(1, 'todos'));
    client.send(subscribe(1, 'notes'));
    expect(harness.plane.streams.map((stream) => stream.closed)).toEqual([true, false]);
    expect(harness.counters.subscriptions).toBe(1);
  });

  it('ends with QUERY_UNSUB, and unsubscribing from nothing is no error', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    client.send(subscribe(1, 'todos'));
    client.send({ type: 'QUERY_UNSUB', queryId: 1 });
    client.send({ type: 'QUERY_UNSUB', queryId: 1 });
    expect(harness.plane.streams[0]?.closed).toBe(true);
    expect(client.errors).toEqual([]);
  });

  it('beyond the limit of subscriptions, topics included, is refused', async () => {
    const harness = sessionHarness({ limits: { maxSubscriptions: 2 } });
    const client = await harness.join();
    client.send(subscribe(1, 'todos'));
    client.send({ type: 'TOPIC_SUB', topic: 'news' });
    client.send(subscribe(2, 'todos'));
    expect(client.peer.last).toMatchObject({ type: 'ERROR', code: 'LIMIT_EXCEEDED', ref: 2 });
    client.send({ type: 'TOPIC_UNSUB', topic: 'news' });
    client.send(subscribe(2, 'todos'));
    expect(harness.plane.streams).toHaveLength(2);
  });

  it('costs from the same budget as operations', async () => {
    const harness = sessionHarness({ limits: { maxOpsPerSecond: 1 } });
    const client = await harness.join();
    for (let id = 0; id < 3; id++) client.send(subscribe(id, 'todos'));
    expect(client.errors).toEqual(['RATE_LIMITED']);
  });

  it('carries the rows that a rule allows as restriction', async () => {
    const permissions = [{ maps: 'todos', allow: ['read'] as const, where: own }];
    const harness = sessionHarness({ permissions });
    const client = await harness.join();
    client.send(subscribe(1, 'todos'));
    expect(harness.plane.streams[0]?.spec.restriction).toEqual({ owner: 'ann' });
  });

  it('of a forbidden map is refused in the same words as of one that does not exist', async () => {
    const harness = sessionHarness({ permissions: [{ maps: 'todos', allow: ['read'] as const }] });
    const client = await harness.join();
    client.send(subscribe(1, 'secret'));
    client.send(subscribe(2, 'nowhere'));
    const [secret, nowhere] = client.peer.all('ERROR');
    expect(secret).toMatchObject({ code: 'FORBIDDEN', ref: 1 });
    expect(secret?.message).toBe(nowhere?.message);
  });
});

describe('rights that change while subscribed', () => {
  const permissions = [
    { roles: ['admin'], maps: 'todos', allow: ['read'] as const },
    { roles: ['user'], maps: 'todos', allow: ['read'] as const, where: own },
    { roles: ['admin'], topics: 'news', allow: ['subscribe'] as const },
  ];

  async function joined() {
    const harness = sessionHarness({ permissions });
    harness.tokens.add('admin', 'ann', { roles: ['admin'] });
    harness.tokens.add('user', 'ann', { roles: ['user'] });
    harness.tokens.add('nobody', 'ann');
    const client = await harness.join('admin');
    client.send(subscribe(1, 'todos', { where: { done: true } }));
    client.send({ type: 'TOPIC_SUB', topic: 'news' });
    return { harness, client };
  }

  it('to fewer rows are taken back: a reset, then what may still be seen', async () => {
    const { harness, client } = await joined();
    client.send(auth({ token: 'user' }));
    await settled();
    expect(client.peer.all('QUERY_RESET')).toMatchObject([{ queryId: 1, logId: 'log-1' }]);
    expect(client.peer.all('QUERY_RESET')[0]?.shards).toHaveLength(32);
    const [before, after] = harness.plane.streams;
    expect(before?.closed).toBe(true);
    expect(after?.spec).toMatchObject({ restriction: { owner: 'ann' }, cursors: [], query: { where: { done: true } } });
  });

  it('to nothing end the query and the topic with an error', async () => {
    const { harness, client } = await joined();
    client.send(auth({ token: 'nobody' }));
    await settled();
    expect(client.peer.all('QUERY_RESET')).toHaveLength(1);
    expect(client.peer.all('ERROR')).toMatchObject([
      { code: 'FORBIDDEN', ref: null, message: expect.stringContaining('"news"') },
      { code: 'FORBIDDEN', ref: 1 },
    ]);
    expect(harness.plane.streams.every((stream) => stream.closed)).toBe(true);
    expect(harness.topics.size).toBe(0);
    expect(harness.counters.subscriptions).toBe(0);
  });

  it('but show the same rows leave the stream alone', async () => {
    const { harness, client } = await joined();
    harness.tokens.add('admin-again', 'ann', { roles: ['user', 'admin'] });
    client.send(auth({ token: 'admin-again' }));
    await settled();
    expect(harness.plane.streams).toHaveLength(1);
    expect(harness.plane.streams[0]?.closed).toBe(false);
    expect(client.peer.all('QUERY_RESET')).toEqual([]);
  });
});

describe('a topic', () => {
  it('reaches every subscriber, the publisher among them, with name, payload, publisher and time', async () => {
    const harness = sessionHarness();
    const ann = await harness.join();
    const bob = await harness.join('bob-token', 'c2');
    for (const client of [ann, bob]) client.send({ type: 'TOPIC_SUB', topic: 'news' });
    ann.send({ type: 'TOPIC_PUB', topic: 'news', payload: encodeValue({ hi: 1 }) });
    const expected = { topic: 'news', publisherId: 'c1', timestamp: harness.runtime.now() };
    expect(ann.peer.last).toMatchObject({ type: 'TOPIC_MESSAGE', ...expected });
    expect(bob.peer.last).toEqual(ann.peer.last);
  });

  it('subscribed twice delivers once, and nothing once unsubscribed', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    client.send({ type: 'TOPIC_SUB', topic: 'news' });
    client.send({ type: 'TOPIC_SUB', topic: 'news' });
    const publish = () => client.send({ type: 'TOPIC_PUB', topic: 'news', payload: encodeValue(1) });
    publish();
    expect(client.peer.all('TOPIC_MESSAGE')).toHaveLength(1);
    client.send({ type: 'TOPIC_UNSUB', topic: 'news' });
    publish();
    expect(client.peer.all('TOPIC_MESSAGE')).toHaveLength(1);
  });

  it.each(['__proto__', 'constructor', 'a/../b', '*', '>', '.', 'with space', 'news\n'])(
    'named %j is that name and no other',
    async (topic) => {
      const harness = sessionHarness();
      const client = await harness.join();
      client.send({ type: 'TOPIC_SUB', topic });
      client.send({ type: 'TOPIC_PUB', topic: 'news', payload: encodeValue(1) });
      expect(client.peer.all('TOPIC_MESSAGE')).toEqual([]);
      client.send({ type: 'TOPIC_PUB', topic, payload: encodeValue(1) });
      expect(client.peer.all('TOPIC_MESSAGE')).toHaveLength(1);
    },
  );

  it('may be published to and subscribed to only as rules say', async () => {
    const permissions = [
      { topics: 'read-only', allow: ['subscribe'] as const },
      { topics: 'write-only', allow: ['publish'] as const },
    ];
    const harness = sessionHarness({ permissions });
    const client = await harness.join();
    client.send({ type: 'TOPIC_SUB', topic: 'read-only' });
    client.send({ type: 'TOPIC_PUB', topic: 'write-only', payload: encodeValue(1) });
    expect(client.errors).toEqual([]);
    client.send({ type: 'TOPIC_SUB', topic: 'write-only' });
    client.send({ type: 'TOPIC_PUB', topic: 'read-only', payload: encodeValue(1) });
    expect(client.peer.all('ERROR')).toMatchObject([
      { code: 'FORBIDDEN', message: expect.stringContaining('"write-only"') },
      { code: 'FORBIDDEN', message: expect.stringContaining('"read-only"') },
    ]);
    expect(client.peer.all('TOPIC_MESSAGE')).toEqual([]);
  });

  it.each([
    ['no well-formed value', new Uint8Array([0xc1]), 'INVALID_VALUE'],
    ['too large', encodeValue('x'.repeat(2_000)), 'TOO_LARGE'],
  ])('does not carry what is %s', async (_, payload, code) => {
    const harness = sessionHarness({ limits: { maxValueBytes: 1_000 } });
    const client = await harness.join();
    client.send({ type: 'TOPIC_SUB', topic: 'news' });
    client.send({ type: 'TOPIC_PUB', topic: 'news', payload });
    expect(client.peer.last).toMatchObject({ type: 'ERROR', code });
    expect(client.peer.all('TOPIC_MESSAGE')).toEqual([]);
  });
});

describe('a peer that reads too slowly', () => {
  const limits = { maxSendBufferBytes: 10_000 };
  const payload = encodeValue('x'.repeat(1_000));

  it('has no room above the watermark, and streams go on when it has again', async () => {
    const harness = sessionHarness({ limits });
    const client = await harness.join();
    client.send(subscribe(1, 'todos'));
    const stream = harness.plane.streams[0];
    expect(stream?.sink.hasRoom).toBe(true);
    client.peer.buffered = 5_001;
    expect(stream?.sink.hasRoom).toBe(false);
    client.session.onDrain();
    expect(stream?.resumed).toBe(0);
    client.peer.buffered = 100;
    client.session.onDrain();
    expect(stream?.resumed).toBe(1);
    client.session.onDrain();
    expect(stream?.resumed).toBe(1);
  });

  it('loses topic messages, and the publisher does not wait', async () => {
    const harness = sessionHarness({ limits });
    const slow = await harness.join();
    const fast = await harness.join('bob-token', 'c2');
    slow.send({ type: 'TOPIC_SUB', topic: 'news' });
    slow.peer.reads = false;
    for (let i = 0; i < 30; i++) fast.send({ type: 'TOPIC_PUB', topic: 'news', payload });
    expect(slow.peer.all('TOPIC_MESSAGE').length).toBeLessThan(12);
    expect(slow.peer.buffered).toBeLessThan(2 * 10_000);
    expect(harness.counters.topicDropped).toBeGreaterThan(15);
    expect(slow.peer.closed).toBeNull();
  });

  it('is cut after a minute without room, with a code that says so', async () => {
    const harness = sessionHarness({ limits });
    const slow = await harness.join();
    slow.send({ type: 'TOPIC_SUB', topic: 'news' });
    slow.peer.buffered = 9_000;
    slow.send({ type: 'TOPIC_PUB', topic: 'news', payload });
    harness.runtime.advance(59_999);
    expect(slow.peer.closed).toBeNull();
    harness.runtime.advance(1);
    expect(slow.peer.last).toMatchObject({ type: 'ERROR', code: 'LIMIT_EXCEEDED' });
    expect(slow.peer.closed?.code).toBe(CloseCode.TOO_SLOW);
    expect(harness.topics.size).toBe(0);
  });

  it('is not cut when it caught up meanwhile', async () => {
    const harness = sessionHarness({ limits });
    const client = await harness.join();
    client.peer.buffered = 9_000;
    client.send({ type: 'PING', nonce: 1 });
    harness.runtime.advance(59_000);
    client.peer.buffered = 0;
    client.session.onDrain();
    harness.runtime.advance(120_000);
    expect(client.peer.closed).toBeNull();
  });

  it('is cut at twice the limit, whatever it was that filled it', async () => {
    const harness = sessionHarness({ limits });
    const client = await harness.join();
    client.peer.reads = false;
    for (let i = 0; i < 3_000 && client.peer.closed === null; i++) client.send({ type: 'PING', nonce: i });
    expect(client.peer.closed?.code).toBe(CloseCode.TOO_SLOW);
    expect(client.peer.buffered).toBeLessThan(2 * 10_000 + 100);
  });

  it('that is cut while a stream opens leaves no stream behind', async () => {
    const harness = sessionHarness({ limits });
    const client = await harness.join();
    client.peer.buffered = 20_001;
    const { plane } = harness;
    const subscribeAt = plane.subscribe.bind(plane);
    plane.subscribe = (spec, sink) => {
      sink.send(plane.emptyRecords(spec.queryId));
      return subscribeAt(spec, sink);
    };
    client.send(subscribe(1, 'todos'));
    expect(client.peer.closed?.code).toBe(CloseCode.TOO_SLOW);
    expect(plane.streams[0]?.closed).toBe(true);
    expect(harness.counters.subscriptions).toBe(0);
  });
});

describe('the live queries of a session', () => {
  const expensive = {
    conditions: { where: { $or: Array.from({ length: 256 }, (_, i) => ({ a: i })) } },
    texts: { where: { a: 'x'.repeat(1024 * 1024) } },
    'rows in windows': { limit: 10_000, offset: 90_000 },
  };

  it.each(Object.entries(expensive))('have a budget for %s, whatever their number', async (_, query) => {
    const harness = sessionHarness();
    const client = await harness.join();
    for (let id = 0; id < 20; id++) client.send(subscribe(id, 'todos', query));
    expect(client.errors).toContain('LIMIT_EXCEEDED');
    const open = harness.counters.subscriptions;
    expect(open).toBeGreaterThanOrEqual(2);
    expect(open).toBeLessThan(20);
    // What is closed makes room again.
    client.send({ type: 'QUERY_UNSUB', queryId: 0 });
    client.send(subscribe(100, 'todos', query));
    expect(harness.counters.subscriptions).toBe(open);
    client.send(subscribe(101, 'todos', query));
    expect(harness.counters.subscriptions).toBe(open);
  });
});
