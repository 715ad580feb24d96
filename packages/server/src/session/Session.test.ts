import { encodeMessage } from '@topgunbuild/core';
import { describe, expect, it } from 'vitest';
import { auth, ops, sessionHarness, settled, subscribe, WALL } from '../testing/sessionHarness.js';
import { CloseCode } from './CloseCode.js';

describe('the handshake', () => {
  it('greets at once and acknowledges a token with subject, time and map', async () => {
    const harness = sessionHarness();
    const client = harness.connect();
    expect(client.peer.messages).toMatchObject([
      { type: 'AUTH_REQUIRED', nodeId: 'node-1', clusterId: 'log-1', logId: 'log-1', serverTime: WALL, protocol: 1 },
    ]);
    client.send(auth());
    await settled();
    expect(client.peer.last).toMatchObject({ type: 'AUTH_ACK', subject: 'ann', serverTime: WALL, map: { version: 1 } });
    expect(client.session.state).toBe('active');
  });

  it('tells the limits that this node was given', () => {
    const client = sessionHarness({ limits: { maxKeyBytes: 77 } }).connect();
    expect(client.peer.messages[0]).toMatchObject({ limits: { maxKeyBytes: 77 } });
  });

  it('closes a connection that does not authenticate in time', () => {
    const harness = sessionHarness();
    const client = harness.connect();
    harness.runtime.advance(9_999);
    expect(client.peer.closed).toBeNull();
    harness.runtime.advance(1);
    expect(client.errors).toEqual(['AUTH_REQUIRED']);
    expect(client.peer.closed?.code).toBe(CloseCode.AUTH_TIMEOUT);
  });

  it('closes when the verdict on a token takes longer than that', async () => {
    const harness = sessionHarness();
    harness.tokens.hold();
    const client = harness.connect();
    client.send(auth());
    harness.runtime.advance(10_000);
    expect(client.peer.closed?.code).toBe(CloseCode.AUTH_TIMEOUT);
    harness.tokens.release();
    await settled();
    expect(client.peer.all('AUTH_ACK')).toEqual([]);
    expect(client.session.state).toBe('closing');
  });

  it.each([
    ['a ping', { type: 'PING', nonce: 1 } as const],
    ['operations', { type: 'OP_BATCH', batchId: 1, routed: false, mapVersion: 0, ops: ops({}) } as const],
    ['a query', subscribe(1, 'todos')],
    ['a topic', { type: 'TOPIC_SUB', topic: 'news' } as const],
  ])('closes on %s before AUTH, and dispatches nothing', (_, message) => {
    const harness = sessionHarness();
    const client = harness.connect();
    client.send(message);
    expect(client.errors).toEqual(['AUTH_REQUIRED']);
    expect(client.peer.closed?.code).toBe(CloseCode.POLICY);
    expect(harness.plane.writes).toEqual([]);
    expect(harness.plane.streams).toEqual([]);
  });

  it('closes on anything between AUTH and its answer, so two racing AUTH never make two identities', async () => {
    const harness = sessionHarness();
    harness.tokens.hold();
    const client = harness.connect();
    client.send(auth({ token: 'ann-token' }));
    client.send(auth({ token: 'bob-token' }));
    expect(client.peer.closed?.code).toBe(CloseCode.POLICY);
    harness.tokens.release();
    await settled();
    expect(client.peer.all('AUTH_ACK')).toEqual([]);
    expect(client.session.state).toBe('closing');
    expect(harness.counters.authSucceeded).toBe(0);
  });

  it('refuses a token that does not hold, and says so', async () => {
    const client = await sessionHarness().join('forged');
    expect(client.peer.last).toMatchObject({ type: 'AUTH_FAIL', code: 'AUTH_INVALID' });
    expect(client.peer.closed?.code).toBe(CloseCode.UNAUTHENTICATED);
  });

  it('refuses a token that has expired by the clock of the node, whoever vouches for it', async () => {
    const harness = sessionHarness();
    harness.tokens.add('old', 'ann', { expiresAt: WALL });
    const client = await harness.join('old');
    expect(client.peer.last).toMatchObject({ type: 'AUTH_FAIL', code: 'AUTH_EXPIRED' });
  });

  it('names the protocol that it speaks to a client of another', () => {
    const client = sessionHarness().connect();
    client.send(auth({ protocol: 99 }));
    expect(client.peer.last).toMatchObject({ type: 'ERROR', code: 'UNSUPPORTED_PROTOCOL' });
    expect(client.peer.closed?.code).toBe(CloseCode.POLICY);
  });

  it.each(['', 'a b', 'x.y', 'ä', '__proto__.'])('refuses the client id %j', async (clientId) => {
    const client = await sessionHarness().join('ann-token', clientId);
    expect(client.peer.last).toMatchObject({ type: 'AUTH_FAIL', code: 'AUTH_INVALID' });
  });

  it('survives an authenticator that fails, and tells nothing of why', async () => {
    const failing = { authenticate: () => Promise.reject(new Error('the password is hunter2')) };
    const client = await sessionHarness({ authenticator: failing }).join();
    expect(client.peer.last).toMatchObject({ type: 'AUTH_FAIL', code: 'INTERNAL' });
    expect(JSON.stringify(client.peer.messages)).not.toContain('hunter2');
    expect(client.peer.closed?.code).toBe(CloseCode.TRY_AGAIN);
  });
});

describe('client ids', () => {
  it('belong to one subject at a time', async () => {
    const harness = sessionHarness();
    const ann = await harness.join('ann-token', 'shared');
    const bob = await harness.join('bob-token', 'shared');
    // A code that says "come back": when a device changes users, the former user's connection may end a moment later.
    expect(bob.peer.last).toMatchObject({ type: 'AUTH_FAIL', code: 'UNAVAILABLE' });
    expect(bob.peer.closed?.code).toBe(CloseCode.TRY_AGAIN);
    expect(ann.session.state).toBe('active');
    ann.session.onClosed();
    expect((await harness.join('bob-token', 'shared')).session.state).toBe('active');
  });

  it('may be used by several live sessions of one subject', async () => {
    const harness = sessionHarness();
    const first = await harness.join();
    const second = await harness.join();
    expect([first.session.state, second.session.state]).toEqual(['active', 'active']);
  });

  it('pass to another subject when the session of the former one has been silent', async () => {
    const harness = sessionHarness();
    const silent = await harness.join('ann-token', 'shared');
    harness.runtime.advance(76_000);
    const bob = await harness.join('bob-token', 'shared');
    expect(silent.peer.closed?.code).toBe(CloseCode.REPLACED);
    expect(bob.session.state).toBe('active');
  });

  it('pass to a new session when the old one has been silent', async () => {
    const harness = sessionHarness();
    const silent = await harness.join();
    harness.runtime.advance(76_000);
    const fresh = await harness.join();
    expect(silent.peer.closed?.code).toBe(CloseCode.REPLACED);
    expect(fresh.session.state).toBe('active');
  });
});

describe('the end of a token', () => {
  it('ends the session at that moment', async () => {
    const harness = sessionHarness();
    harness.tokens.add('short', 'ann', { expiresAt: WALL + 100_000 });
    const client = await harness.join('short');
    harness.runtime.advance(99_999);
    expect(client.peer.closed).toBeNull();
    harness.runtime.advance(1);
    expect(client.errors).toEqual(['AUTH_EXPIRED']);
    expect(client.peer.closed?.code).toBe(CloseCode.UNAUTHENTICATED);
  });

  it('counts by the wall clock, even when that jumps past it', async () => {
    const harness = sessionHarness();
    harness.tokens.add('short', 'ann', { expiresAt: WALL + 100_000 });
    const client = await harness.join('short');
    harness.runtime.shiftWall(100_000);
    client.sendBatch(1, ops({}));
    expect(client.errors).toEqual(['AUTH_EXPIRED']);
    expect(harness.plane.writes).toEqual([]);
  });

  it('is told by the time of the node, which may be ahead of the clock that it counts by', async () => {
    const harness = sessionHarness();
    harness.plane.clock = () => harness.runtime.now() + 3_600_000;
    harness.tokens.add('short', 'ann', { expiresAt: WALL + 10_000 });
    const client = await harness.join('short');
    expect(client.peer.last).toMatchObject({ expiresAt: WALL + 3_610_000, serverTime: WALL + 3_600_000 });
    harness.runtime.advance(10_000);
    expect(client.errors).toEqual(['AUTH_EXPIRED']);
  });
});

describe('renewal in place', () => {
  it('moves the end of the session', async () => {
    const harness = sessionHarness();
    harness.tokens.add('short', 'ann', { expiresAt: WALL + 10_000 });
    harness.tokens.add('long', 'ann', { expiresAt: WALL + 60_000 });
    const client = await harness.join('short');
    client.send(auth({ token: 'long' }));
    await settled();
    expect(client.peer.last).toMatchObject({ type: 'AUTH_ACK', expiresAt: WALL + 60_000 });
    harness.runtime.advance(59_999);
    expect(client.peer.closed).toBeNull();
    harness.runtime.advance(1);
    expect(client.peer.closed?.code).toBe(CloseCode.UNAUTHENTICATED);
  });

  it('goes on serving the old identity while the new token is judged', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    harness.tokens.hold();
    client.send(auth());
    client.sendBatch(1, ops({}));
    expect(client.ack).toEqual({ ranges: [0, 1], rejected: [] });
    harness.tokens.release();
  });

  it.each([
    ['another subject', { token: 'bob-token' }, 'FORBIDDEN', CloseCode.FORBIDDEN],
    ['another client id', { clientId: 'c2' }, 'FORBIDDEN', CloseCode.FORBIDDEN],
    ['a token that does not hold', { token: 'forged' }, 'AUTH_INVALID', CloseCode.UNAUTHENTICATED],
  ])('with %s is refused and ends the session', async (_, more, code, closeCode) => {
    const client = await sessionHarness().join();
    client.send(auth(more));
    await settled();
    expect(client.peer.last).toMatchObject({ type: 'AUTH_FAIL', code });
    expect(client.peer.closed?.code).toBe(closeCode);
  });

  it('twice at once ends the session', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    harness.tokens.hold();
    client.send(auth());
    client.send(auth());
    expect(client.peer.closed?.code).toBe(CloseCode.POLICY);
    harness.tokens.release();
    await settled();
  });

  it('judged after the session has ended changes nothing', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    harness.tokens.hold();
    client.send(auth());
    client.session.onClosed();
    const sent = client.peer.messages.length;
    harness.tokens.release();
    await settled();
    expect(client.peer.messages).toHaveLength(sent);
    expect(harness.runtime.pendingTimers).toBe(0);
  });
});

describe('frames', () => {
  it('answers a ping with its nonce and the time of the server', async () => {
    const client = await sessionHarness().join();
    client.send({ type: 'PING', nonce: 42 });
    expect(client.peer.last).toEqual({ type: 'PONG', nonce: 42, serverTime: WALL });
  });

  it('answers a request for the partition map', async () => {
    const client = await sessionHarness().join();
    client.send({ type: 'PARTITION_MAP_REQUEST', version: 0 });
    expect(client.peer.last).toMatchObject({ type: 'PARTITION_MAP', map: { version: 1 } });
  });

  it('forgives two bad ones and closes on the third', async () => {
    const client = await sessionHarness().join();
    client.session.onFrame(new Uint8Array([0xc1]));
    client.session.onFrame(encodeMessage({ type: 'PONG', nonce: 1, serverTime: 1 }));
    expect(client.peer.closed).toBeNull();
    client.session.onForeignFrame();
    expect(client.errors).toEqual(['BAD_FRAME', 'BAD_FRAME', 'BAD_FRAME']);
    expect(client.peer.closed?.code).toBe(CloseCode.POLICY);
  });

  it('are not forgiven before authentication', () => {
    const client = sessionHarness().connect();
    client.session.onFrame(new Uint8Array([0xc1]));
    expect(client.peer.closed?.code).toBe(CloseCode.POLICY);
  });

  it('after the close reach nobody', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    client.session.close(CloseCode.GOING_AWAY, 'test');
    client.sendBatch(1, ops({}));
    client.session.onForeignFrame();
    expect(harness.plane.writes).toEqual([]);
  });
});

describe('goodbye', () => {
  it('ends an idle session at once and tells when to come back', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    harness.sessions.goodbye('the node stops');
    expect(client.peer.last).toMatchObject({ type: 'GOODBYE', reason: 'the node stops', retryAfterMs: 500 });
    expect(client.peer.closed?.code).toBe(CloseCode.GOING_AWAY);
  });

  it('waits for operations under way, and refuses new ones as transient', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    harness.plane.acksAtOnce = false;
    client.sendBatch(1, ops({}));
    harness.sessions.goodbye('the node stops');
    client.sendBatch(2, ops({}));
    expect(client.ack).toEqual({ ranges: [], rejected: ['0 SHUTTING_DOWN'] });
    expect(client.peer.closed).toBeNull();
    harness.plane.writes[0]?.done([], []);
    expect(client.peer.last).toMatchObject({ type: 'OP_ACK', batchId: 1, ranges: [0, 1] });
    expect(client.peer.closed?.code).toBe(CloseCode.GOING_AWAY);
  });

  it('resolves emptied when the last session is gone', async () => {
    const harness = sessionHarness();
    const client = await harness.join();
    harness.sessions.goodbye('the node stops');
    const emptied = harness.sessions.emptied(1_000);
    client.session.onClosed();
    await emptied;
    expect(harness.sessions.size).toBe(0);
    expect(harness.runtime.pendingTimers).toBe(0);
  });
});

it('leaves no timer, client id or subscription behind', async () => {
  const harness = sessionHarness();
  harness.tokens.add('short', 'ann', { expiresAt: WALL + 100_000 });
  const client = await harness.join('short');
  client.send(subscribe(1, 'todos'));
  client.send({ type: 'TOPIC_SUB', topic: 'news' });
  client.session.onClosed();
  client.session.onClosed();
  expect(harness.runtime.pendingTimers).toBe(0);
  expect(harness.topics.size).toBe(0);
  expect(harness.plane.streams.every((stream) => stream.closed)).toBe(true);
  expect(harness.counters.subscriptions).toBe(0);
  expect(harness.sessions.size).toBe(0);
  expect((await harness.join('bob-token', 'c1')).session.state).toBe('active');
});
