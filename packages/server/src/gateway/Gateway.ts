import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Limits, type Runtime, type Timer, TopGunError } from '@topgunbuild/core';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Counters } from '../metrics/Counters.js';
import type { Sessions } from '../session/Sessions.js';
import { Connection } from './Connection.js';
import { type HttpRefusal, isAllowedOrigin, judgeRequest } from './judgeRequest.js';
import { TurnFlusher } from './TurnFlusher.js';

export interface GatewayPorts {
  readonly runtime: Runtime;
  readonly limits: Limits;
  readonly counters: Counters;
  /** Null while the node cannot take sessions. */
  sessions(): Sessions | null;
  /** Answers requests that are no upgrades. */
  onRequest(request: IncomingMessage, response: ServerResponse): void;
}

const MAX_HEADER_BYTES = 16 * 1024;
/** Node drops headers beyond its own limit silently; this lets the count that is refused be seen. */
const COUNTED_HEADERS = 1_000;
/** A browser cuts large messages into a few hundred fragments at most. */
const MAX_FRAGMENTS = 1_024;
/** A frame may come in pieces of this size and is refused in smaller ones. */
const SMALLEST_CHUNK_BYTES = 512;
const HEARTBEAT_MS = 30_000;
const CLOSE_TIMEOUT_MS = 3_000;
const HEADERS_CHECKED_EVERY_MS = 1_000;

/** HTTP and WebSocket on one port. */
export class Gateway {
  readonly #ports: GatewayPorts;
  readonly #origins: readonly string[] | null;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #flusher = new TurnFlusher();
  #heartbeat: Timer | null = null;

  /** `origins`: the pages that may connect; null = all. */
  constructor(ports: GatewayPorts, origins: readonly string[] | null) {
    const { limits } = ports;
    this.#ports = ports;
    this.#origins = origins;
    this.#http = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: limits.authTimeoutMs,
        requestTimeout: limits.authTimeoutMs,
        connectionsCheckingInterval: HEADERS_CHECKED_EVERY_MS,
        keepAliveTimeout: 5_000,
        noDelay: true,
      },
      (request, response) => this.#onRequest(request, response),
    );
    this.#http.maxHeadersCount = COUNTED_HEADERS;
    this.#http.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket as Socket, head));
    this.#sockets = new WebSocketServer(webSocketOptions(limits));
  }

  /** Binds the port and returns it; 0 takes any. @throws TopGunError UNAVAILABLE */
  async listen(port: number, host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', (cause) => reject(cannotListen(port, host, cause)));
      this.#http.listen({ port, host }, resolve);
    });
    // Errors of a listening server (no file descriptors left) concern connections to come; the node lives on.
    this.#http.removeAllListeners('error');
    this.#http.on('error', () => undefined);
    this.#scheduleHeartbeat();
    return (this.#http.address() as AddressInfo).port;
  }

  /** Ends what is still connected and frees the port. */
  async close(): Promise<void> {
    if (this.#heartbeat !== null) this.#ports.runtime.clearTimer(this.#heartbeat);
    this.#heartbeat = null;
    for (const connection of [...this.#connections]) connection.terminate();
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#http.closeAllConnections();
    await closed;
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const refusal = judgeRequest(request);
    if (refusal === null) {
      this.#ports.onRequest(request, response);
      return;
    }
    response.writeHead(refusal.status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    response.end(`${refusal.message}\n`);
  }

  #onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // A socket that breaks before `ws` takes it over has nobody else to listen.
    const ignoreError = (): void => undefined;
    socket.on('error', ignoreError);
    const sessions = this.#ports.sessions();
    const refusal = this.#judgeUpgrade(request, sessions);
    if (refusal !== null || sessions === null) {
      this.#refuseUpgrade(socket, refusal ?? NOT_READY);
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (ws) => {
      socket.off('error', ignoreError);
      this.#admit(ws, socket, sessions);
    });
  }

  #admit(ws: WebSocket, socket: Socket, sessions: Sessions): void {
    const onClosed = (connection: Connection): void => void this.#connections.delete(connection);
    try {
      this.#connections.add(new Connection(ws, socket, sessions, this.#flusher, onClosed));
    } catch {
      // Nothing that goes wrong with one connection may reach the event loop, where it would end the process.
      ws.on('error', () => undefined);
      ws.terminate();
    }
  }

  #judgeUpgrade(request: IncomingMessage, sessions: Sessions | null): HttpRefusal | null {
    const refusal = judgeRequest(request);
    if (refusal !== null) return refusal;
    if (!isAllowedOrigin(request.headers.origin, this.#origins)) {
      return { status: 403, message: 'pages of this origin may not connect' };
    }
    if (sessions === null) return NOT_READY;
    const { maxSessions } = this.#ports.limits;
    return sessions.size >= maxSessions ? { status: 503, message: 'this node has no room for another session' } : null;
  }

  #refuseUpgrade(socket: Socket, { status, message }: HttpRefusal): void {
    this.#ports.counters.upgradesRefused.add(status);
    const body = `${message}\n`;
    const retry = status === 503 ? 'Retry-After: 1\r\n' : '';
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
        `${retry}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      // Whoever does not close its side must not keep ours.
      () => socket.destroySoon(),
    );
  }

  #scheduleHeartbeat(): void {
    this.#heartbeat = this.#ports.runtime.setTimer(HEARTBEAT_MS, () => {
      for (const connection of [...this.#connections]) connection.heartbeat();
      this.#scheduleHeartbeat();
    });
  }
}

function webSocketOptions(limits: Limits): object {
  return {
    noServer: true,
    clientTracking: false,
    // Compression holds memory per connection and lets a small frame become a large one.
    perMessageDeflate: false,
    maxPayload: limits.maxFrameBytes,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: Math.max(1_024, Math.ceil(limits.maxFrameBytes / SMALLEST_CHUNK_BYTES)),
    closeTimeout: CLOSE_TIMEOUT_MS,
    handleProtocols: () => false,
  };
}

const NOT_READY: HttpRefusal = { status: 503, message: 'this node is starting or stopping' };

function cannotListen(port: number, host: string, cause: NodeJS.ErrnoException): TopGunError {
  switch (cause.code) {
    case 'EADDRINUSE':
      return new TopGunError('UNAVAILABLE', `port ${port} on ${host} is in use; choose another, 0 takes any`, {
        cause,
      });
    case 'EACCES':
      return new TopGunError('UNAVAILABLE', `port ${port} on ${host} is not allowed to this user`, { cause });
    default:
      return new TopGunError('UNAVAILABLE', `cannot listen on ${host}:${port}: ${cause.message}`, { cause });
  }
}
