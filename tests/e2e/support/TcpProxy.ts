import { connect, createServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/**
 * open: passes everything on   cut: connections end, also new ones   hole: nothing comes through, and nobody is told; what was sent
 * meanwhile arrives when it is open again, as TCP repeats it
 */
type Way = 'open' | 'cut' | 'hole';

/** A port that passes connections on to another one, which can change: an address that outlives what is behind it. */
export class TcpProxy {
  readonly port: number;
  /** Null: connections are accepted and led nowhere. */
  target: number | null;
  /** Connections that were made so far. */
  connections = 0;
  /** How long everything takes in addition, either way, ms. */
  delayMs = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #way: Way = 'open';

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

  set way(way: Way) {
    this.#way = way;
    for (const socket of this.#sockets) {
      if (way === 'cut') socket.destroy();
      else if (way === 'hole') socket.pause();
      else socket.resume();
    }
  }

  #onConnection(socket: Socket): void {
    this.connections++;
    this.#keep(socket);
    if (this.#way === 'cut') {
      socket.destroy();
      return;
    }
    if (this.target === null) return;
    const far = connect(this.target, '127.0.0.1');
    this.#keep(far);
    this.#lead(socket, far);
    this.#lead(far, socket);
    if (this.#way === 'hole') for (const one of [socket, far]) one.pause();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #lead(from: Socket, to: Socket): void {
    const later = (run: () => void): void => void (this.delayMs === 0 ? run() : setTimeout(run, this.delayMs));
    from.on('data', (chunk) =>
      later(() => {
        if (!to.destroyed) to.write(chunk);
      }),
    );
    from.on('close', () => later(() => to.destroy()));
  }

  #close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
