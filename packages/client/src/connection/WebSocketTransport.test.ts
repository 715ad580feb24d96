import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { CloseInfo } from './Transport.js';
import { WebSocketTransport } from './WebSocketTransport.js';

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

function until<T>(subscribe: (done: (value: T) => void) => void): Promise<T> {
  return new Promise(subscribe);
}

async function listening<S extends Server | TcpServer>(server: S): Promise<number> {
  open.push(server);
  await until<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

async function webSocketServer(): Promise<{ server: WebSocketServer; url: string; accepted: Promise<WebSocket> }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  open.push(server);
  await until((done) => server.once('listening', done));
  const accepted = until<WebSocket>((done) => server.once('connection', done));
  return { server, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, accepted };
}

/** A connection of the transport, with what it was told. */
function connect(url: string, transport = new WebSocketTransport()) {
  const frames: Uint8Array[] = [];
  const closes: CloseInfo[] = [];
  const on = { frame: (): void => {}, open: (): void => {}, close: (): void => {} };
  const connection = transport.connect(url, {
    onOpen: () => on.open(),
    onFrame: (bytes) => {
      frames.push(bytes);
      on.frame();
    },
    onClose: (info) => {
      closes.push(info);
      on.close();
    },
  });
  const opened = until<void>((done) => {
    on.open = done;
  });
  const closed = until<void>((done) => {
    on.close = done;
  });
  const received = (count: number): Promise<void> =>
    until((done) => {
      on.frame = () => frames.length >= count && done();
      on.frame();
    });
  return { connection, frames, closes, opened, closed, received };
}

describe('WebSocketTransport', () => {
  it('carries frames in both directions, in order, byte for byte', async () => {
    const { url, accepted } = await webSocketServer();
    const { connection, frames, opened, received } = connect(url);
    const peer = await accepted;
    peer.on('message', (data) => peer.send(data));
    await opened;
    const sent = Array.from({ length: 200 }, (_, i) => new Uint8Array(i * 97).fill(i));
    for (const bytes of sent) connection.send(bytes);
    await received(200);
    expect(Buffer.concat(frames).equals(Buffer.concat(sent))).toBe(true);
    expect(frames.map((frame) => frame.length)).toEqual(sent.map((bytes) => bytes.length));
  });

  it('sends only the part of a buffer that it was given', async () => {
    const { url, accepted } = await webSocketServer();
    const { connection, opened } = connect(url);
    const peer = await accepted;
    const got = until<Buffer>((done) => peer.once('message', done));
    await opened;
    connection.send(new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4));
    expect([...(await got)]).toEqual([1, 2, 3]);
  });

  it('writes the frames of one turn to the network at once', async () => {
    const { url, accepted } = await webSocketServer();
    const { connection, opened } = connect(url);
    const peer = await accepted;
    let chunks = 0;
    let count = 0;
    const all = until<void>((done) => peer.on('message', () => ++count === 100 && done()));
    await opened;
    (peer as unknown as { _socket: Socket })._socket.on('data', () => chunks++);
    for (let i = 0; i < 100; i++) connection.send(new Uint8Array(50));
    expect(connection.buffered).toBeGreaterThan(5_000);
    await all;
    expect(chunks).toBe(1);
    expect(connection.buffered).toBe(0);
  });

  it('agrees on no compression', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: true });
    open.push(server);
    await until((done) => server.once('listening', done));
    const accepted = until<WebSocket>((done) => server.once('connection', done));
    connect(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    expect((await accepted).extensions).toBe('');
  });

  it('tells the code and reason of the peer that closed', async () => {
    const { url, accepted } = await webSocketServer();
    const { closes, closed, opened } = connect(url);
    const peer = await accepted;
    await opened;
    peer.close(1008, 'policy');
    await closed;
    expect(closes).toEqual([{ code: 1008, reason: 'policy' }]);
  });

  it('tells of a peer that vanished', async () => {
    const { url, accepted } = await webSocketServer();
    const { closes, closed, opened } = connect(url);
    const peer = await accepted;
    await opened;
    peer.terminate();
    await closed;
    expect(closes).toMatchObject([{ code: 1006 }]);
  });

  it('tells of a port where nobody listens', async () => {
    const port = await listening(createTcpServer());
    await until<void>((done) => (open.pop() as TcpServer).close(() => done()));
    const { closes, closed } = connect(`ws://127.0.0.1:${port}`);
    await closed;
    expect(closes).toMatchObject([{ code: 1006, reason: expect.stringContaining('ECONNREFUSED') }]);
  });

  it('tells of an HTTP server that knows no WebSocket', async () => {
    const port = await listening(createServer((_, response) => response.writeHead(404).end()));
    const { closes, closed } = connect(`http://127.0.0.1:${port}/somewhere`);
    await closed;
    expect(closes).toMatchObject([{ code: 1006, reason: expect.stringContaining('404') }]);
  });

  it('tells of a URL that it cannot open, instead of throwing', async () => {
    const { connection, closes, closed } = connect('gopher://host');
    connection.send(new Uint8Array(1));
    expect(connection.buffered).toBe(0);
    connection.close();
    await closed;
    expect(closes).toMatchObject([{ code: 1006, reason: expect.stringContaining('gopher') }]);
  });

  it('tells that the platform has no WebSocket', async () => {
    class Missing {
      constructor() {
        throw new Error('not on this platform');
      }
    }
    const transport = new WebSocketTransport({ WebSocket: Missing as unknown as typeof globalThis.WebSocket });
    const { closes, closed } = connect('ws://host', transport);
    await closed;
    expect(closes).toMatchObject([{ reason: 'not on this platform' }]);
  });

  it('closes without waiting for a peer that never answers', async () => {
    const sockets: Socket[] = [];
    // Takes the handshake and then reads nothing any more: as a machine that lost power, as far as the client can see.
    const server = createServer();
    server.on('upgrade', (request, socket: Socket) => {
      sockets.push(socket);
      const key = String(request.headers['sec-websocket-key']);
      socket.write(upgradeResponse(key));
      socket.pause();
    });
    const port = await listening(server);
    const { connection, closes, closed, opened } = connect(`ws://127.0.0.1:${port}`);
    await opened;
    connection.send(new Uint8Array(8 * 1024 * 1024));
    connection.close(1008, 'heartbeat');
    expect(closes).toEqual([]);
    await closed;
    expect(closes).toEqual([{ code: 1008, reason: 'heartbeat' }]);
    for (const socket of sockets) socket.destroy();
  });

  it('tells of nothing after it was closed', async () => {
    const { url, accepted } = await webSocketServer();
    const { connection, frames, closes, opened } = connect(url);
    const peer = await accepted;
    await opened;
    const gone = until((done) => peer.once('close', done));
    peer.send('late');
    peer.close();
    connection.close();
    connection.close();
    await gone;
    expect(frames).toEqual([]);
    expect(closes).toEqual([{ code: 1000, reason: '' }]);
  });

  it('can be closed while it still opens', async () => {
    const { url, server } = await webSocketServer();
    const { connection, closes, closed } = connect(url);
    let opened = false;
    server.once('connection', () => {
      opened = true;
    });
    connection.close();
    await closed;
    expect(closes).toEqual([{ code: 1000, reason: '' }]);
    const second = connect(url);
    await second.opened;
    expect(server.clients.size + (opened ? 0 : 1)).toBeGreaterThan(0);
  });

  it('tells the peer any close code and however long a reason, within what WebSockets allow', async () => {
    const { url, accepted } = await webSocketServer();
    const { connection, opened } = connect(url);
    const peer = await accepted;
    const told = until<[number, string]>((done) => peer.once('close', (code, reason) => done([code, String(reason)])));
    await opened;
    connection.close(1002, '€'.repeat(200));
    expect(await told).toEqual([3000, '€'.repeat(41)]);
  });

  it('hands a text frame on as bytes', async () => {
    const { url, accepted } = await webSocketServer();
    const { frames, received, opened } = connect(url);
    const peer = await accepted;
    await opened;
    peer.send('hällo');
    await received(1);
    expect(new TextDecoder().decode(frames[0])).toBe('hällo');
  });
});

function upgradeResponse(key: string): string {
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}
