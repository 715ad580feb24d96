import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import type { Session } from '../session/Session.js';
import type { Sessions } from '../session/Sessions.js';
import type { TurnFlusher } from './TurnFlusher.js';
import { WebSocketPeer } from './WebSocketPeer.js';

/** What may arrive before a peer has authenticated: far more than an AUTH takes, far less than a frame may have. */
const MAX_UNAUTHENTICATED_BYTES = 64 * 1024;

/** Ties a WebSocket to its session. */
export class Connection {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #session: Session;
  #heard = true;

  constructor(
    ws: WebSocket,
    socket: Socket,
    sessions: Sessions,
    flusher: TurnFlusher,
    onClosed: (connection: Connection) => void,
  ) {
    this.#ws = ws;
    this.#socket = socket;
    const peer = new WebSocketPeer(ws, socket, flusher, () => this.#session.onDrain());
    this.#session = sessions.accept(peer);
    ws.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    ws.on('pong', () => {
      this.#heard = true;
    });
    // What broke is told by the close that follows; unheard it would end the process.
    ws.on('error', () => undefined);
    ws.on('close', () => {
      peer.onClosed();
      this.#session.onClosed();
      onClosed(this);
    });
    this.#limitUnauthenticated();
  }

  /** Called at intervals: one without any sign of life since the last call is gone. */
  heartbeat(): void {
    if (!this.#heard) {
      this.#ws.terminate();
      return;
    }
    this.#heard = false;
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping();
  }

  terminate(): void {
    this.#ws.terminate();
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    this.#heard = true;
    if (!isBinary || !(data instanceof Buffer)) this.#session.onForeignFrame();
    else this.#session.onFrame(new Uint8Array(data.buffer, data.byteOffset, data.length));
  }

  /** Frames may be large, but nobody collects one for a stranger. */
  #limitUnauthenticated(): void {
    const socket = this.#socket;
    const before = socket.bytesRead;
    const check = (): void => {
      const { state } = this.#session;
      if (state !== 'handshaking' && state !== 'authenticating') socket.off('data', check);
      else if (socket.bytesRead - before > MAX_UNAUTHENTICATED_BYTES) this.#ws.terminate();
    };
    socket.on('data', check);
  }
}
