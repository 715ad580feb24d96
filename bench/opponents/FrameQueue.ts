import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';

/** Sends all frames of one turn of the event loop in one write. */
export class FrameQueue {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  #corked = false;

  constructor(ws: WebSocket, socket: Socket) {
    this.#ws = ws;
    this.#socket = socket;
  }

  send(frame: Uint8Array): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#ws.send(frame);
  }
}
