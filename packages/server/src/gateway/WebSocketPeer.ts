import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Peer } from '../session/Peer.js';
import { copyFrame, frameHeader, headerSize } from './frameHeader.js';
import type { Flushable, TurnFlusher } from './TurnFlusher.js';

/** From this size on a frame is cheaper to write beside the others than to copy among them. */
const COPY_BELOW_BYTES = 32 * 1024;

/** RFC 6455 5.5: a control frame carries 125 bytes, two of which are the code. */
const MAX_REASON_BYTES = 123;

/**
 * The network end of a session. All frames of one turn of the event loop leave in one write: they are framed here
 * and go to the socket directly. That is sound because `ws` itself writes whole frames and, without
 * compression, never holds any back.
 */
export class WebSocketPeer implements Peer, Flushable {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #flusher: TurnFlusher;
  readonly #onWritten: () => void;
  #frames: Uint8Array[] = [];
  #bytes = 0;

  /** `onWritten` is called each time that the socket has taken what was flushed. */
  constructor(ws: WebSocket, socket: Socket, flusher: TurnFlusher, onWritten: () => void) {
    this.#ws = ws;
    this.#socket = socket;
    this.#flusher = flusher;
    this.#onWritten = onWritten;
  }

  get buffered(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  send(frame: Uint8Array): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    if (this.#frames.length === 0) this.#flusher.schedule(this);
    this.#frames.push(frame);
    this.#bytes += headerSize(frame.length) + frame.length;
  }

  flush(): void {
    const frames = this.#frames;
    const bytes = this.#bytes;
    if (frames.length === 0) return;
    this.#frames = [];
    this.#bytes = 0;
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    if (frames.length === 1 || bytes < COPY_BELOW_BYTES) this.#write(frames, bytes);
    else this.#writeMany(frames);
  }

  close(code: number, reason: string): void {
    this.flush();
    // `ws` cuts off a peer that does not answer within the `closeTimeout` of its server.
    this.#ws.close(code, fitReason(reason));
  }

  /** The socket is gone. */
  onClosed(): void {
    this.#frames = [];
    this.#bytes = 0;
  }

  /** Small frames are gathered up to the size where copying stops to pay; large ones go as they are. */
  #writeMany(frames: readonly Uint8Array[]): void {
    this.#socket.cork();
    let from = 0;
    let bytes = 0;
    for (let i = 0; i < frames.length; i++) {
      const size = (frames[i] as Uint8Array).length;
      if (i > from && bytes + size > COPY_BELOW_BYTES) {
        this.#write(frames.slice(from, i), bytes);
        from = i;
        bytes = 0;
      }
      bytes += headerSize(size) + size;
    }
    this.#write(frames.slice(from), bytes);
    this.#socket.uncork();
  }

  #write(frames: readonly Uint8Array[], bytes: number): void {
    const [only] = frames;
    if (frames.length === 1 && only !== undefined && only.length >= COPY_BELOW_BYTES) {
      this.#socket.cork();
      this.#socket.write(frameHeader(only.length));
      this.#socket.write(only, this.#onWritten);
      this.#socket.uncork();
      return;
    }
    const target = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (const frame of frames) at = copyFrame(target, at, frame);
    this.#socket.write(target, this.#onWritten);
  }
}

function fitReason(reason: string): string {
  let fitting = reason.slice(0, MAX_REASON_BYTES);
  while (Buffer.byteLength(fitting) > MAX_REASON_BYTES) fitting = fitting.slice(0, -1);
  return fitting;
}
