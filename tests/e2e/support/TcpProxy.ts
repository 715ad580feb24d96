import { connect, createServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A port that passes connections on to another one, which can change: an address that outlives what is behind it. */
export class TcpProxy {
  readonly port: number;
  /** Null: connections are accepted and led nowhere. */
  target: number | null;
  /** Connections that were made so far. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number, target: number | null) {
    this.#server = server;
    this.port = port;
    this.target = target;
    server.on('connection', (socket) => this.#onConnection(socket));
  }

  /** Ended after the test. */
  static async start(target: number | null): Promise<TcpProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const proxy = new TcpProxy(server, typeof address === 'object' && address !== null ? address.port : 0, target);
    onTestFinished(() => proxy.#close());
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  #onConnection(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    if (this.target === null) return;
    const far = connect(this.target, '127.0.0.1');
    far.on('error', () => socket.destroy());
    far.on('close', () => socket.destroy());
    socket.on('close', () => far.destroy());
    socket.pipe(far).pipe(socket);
  }

  #close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
