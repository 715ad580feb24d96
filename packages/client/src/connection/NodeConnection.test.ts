import { describe, expect, it } from 'vitest';
import { MemoryTransport } from '../testing/MemoryTransport.js';
import { type Script, ScriptedNode } from '../testing/ScriptedNode.js';
import { VirtualTime } from '../testing/VirtualTime.js';
import type { Credentials } from './ConnectionProvider.js';
import { NodeConnection } from './NodeConnection.js';
import type { NodeEvent } from './nodeState.js';

const LATENCY = 10;

function setUp(credentials?: () => Promise<Credentials>) {
  const time = new VirtualTime();
  const runtime = time.runtime({ seed: 1 });
  const transport = new MemoryTransport(runtime, LATENCY);
  const node = new ScriptedNode(transport, runtime);
  const events: NodeEvent[] = [];
  const connection = new NodeConnection({
    endpoint: node.endpoint,
    transport,
    runtime,
    credentials: credentials ?? (async () => ({ token: 'alice', clientId: 'c', mapVersion: 3 })),
    listener: (event) => events.push(event),
  });
  const last = <T extends NodeEvent['type']>(type: T) =>
    events.filter((event): event is Extract<NodeEvent, { type: T }> => event.type === type).at(-1);
  const end = () => last('ended')?.end;
  return { time, runtime, transport, node, events, connection, last, end };
}

async function ready(credentials?: () => Promise<Credentials>) {
  const all = setUp(credentials);
  all.connection.open();
  await all.time.advance(100);
  expect(all.connection.stateName).toBe('ready');
  return all;
}

/** Credentials that the test hands out one by one, when it likes. */
function onDemand() {
  const waiting: ((credentials: Credentials) => void)[] = [];
  return {
    asked: () => waiting.length,
    ask: () => new Promise<Credentials>((resolve) => waiting.push(resolve)),
    answer: (index: number, token: string) => waiting[index]?.({ token, clientId: 'c', mapVersion: 0 }),
  };
}

describe('NodeConnection, handshake', () => {
  it('sends AUTH as soon as it is open, without waiting for the server', async () => {
    const { time, node, connection } = setUp();
    node.script.hello = () => null;
    connection.open();
    await time.advance(2 * LATENCY);
    expect(node.auths()).toEqual([{ type: 'AUTH', protocol: 1, token: 'alice', clientId: 'c', mapVersion: 3 }]);
    expect(connection.stateName).toBe('authenticating');
  });

  it('is ready one round trip after it opened', async () => {
    const { time, connection, events } = setUp();
    connection.open();
    await time.advance(3 * LATENCY - 1);
    expect(connection.isConnected).toBe(false);
    await time.advance(1);
    expect(connection.isConnected).toBe(true);
    expect(connection.hello?.nodeId).toBe('node-1');
    expect(events.map((event) => event.type)).toEqual(['ready']);
  });

  it('asks for no credentials while there is no server', async () => {
    let asked = 0;
    const { time, node, connection, end } = setUp(async () => {
      asked++;
      return { token: null, clientId: 'c', mapVersion: 0 };
    });
    node.stop();
    connection.open();
    await time.advance(100);
    expect(end()).toMatchObject({ kind: 'lost', code: 'UNAVAILABLE' });
    expect(asked).toBe(0);
  });

  it('gives up on a network that does not answer', async () => {
    const { time, transport, node, connection, end } = setUp();
    transport.blackhole(node.endpoint);
    connection.open();
    await time.advance(9_999);
    expect(connection.stateName).toBe('opening');
    await time.advance(1);
    expect(end()).toMatchObject({ kind: 'lost', code: 'TIMEOUT' });
  });

  it('gives up on a server that does not answer the handshake', async () => {
    const { time, node, connection, end } = setUp();
    node.script.auth = () => null;
    connection.open();
    await time.advance(11_000);
    expect(end()).toMatchObject({ kind: 'lost', code: 'TIMEOUT' });
    expect(node.closes).toEqual([3008]);
  });

  it('gives up on an application that does not name its credentials', async () => {
    const { time, connection, end } = setUp(() => new Promise(() => {}));
    connection.open();
    await time.advance(11_000);
    expect(end()).toMatchObject({ kind: 'no-credentials', code: 'AUTH_REQUIRED' });
  });

  it('takes a function that throws for one that rejects', async () => {
    const { time, connection, end } = setUp(() => {
      throw new Error('oops');
    });
    connection.open();
    await time.advance(100);
    expect(end()).toMatchObject({ kind: 'no-credentials', message: /oops/ });
  });

  it('sends the latest credentials when they changed while they were asked for', async () => {
    const { ask, answer, asked } = onDemand();
    const { time, node, connection } = setUp(ask);
    connection.open();
    await time.advance(LATENCY);
    connection.reauthenticate();
    await time.advance(0);
    expect(asked()).toBe(2);
    answer(0, 'old');
    await time.advance(100);
    expect(node.auths()).toEqual([]);
    answer(1, 'new');
    await time.advance(100);
    expect(node.auths().map((auth) => auth.token)).toEqual(['new']);
    expect(connection.isConnected).toBe(true);
  });

  it('ignores credentials that come after its end', async () => {
    const { ask, answer } = onDemand();
    const { time, node, connection, events } = setUp(ask);
    connection.open();
    await time.advance(2 * LATENCY);
    connection.close();
    answer(0, 'late');
    await time.advance(100);
    expect(node.auths()).toEqual([]);
    expect(events.map((event) => event.type)).toEqual(['ended']);
  });

  it('renews at once when the credentials changed while the server judged the old ones', async () => {
    let token = 'old';
    const { time, node, connection, events } = setUp(async () => ({ token, clientId: 'c', mapVersion: 0 }));
    connection.open();
    await time.advance(LATENCY + 1);
    token = 'new';
    connection.reauthenticate();
    await time.advance(2 * LATENCY);
    expect(events.map((event) => event.type)).toEqual(['ready']);
    await time.advance(2 * LATENCY);
    expect(node.auths().map((auth) => auth.token)).toEqual(['old', 'new']);
    expect(events.map((event) => event.type)).toEqual(['ready', 'renewed']);
  });

  it.each(['AUTH_REQUIRED', 'AUTH_INVALID', 'AUTH_EXPIRED', 'FORBIDDEN'] as const)(
    'ends as refused by %s',
    async (code) => {
      const { time, node, connection, end } = setUp();
      node.script.auth = () => ({ type: 'AUTH_FAIL', code, message: 'no' });
      connection.open();
      await time.advance(100);
      expect(end()).toEqual({ kind: 'refused', code, message: 'no', superseded: false });
    },
  );

  it('does not take an ERROR during the handshake for a refusal of its credentials', async () => {
    const { time, node, connection, end } = setUp();
    node.script.auth = () => ({ type: 'ERROR', code: 'AUTH_REQUIRED', message: 'too slow', ref: null });
    connection.open();
    await time.advance(100);
    expect(end()).toMatchObject({ kind: 'lost', code: 'AUTH_REQUIRED' });
  });

  const refusal = { code: 'UNSUPPORTED_PROTOCOL', message: 'protocol 7 only' } as const;
  it.each([
    ['AUTH_REQUIRED', (script: Script) => (script.hello = (node) => node.authRequired({ protocol: 7 }))],
    ['AUTH_FAIL', (script: Script) => (script.auth = () => ({ type: 'AUTH_FAIL', ...refusal }))],
    ['ERROR', (script: Script) => (script.auth = () => ({ type: 'ERROR', ...refusal, ref: null }))],
  ])('learns from %s that the server speaks another protocol', async (_, play) => {
    const { time, node, connection, end } = setUp();
    play(node.script);
    connection.open();
    await time.advance(100);
    expect(end()).toMatchObject({ kind: 'incompatible', code: 'UNSUPPORTED_PROTOCOL', message: /protocol 7/ });
  });

  it.each([
    ['AUTH_ACK before AUTH_REQUIRED', (node: ScriptedNode) => node.authAck()],
    ['data before AUTH_ACK', () => ({ type: 'OP_ACK', batchId: 1, ranges: [], rejected: [], notOwner: [] }) as const],
    ['PONG before AUTH_ACK', () => ({ type: 'PONG', nonce: 0, serverTime: 0 }) as const],
  ])('ends on %s', async (_, first) => {
    const { time, node, connection, end } = setUp();
    node.script.hello = (server) => first(server);
    connection.open();
    await time.advance(100);
    expect(end()).toMatchObject({ kind: 'bad-peer', code: 'BAD_FRAME' });
  });

  it('cannot be opened twice', async () => {
    const { time, transport, connection } = await ready();
    connection.open();
    connection.close();
    connection.open();
    await time.advance(100);
    expect(transport.attempts.length).toBe(1);
  });
});

describe('NodeConnection, heartbeat', () => {
  it('sends PING when nothing was heard for ten seconds, and lives on its answers', async () => {
    const { time, connection, events } = await ready();
    await time.advance(10 * 60_000);
    expect(connection.isConnected).toBe(true);
    expect(events.filter((event) => event.type === 'time').length).toBe(59);
  });

  it('sends no PING while messages come, but measures the time once a minute', async () => {
    const { time, node, events } = await ready();
    for (let second = 0; second < 300; second++) {
      node.say({ type: 'TOPIC_MESSAGE', topic: 't', payload: new Uint8Array(), publisherId: 'p', timestamp: 0 });
      await time.advance(1_000);
    }
    const times = events.filter((event) => event.type === 'time').length;
    expect(times).toBeGreaterThanOrEqual(4);
    expect(times).toBeLessThanOrEqual(5);
  });

  it('ends when a half-open peer was silent for 25 s', async () => {
    const { time, node, connection, end } = await ready();
    node.peer.freeze();
    await time.advance(24_000);
    expect(connection.isConnected).toBe(true);
    await time.advance(1_000);
    expect(end()).toMatchObject({ kind: 'lost', code: 'TIMEOUT', message: /25000 ms/ });
    expect(connection.isConnected).toBe(false);
  });

  it('stays when any message comes, even if PINGs are not answered', async () => {
    const { time, node, connection } = await ready();
    node.script.pings = false;
    for (let i = 0; i < 10; i++) {
      await time.advance(20_000);
      node.say({ type: 'TOPIC_MESSAGE', topic: 't', payload: new Uint8Array(), publisherId: 'p', timestamp: 0 });
    }
    expect(connection.isConnected).toBe(true);
  });

  it('asks before it gives a peer up when the machine itself was asleep', async () => {
    const { time, node, connection } = await ready();
    await time.sleep(3_600_000);
    await time.advance(1_000);
    expect(connection.isConnected).toBe(true);
    node.peer.freeze();
    await time.sleep(3_600_000);
    await time.advance(16_000);
    expect(connection.isConnected).toBe(false);
  });

  it('estimates the clock of the server, exactly where both ways take as long', async () => {
    const { time, node, runtime, connection, last } = setUp();
    node.clockAhead = 123_456;
    connection.open();
    await time.advance(11_000);
    const monotonicToWall = runtime.now() - time.now;
    for (const estimate of [last('ready')?.time, last('time')?.time]) {
      expect(estimate?.latencyMs).toBe(2 * LATENCY);
      const ahead = (estimate?.serverTime ?? 0) - (estimate?.monotonic ?? 0) - monotonicToWall;
      expect(ahead).toBe(123_456);
    }
    expect(connection.session?.latencyMs).toBe(2 * LATENCY);
  });

  it('does not measure by the answer to an older PING', async () => {
    const { time, node, events } = await ready();
    node.script.pings = false;
    await time.advance(21_000);
    node.say({ type: 'PONG', nonce: 1, serverTime: 0 });
    await time.advance(LATENCY);
    expect(events.filter((event) => event.type === 'time')).toEqual([]);
    node.say({ type: 'PONG', nonce: 2, serverTime: 0 });
    node.say({ type: 'PONG', nonce: 2, serverTime: 0 });
    await time.advance(LATENCY);
    expect(events.filter((event) => event.type === 'time').length).toBe(1);
  });
});

describe('NodeConnection, renewal', () => {
  it('never has two AUTH frames unanswered, and ends up with the latest credentials', async () => {
    let token = 'one';
    const { time, node, connection, events } = await ready(async () => ({ token, clientId: 'c', mapVersion: 0 }));
    token = 'two';
    connection.reauthenticate();
    await time.advance(1);
    token = 'three';
    connection.reauthenticate();
    token = 'four';
    connection.reauthenticate();
    await time.advance(LATENCY);
    expect(node.auths().map((auth) => auth.token)).toEqual(['one', 'two']);
    await time.advance(100);
    expect(node.auths().map((auth) => auth.token)).toEqual(['one', 'two', 'four']);
    expect(events.map((event) => event.type)).toEqual(['ready', 'renewed', 'renewed']);
    expect(connection.session?.subject).toBe('four');
  });

  it('keeps the connection when the application has no newer credentials', async () => {
    let fail = false;
    const { time, connection, events } = await ready(async () => {
      if (fail) throw new Error('offline');
      return { token: 'a', clientId: 'c', mapVersion: 0 };
    });
    fail = true;
    connection.reauthenticate();
    await time.advance(100);
    expect(connection.isConnected).toBe(true);
    fail = false;
    connection.reauthenticate();
    await time.advance(100);
    expect(events.at(-1)?.type).toBe('renewed');
  });

  it('ends when the server does not answer a renewal', async () => {
    const { time, node, connection, end } = await ready();
    node.script.auth = () => null;
    connection.reauthenticate();
    await time.advance(10_100);
    expect(end()).toMatchObject({ kind: 'lost', code: 'TIMEOUT' });
  });

  it('ends as refused when the server refuses the renewal, and says when newer credentials wait', async () => {
    for (const again of [false, true]) {
      const { time, node, connection, end } = await ready();
      node.script.auth = () => ({ type: 'AUTH_FAIL', code: 'FORBIDDEN', message: 'another subject' });
      connection.reauthenticate();
      await time.advance(1);
      if (again) connection.reauthenticate();
      await time.advance(100);
      expect(end()).toEqual({ kind: 'refused', code: 'FORBIDDEN', message: 'another subject', superseded: again });
    }
  });

  it('does not take a session that the server ended for refused credentials', async () => {
    const { time, node, end } = await ready();
    node.say({ type: 'AUTH_FAIL', code: 'AUTH_EXPIRED', message: 'the token ended' });
    await time.advance(100);
    expect(end()).toMatchObject({ kind: 'lost', code: 'AUTH_EXPIRED' });
  });

  it('ends on an AUTH_ACK that it did not ask for', async () => {
    const { time, node, end } = await ready();
    node.say(node.authAck({ subject: 'somebody else' }));
    await time.advance(100);
    expect(end()?.kind).toBe('bad-peer');
  });
});

describe('NodeConnection, sending', () => {
  const big = { type: 'TOPIC_PUB', topic: 't', payload: new Uint8Array(300_000) } as const;

  it('has no room above a MiB of unsent bytes, and tells once when there is room again', async () => {
    const { time, node, connection, events } = await ready();
    node.peer.stopReading();
    let sent = 0;
    while (connection.send(big)) sent++;
    expect(sent).toBe(4);
    expect(connection.buffered).toBeGreaterThan(1024 * 1024);
    expect(connection.send(big)).toBe(false);
    await time.advance(1_000);
    expect(events.map((event) => event.type)).toEqual(['ready']);
    node.peer.resumeReading();
    await time.advance(20);
    expect(events.map((event) => event.type)).toEqual(['ready', 'drain']);
    expect(connection.send(big)).toBe(true);
    await time.advance(1_000);
    expect(node.received.length).toBe(6);
    expect(events.filter((event) => event.type === 'drain').length).toBe(1);
  });

  it('does not tell of room after its end', async () => {
    const { time, node, connection, events } = await ready();
    node.peer.stopReading();
    while (connection.send(big));
    connection.close();
    node.peer.resumeReading();
    await time.advance(1_000);
    expect(events.map((event) => event.type)).toEqual(['ready', 'ended']);
  });
});

describe('NodeConnection, ending', () => {
  it('waits after GOODBYE for answers on their way, but not for ever', async () => {
    const { time, node, connection, end, last } = await ready();
    node.say({ type: 'GOODBYE', reason: 'restart', retryAfterMs: 100 });
    await time.advance(LATENCY);
    expect(connection.stateName).toBe('leaving');
    expect(connection.send({ type: 'PING', nonce: 1 })).toBe(false);
    node.say({ type: 'OP_ACK', batchId: 3, ranges: [0, 1], rejected: [], notOwner: [] });
    await time.advance(LATENCY);
    expect(last('message')?.message).toMatchObject({ type: 'OP_ACK', batchId: 3 });
    await time.advance(2_000);
    expect(end()).toMatchObject({ kind: 'goodbye', code: 'SHUTTING_DOWN' });
  });

  it('ends at a frame that is no message, rather than lose what it said', async () => {
    const { time, node, end } = await ready();
    node.peer.send(new Uint8Array([0xc1, 1, 2, 3]));
    node.say({ type: 'OP_ACK', batchId: 3, ranges: [0, 1], rejected: [], notOwner: [] });
    await time.advance(100);
    expect(end()).toMatchObject({ kind: 'bad-peer', code: 'BAD_FRAME' });
    expect(node.closes).toEqual([3002]);
  });

  it('emits nothing after its end, whatever still arrives', async () => {
    const { time, node, connection, events } = await ready();
    node.say({ type: 'OP_ACK', batchId: 3, ranges: [0, 1], rejected: [], notOwner: [] });
    node.peer.close(1011);
    connection.close();
    connection.close();
    connection.reauthenticate();
    await time.advance(60_000);
    expect(events.map((event) => event.type)).toEqual(['ready', 'ended']);
    expect(connection.stateName).toBe('closed');
  });

  it('can be closed before it was opened', async () => {
    const { time, transport, connection, events } = setUp();
    connection.close();
    connection.open();
    await time.advance(100);
    expect(transport.attempts).toEqual([]);
    expect(events.map((event) => event.type)).toEqual(['ended']);
  });

  it('goes on when its listener throws', async () => {
    const time = new VirtualTime();
    const runtime = time.runtime({ seed: 1 });
    const transport = new MemoryTransport(runtime);
    const node = new ScriptedNode(transport, runtime);
    const reported: object[] = [];
    const ignore = (): void => {};
    const connection = new NodeConnection({
      endpoint: node.endpoint,
      transport,
      runtime,
      credentials: async () => ({ token: null, clientId: 'c', mapVersion: 0 }),
      listener: () => {
        throw new Error('from above');
      },
      logger: { debug: ignore, info: ignore, warn: ignore, error: (details) => reported.push(details) },
    });
    connection.open();
    await time.advance(30_000);
    expect(connection.isConnected).toBe(true);
    expect(reported.length).toBeGreaterThanOrEqual(2);
  });
});
