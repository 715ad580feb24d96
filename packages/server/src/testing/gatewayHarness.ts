import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  type ClientMessage,
  DEFAULT_LIMITS,
  decodeServerMessage,
  encodeMessage,
  type Limits,
  type ServerMessage,
  systemRuntime,
} from '@topgunbuild/core';
import { WebSocket } from 'ws';
import { NoAuthenticator } from '../auth/NoAuthenticator.js';
import { Gateway } from '../gateway/Gateway.js';
import { SILENT } from '../Logger.js';
import { Counters } from '../metrics/Counters.js';
import { ALLOW_ALL } from '../permissions/createPermissions.js';
import { RowGuard } from '../permissions/RowGuard.js';
import { RateLimiter } from '../session/RateLimiter.js';
import { Sessions } from '../session/Sessions.js';
import { TopicHub } from '../topic/TopicHub.js';
import { FakePlane } from './FakePlane.js';

export interface GatewayOptions {
  readonly limits?: Partial<Limits>;
  readonly origins?: readonly string[];
}

/** A gateway on a real port, with sessions over a data plane that stores nothing. Everybody is let in. */
export class GatewayHarness {
  readonly plane = new FakePlane();
  readonly counters = new Counters();
  readonly topics = new TopicHub();
  readonly sessions: Sessions;
  readonly gateway: Gateway;
  accepting = true;
  port = 0;

  constructor({ limits: given = {}, origins }: GatewayOptions = {}) {
    const runtime = systemRuntime();
    const limits = { ...DEFAULT_LIMITS, ...given };
    const { counters, plane, topics } = this;
    this.sessions = new Sessions({
      nodeId: 'node-1',
      clusterId: 'log-1',
      runtime,
      limits,
      plane,
      authenticator: new NoAuthenticator(),
      permissions: ALLOW_ALL,
      topics,
      rates: new RateLimiter(runtime, limits),
      rowGuard: new RowGuard(),
      counters,
      logger: SILENT,
      cluster: null,
      routing: null,
      streamsPerQuery: 1,
      partitionMap: () => ({
        clusterId: 'log-1',
        incarnation: 'boot-1',
        version: 1,
        shardCount: 1,
        nodes: [{ id: 'node-1', endpoint: 'ws://node-1' }],
        owners: [0],
        epochs: [1],
      }),
    });
    const sessions = (): Sessions | null => (this.accepting ? this.sessions : null);
    const onRequest = (_: unknown, response: { end(body: string): void }): void => response.end('plain');
    this.gateway = new Gateway({ runtime, limits, counters, sessions, onRequest }, origins ?? null);
  }

  async start(): Promise<this> {
    this.port = await this.gateway.listen(0, '127.0.0.1');
    return this;
  }

  stop(): Promise<void> {
    return this.gateway.close();
  }

  /** A WebSocket client that keeps what it gets. */
  open(headers: Readonly<Record<string, string>> = {}, path = '/'): WsClient {
    return new WsClient(new WebSocket(`ws://127.0.0.1:${this.port}${path}`, { headers }));
  }

  /** One that has authenticated. */
  async join(clientId = 'c1'): Promise<WsClient> {
    const client = this.open();
    await client.opened();
    client.send({ type: 'AUTH', protocol: 1, token: null, clientId, mapVersion: 0 });
    await client.until('AUTH_ACK');
    return client;
  }

  tcp(): Promise<RawClient> {
    return RawClient.connect(this.port);
  }
}

export class WsClient {
  readonly ws: WebSocket;
  readonly messages: ServerMessage[] = [];
  readonly #closed: Promise<{ code: number; reason: string }>;
  #onMessage: () => void = () => undefined;

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data: Buffer) => {
      this.messages.push(decodeServerMessage(data));
      this.#onMessage();
    });
    ws.on('error', () => undefined);
    this.#closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  async opened(): Promise<void> {
    await once(this.ws, 'open');
  }

  /** The status that an upgrade was refused with. */
  async refused(): Promise<number | undefined> {
    const [, response] = (await once(this.ws, 'unexpected-response')) as [unknown, { statusCode?: number }];
    return response.statusCode;
  }

  send(message: ClientMessage): void {
    this.ws.send(encodeMessage(message));
  }

  closed(): Promise<{ code: number; reason: string }> {
    return this.#closed;
  }

  /** The first message of this type, once it is there. */
  async until<T extends ServerMessage['type']>(type: T): Promise<Extract<ServerMessage, { type: T }>> {
    for (;;) {
      const found = this.messages.find((message) => message.type === type);
      if (found !== undefined) return found as Extract<ServerMessage, { type: T }>;
      await new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
    }
  }
}

/** A TCP client that says what it likes. */
export class RawClient {
  readonly socket: Socket;
  text = '';
  bytes = 0;
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data) => {
      this.bytes += data.length;
      if (this.text.length < 10_000) this.text += data.toString('latin1');
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on('close', () => resolve());
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  write(data: string | Uint8Array): void {
    if (this.socket.writable) this.socket.write(data);
  }

  /** Sends a correct upgrade and waits for the answer. */
  async upgrade(extraHeaders = ''): Promise<void> {
    this.write(upgradeRequest(extraHeaders));
    while (!this.text.includes('\r\n\r\n')) await once(this.socket, 'data');
  }
}

export function upgradeRequest(extraHeaders = ''): string {
  return (
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${extraHeaders}\r\n`
  );
}

/** A client's frame with an all-zero mask. */
export function maskedFrame(
  opcode: number,
  payload: Uint8Array,
  options: { fin?: boolean; length?: number } = {},
): Buffer {
  const length = options.length ?? payload.length;
  const head = [(options.fin === false ? 0 : 0x80) | opcode];
  if (length < 126) head.push(0x80 | length);
  else if (length < 65_536) head.push(0x80 | 126, length >> 8, length & 0xff);
  else {
    head.push(0x80 | 127);
    for (let byte = 7; byte >= 0; byte--) head.push(Math.floor(length / 256 ** byte) % 256);
  }
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]);
}
