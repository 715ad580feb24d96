import type { AddressInfo } from 'node:net';
import {
  DEFAULT_LIMITS,
  decodeClientMessage,
  encodeMessage,
  PROTOCOL_VERSION,
  type ServerMessage,
  systemRuntime,
} from '@topgunbuild/core';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import type { ProviderEvent } from './ConnectionProvider.js';
import { SingleServerProvider } from './SingleServerProvider.js';
import { WebSocketTransport } from './WebSocketTransport.js';

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of cleanup.splice(0).reverse()) await close();
});

/** The least that a node does, on a real port: shakes hands and acknowledges. */
async function startServer(port = 0): Promise<WebSocketServer> {
  const server = new WebSocketServer({ port, host: '127.0.0.1' });
  cleanup.push(() => stopServer(server));
  await new Promise((resolve) => server.once('listening', resolve));
  server.on('connection', (socket) => {
    const say = (message: ServerMessage): void => socket.send(encodeMessage(message));
    const serverTime = Date.now();
    const [nodeId, clusterId, logId] = ['n', 'c', 'l'];
    say({
      type: 'AUTH_REQUIRED',
      protocol: PROTOCOL_VERSION,
      nodeId,
      clusterId,
      logId,
      serverTime,
      limits: DEFAULT_LIMITS,
    });
    socket.on('message', (data: Buffer) => {
      const message = decodeClientMessage(new Uint8Array(data));
      if (message.type === 'AUTH') {
        say({ type: 'AUTH_ACK', sessionId: 's', subject: 'alice', expiresAt: 0, serverTime: Date.now(), map: null });
      } else if (message.type === 'TOPIC_PUB') {
        const { topic, payload } = message;
        say({ type: 'TOPIC_MESSAGE', topic, payload, publisherId: 'alice', timestamp: serverTime });
      }
    });
  });
  return server;
}

function stopServer(server: WebSocketServer): Promise<void> {
  for (const client of server.clients) client.terminate();
  return new Promise((resolve) => server.close(() => resolve()));
}

describe('SingleServerProvider over real sockets', () => {
  it('shakes hands, carries messages, and reconnects when the server comes back', async () => {
    const server = await startServer();
    const { port } = server.address() as AddressInfo;
    const events: ProviderEvent[] = [];
    let notify = (): void => {};
    const seen = (type: ProviderEvent['type'], count: number): Promise<void> =>
      new Promise((resolve) => {
        notify = () => events.filter((event) => event.type === type).length >= count && resolve();
        notify();
      });
    const provider = new SingleServerProvider({
      url: `http://127.0.0.1:${port}`,
      transport: new WebSocketTransport(),
      runtime: systemRuntime(),
      credentials: async () => ({ token: 't', clientId: 'c', mapVersion: 0 }),
    });
    cleanup.push(() => provider.close());
    provider.on((event) => {
      events.push(event);
      notify();
    });

    provider.connect();
    await seen('connected', 1);
    const payload = new Uint8Array([1, 2, 3]);
    expect(provider.send({ type: 'TOPIC_PUB', topic: 'news', payload })).toBe(true);
    await seen('message', 1);
    expect(events.at(-1)).toMatchObject({ type: 'message', message: { type: 'TOPIC_MESSAGE', payload } });

    await stopServer(server);
    await seen('disconnected', 1);
    await seen('connect-failed', 1);
    await startServer(port);
    await seen('connected', 2);
    expect(provider.isConnected()).toBe(true);
  });
});
