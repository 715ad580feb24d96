import { afterEach, describe, expect, it } from 'vitest';
import { MemoryTransport } from '../testing/MemoryTransport.js';
import { ScriptedNode } from '../testing/ScriptedNode.js';
import { VirtualTime } from '../testing/VirtualTime.js';
import type { Credentials, ProviderEvent } from './ConnectionProvider.js';
import { SingleServerProvider } from './SingleServerProvider.js';

/** What listeners threw, failed expectations too: the provider catches it and reports it to the logger. */
const thrown: unknown[] = [];
const logger = {
  debug() {},
  info() {},
  warn() {},
  error: (details: object) => thrown.push(Reflect.get(details, 'error')),
};
afterEach(() => {
  for (const error of thrown.splice(0)) throw error;
});

function setUp(seed = 1) {
  const time = new VirtualTime();
  const runtime = time.runtime({ seed });
  const transport = new MemoryTransport(runtime, 5);
  const node = new ScriptedNode(transport, runtime);
  const events: ProviderEvent[] = [];
  const token = { value: 'alice' as string | null };
  const credentials = async (): Promise<Credentials> => ({ token: token.value, clientId: 'client-1', mapVersion: 0 });
  const provider = new SingleServerProvider({ url: node.endpoint, transport, runtime, credentials, logger });
  // What the provider says of itself must agree with each event at the moment it is told.
  provider.on((event) => {
    events.push(event);
    if (event.type === 'connected') expect(provider.getConnectedNodes()).toEqual([event.nodeId]);
    if (event.type === 'disconnected') expect(provider.isConnected()).toBe(false);
    expect(provider.getConnectedNodes().length).toBe(provider.isConnected() ? 1 : 0);
  });
  const types = (): string[] => events.map((event) => event.type);
  const last = <T extends ProviderEvent['type']>(type: T) =>
    events.filter((event): event is Extract<ProviderEvent, { type: T }> => event.type === type).at(-1);
  return { time, runtime, transport, node, provider, events, types, last, token };
}

/** Connects, and is dropped by the server after each `openMs`. */
function droppedAfter(node: ScriptedNode, openMs: number): void {
  node.script.auth = () => {
    const { peer } = node;
    node.runtime.setTimer(openMs, () => peer.close(1011, 'crashed'));
    return node.authAck();
  };
}

describe('SingleServerProvider', () => {
  it('connects and tells who the server is', async () => {
    const { time, node, provider, types, last } = setUp();
    expect(provider.isConnected()).toBe(false);
    provider.connect();
    await time.advance(100);
    expect(types()).toEqual(['connecting', 'connected']);
    expect(last('connected')).toMatchObject({
      nodeId: 'node-1',
      clusterId: 'cluster-1',
      logId: 'log-1',
      subject: 'alice',
    });
    expect(node.auths()).toEqual([{ type: 'AUTH', protocol: 1, token: 'alice', clientId: 'client-1', mapVersion: 0 }]);
    expect(provider.isConnected()).toBe(true);
  });

  it('does not connect before it is asked to, and only once', async () => {
    const { time, transport, provider } = setUp();
    await time.advance(60_000);
    expect(transport.attempts).toEqual([]);
    provider.connect();
    provider.connect();
    await time.advance(1_000);
    expect(transport.attempts.length).toBe(1);
  });

  it('refuses a URL that it cannot connect to', () => {
    const { transport, runtime } = setUp();
    const credentials = (): Promise<Credentials> => Promise.reject(new Error('unused'));
    const make = (url: string) => new SingleServerProvider({ url, transport, runtime, credentials });
    expect(() => make('ftp://host')).toThrow(/ws, wss, http or https/);
  });

  it('sends only while connected', async () => {
    const { time, node, provider } = setUp();
    expect(provider.send({ type: 'TOPIC_SUB', topic: 'news' })).toBe(false);
    provider.connect();
    expect(provider.send({ type: 'TOPIC_SUB', topic: 'news' })).toBe(false);
    await time.advance(100);
    expect(provider.send({ type: 'TOPIC_SUB', topic: 'news' })).toBe(true);
    await time.advance(10);
    expect(node.received.at(-1)).toEqual({ type: 'TOPIC_SUB', topic: 'news' });
  });

  it('hands on messages with the node they came from', async () => {
    const { time, node, provider, last } = setUp();
    provider.connect();
    await time.advance(100);
    node.say({ type: 'OP_ACK', batchId: 7, ranges: [0, 1], rejected: [], notOwner: [] });
    await time.advance(10);
    expect(last('message')).toMatchObject({ nodeId: 'node-1', message: { type: 'OP_ACK', batchId: 7 } });
  });

  it('reconnects quickly after a healthy connection broke, and tells the other node that it meets', async () => {
    const { time, node, provider, types, last } = setUp();
    provider.connect();
    await time.advance(40_000);
    node.nodeId = 'node-2';
    node.peer.close(1011, 'crashed');
    await time.advance(600);
    expect(types().filter((type) => type !== 'time')).toEqual([
      'connecting',
      'connected',
      'disconnected',
      'connecting',
      'connected',
    ]);
    expect(last('disconnected')).toMatchObject({
      nodeId: 'node-1',
      code: 'UNAVAILABLE',
      reason: expect.stringContaining('1011'),
    });
    expect(last('connected')?.nodeId).toBe('node-2');
  });

  it('waits longer after each failure, with full jitter, up to half a minute', async () => {
    const bounds = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    const waits = bounds.map((): number[] => []);
    for (let seed = 0; seed < 200; seed++) {
      const { time, transport, node, provider, events } = setUp(seed);
      node.stop();
      provider.connect();
      await time.advance(1);
      while (transport.attempts.length <= bounds.length) await time.advance(30_010);
      const failed = events.filter((event) => event.type === 'connect-failed');
      bounds.forEach((_, i) => {
        const gap = (transport.attempts[i + 1] ?? 0) - (transport.attempts[i] ?? 0) - 5;
        expect(gap).toBeCloseTo(failed[i]?.retryInMs ?? -1, 6);
        waits[i]?.push(gap);
      });
      await provider.close();
    }
    bounds.forEach((bound, i) => {
      const all = waits[i] ?? [];
      expect(Math.max(...all)).toBeLessThanOrEqual(bound);
      expect(Math.min(...all)).toBeGreaterThanOrEqual(50);
      // Full jitter: spread over the whole range, not around its end.
      expect(all.reduce((sum, wait) => sum + wait, 0) / all.length / bound).toBeGreaterThan(0.4);
      expect(all.reduce((sum, wait) => sum + wait, 0) / all.length / bound).toBeLessThan(0.65);
    });
  });

  it('says why it could not connect', async () => {
    const { time, node, provider, last } = setUp();
    node.stop();
    provider.connect();
    await time.advance(10);
    expect(last('connect-failed')).toMatchObject({ code: 'UNAVAILABLE', reason: expect.stringContaining('refused') });
  });

  it('keeps backing off while connections break soon after they opened', async () => {
    const { time, transport, node, provider } = setUp();
    droppedAfter(node, 1_000);
    provider.connect();
    await time.advance(10 * 60_000);
    const before = transport.attempts.length;
    await time.advance(10 * 60_000);
    // At a mean wait of 15 s and some, ten minutes have about 37 attempts.
    expect(transport.attempts.length - before).toBeLessThan(60);
  });

  it('does not wait ever longer for a server whose connections last for a while', async () => {
    const { time, transport, node, provider } = setUp();
    droppedAfter(node, 10_000);
    provider.connect();
    await time.advance(10 * 60_000);
    const before = transport.attempts.length;
    await time.advance(10 * 60_000);
    // Three failures count, so it waits two seconds at most, and one in the mean.
    expect(transport.attempts.length - before).toBeGreaterThan(45);
    expect(transport.attempts.length - before).toBeLessThan(60);
  });

  it('forgets earlier failures once a connection was healthy for half a minute', async () => {
    const { time, transport, node, provider } = setUp();
    node.stop();
    provider.connect();
    await time.advance(5 * 60_000);
    node.start();
    while (!provider.isConnected()) await time.advance(100);
    await time.advance(30_000);
    const before = transport.attempts.length;
    node.peer.close(1006);
    await time.advance(600);
    expect(transport.attempts.length).toBe(before + 1);
    expect(provider.isConnected()).toBe(true);
  });

  it.each([
    ['a server that refuses connections', (node: ScriptedNode) => node.stop()],
    ['a server that drops at once', (node: ScriptedNode) => droppedAfter(node, 0)],
    ['a peer that sends garbage', (node: ScriptedNode) => garbage(node)],
    ['a server that says GOODBYE without a wait', (node: ScriptedNode) => goodbyes(node)],
    [
      'a server of another protocol',
      (node: ScriptedNode) => {
        node.script.hello = () => node.authRequired({ protocol: 99 });
      },
    ],
  ])('makes a bounded number of attempts a minute against %s', async (_, misbehave) => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { time, transport, node, provider } = setUp(seed);
      misbehave(node);
      provider.connect();
      await time.advance(60_000);
      expect(transport.attempts.length).toBeLessThanOrEqual(16);
      const before = transport.attempts.length;
      await time.advance(10 * 60_000);
      expect((transport.attempts.length - before) / 10).toBeLessThanOrEqual(6);
      await provider.close();
    }
  });

  it('comes back after GOODBYE no sooner than it was asked to', async () => {
    const { time, transport, node, provider, last } = setUp();
    provider.connect();
    await time.advance(1_000);
    node.say({ type: 'GOODBYE', reason: 'restart', retryAfterMs: 20_000 });
    await time.advance(5);
    expect(provider.send({ type: 'TOPIC_SUB', topic: 'late' })).toBe(false);
    node.say({ type: 'OP_ACK', batchId: 1, ranges: [], rejected: [], notOwner: [] });
    await time.advance(5);
    expect(last('message')?.message.type).toBe('OP_ACK');
    node.peer.close(1001);
    await time.advance(5);
    expect(last('disconnected')).toMatchObject({ code: 'SHUTTING_DOWN', reason: expect.stringContaining('restart') });
    await time.advance(19_900);
    expect(transport.attempts.length).toBe(1);
    await time.advance(1_000);
    expect(transport.attempts.length).toBe(2);
    expect(provider.isConnected()).toBe(true);
  });

  it('waits no more than five minutes, whatever GOODBYE asks for', async () => {
    const { time, transport, node, provider } = setUp();
    provider.connect();
    await time.advance(1_000);
    node.say({ type: 'GOODBYE', reason: 'forever', retryAfterMs: Number.MAX_SAFE_INTEGER });
    await time.advance(310_000);
    expect(transport.attempts.length).toBe(2);
  });

  it('stops when its credentials are refused, and tries again with new ones', async () => {
    const { time, transport, node, provider, types, last, token } = setUp();
    node.script.auth = ({ token }) =>
      token === 'good' ? node.authAck({ subject: 'bob' }) : { type: 'AUTH_FAIL', code: 'AUTH_INVALID', message: 'no' };
    provider.connect();
    await time.advance(10 * 60_000);
    expect(types()).toEqual(['connecting', 'auth-failed']);
    expect(last('auth-failed')).toMatchObject({ code: 'AUTH_INVALID', message: 'no' });
    expect(transport.attempts.length).toBe(1);
    token.value = 'good';
    provider.reauthenticate();
    await time.advance(50);
    expect(last('connected')?.subject).toBe('bob');
  });

  it('slows down an application that answers every refusal with another bad token', async () => {
    const { time, transport, node, provider } = setUp();
    node.script.auth = () => ({ type: 'AUTH_FAIL', code: 'AUTH_EXPIRED', message: 'old' });
    provider.on((event) => {
      if (event.type === 'auth-failed') provider.reauthenticate();
    });
    provider.connect();
    await time.advance(60_000);
    expect(transport.attempts.length).toBeLessThanOrEqual(16);
  });

  it.each(['RATE_LIMITED', 'UNAVAILABLE', 'LIMIT_EXCEEDED', 'INTERNAL'] as const)(
    'tries again when the handshake failed by %s, which is no fault of the credentials',
    async (code) => {
      const { time, node, provider, last } = setUp();
      node.script.auth = () => ({ type: 'AUTH_FAIL', code, message: 'busy' });
      provider.connect();
      await time.advance(30);
      expect(last('connect-failed')?.code).toBe(code);
      node.script.auth = () => node.authAck();
      await time.advance(2_000);
      expect(provider.isConnected()).toBe(true);
    },
  );

  it('connects at once with a token that came while an older one was being refused', async () => {
    const { time, node, provider, types, token } = setUp();
    node.script.auth = ({ token }) =>
      token === 'new' ? node.authAck() : { type: 'AUTH_FAIL', code: 'AUTH_EXPIRED', message: 'old' };
    provider.connect();
    await time.advance(8);
    expect(node.auths().length).toBe(0);
    await time.advance(4);
    token.value = 'new';
    provider.reauthenticate();
    await time.advance(50);
    expect(provider.isConnected()).toBe(true);
    expect(types()).not.toContain('auth-failed');
  });

  it('renews the credentials of an open connection in place', async () => {
    const { time, transport, node, provider, last, token } = setUp();
    node.script.auth = ({ token }) => node.authAck({ subject: 'alice', expiresAt: token === 'second' ? 2_000 : 1_000 });
    provider.connect();
    await time.advance(100);
    expect(last('connected')?.expiresAt).toBe(1_000);
    token.value = 'second';
    provider.reauthenticate();
    await time.advance(100);
    expect(last('renewed')).toEqual({ type: 'renewed', nodeId: 'node-1', subject: 'alice', expiresAt: 2_000 });
    expect(transport.attempts.length).toBe(1);
  });

  it('disconnects and stops when a renewal is refused', async () => {
    const { time, transport, node, provider, types, token } = setUp();
    node.script.auth = ({ token }) =>
      token === 'alice' ? node.authAck() : { type: 'AUTH_FAIL', code: 'FORBIDDEN', message: 'another subject' };
    provider.connect();
    await time.advance(100);
    token.value = 'mallory';
    provider.reauthenticate();
    await time.advance(60_000);
    expect(types()).toEqual(['connecting', 'connected', 'disconnected', 'auth-failed']);
    expect(transport.attempts.length).toBe(1);
  });

  it('tries again when there were no credentials, and at once when they come', async () => {
    const { time, runtime, transport, node } = setUp();
    let token: string | null = null;
    const events: ProviderEvent[] = [];
    const credentials = async (): Promise<Credentials> => {
      if (token === null) throw new Error('not logged in');
      return { token, clientId: 'c', mapVersion: 0 };
    };
    const provider = new SingleServerProvider({ url: node.endpoint, transport, runtime, credentials });
    provider.on((event) => events.push(event));
    provider.connect();
    await time.advance(20);
    expect(events.at(-1)).toMatchObject({ type: 'connect-failed', code: 'AUTH_REQUIRED', reason: /not logged in/ });
    token = 'alice';
    provider.reauthenticate();
    await time.advance(30);
    expect(provider.isConnected()).toBe(true);
  });

  it('tells a server of another protocol version apart, and asks it seldom', async () => {
    const { time, transport, node, provider, last } = setUp();
    node.script.hello = () => node.authRequired({ protocol: 2 });
    provider.connect();
    await time.advance(100);
    expect(last('connect-failed')).toMatchObject({
      code: 'UNSUPPORTED_PROTOCOL',
      reason: expect.stringContaining('protocol 2'),
    });
    await time.advance(29_000);
    expect(transport.attempts.length).toBe(1);
    node.script.hello = () => node.authRequired();
    await time.advance(32_000);
    expect(provider.isConnected()).toBe(true);
  });

  it('says that a peer is no TopGun server', async () => {
    const { time, node, provider, last } = setUp();
    garbage(node);
    provider.connect();
    await time.advance(50);
    expect(last('connect-failed')).toMatchObject({
      code: 'BAD_FRAME',
      reason: expect.stringContaining('TopGun server'),
    });
  });

  it('survives a listener that throws', async () => {
    const { time, provider } = setUp();
    let calls = 0;
    provider.on(() => {
      calls++;
      throw new Error('from the application');
    });
    provider.connect();
    await time.advance(100);
    expect(calls).toBe(2);
    expect(provider.isConnected()).toBe(true);
    expect(thrown.splice(0)).toEqual([new Error('from the application'), new Error('from the application')]);
  });

  it('delivers what a listener causes after that listener returned', async () => {
    const { time, provider } = setUp();
    const log: string[] = [];
    provider.on((event) => {
      log.push(`> ${event.type}`);
      if (event.type === 'connected') void provider.close();
      log.push(`< ${event.type}`);
    });
    provider.connect();
    await time.advance(100);
    expect(log.slice(2)).toEqual(['> connected', '< connected', '> disconnected', '< disconnected']);
  });

  it.each([0, 3, 7, 12, 18, 100])('closes for good, %i ms after it began to connect', async (ms) => {
    const { time, transport, node, provider, events, types } = setUp();
    provider.connect();
    await time.advance(ms);
    const before = events.length;
    const wasConnected = provider.isConnected();
    await provider.close();
    expect(provider.isConnected()).toBe(false);
    provider.connect();
    provider.reauthenticate();
    await time.advance(120_000);
    expect(types().slice(before)).toEqual(wasConnected ? ['disconnected'] : []);
    expect(transport.attempts.length).toBe(1);
    expect(provider.send({ type: 'PING', nonce: 1 })).toBe(false);
    expect(node.peers.length).toBeLessThanOrEqual(1);
  });

  it('closes while it waits to reconnect', async () => {
    const { time, transport, node, provider } = setUp();
    node.stop();
    provider.connect();
    await time.advance(6);
    await provider.close();
    await time.advance(120_000);
    expect(transport.attempts.length).toBe(1);
  });
});

function garbage(node: ScriptedNode): void {
  node.script.hello = () => {
    node.peer.send(new TextEncoder().encode('HTTP/1.1 404 Not Found'));
    return null;
  };
}

function goodbyes(node: ScriptedNode): void {
  node.script.hello = () => ({ type: 'GOODBYE', reason: 'full', retryAfterMs: 0 });
}
