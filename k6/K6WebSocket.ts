import type { WebSocketLike } from '@topgunbuild/client';
import { type EventName, WebSocket } from 'k6/websockets';

const CONNECTING = 0;
const CLOSING = 2;

/** k6's WebSocket, which is not quite the one of browsers, as the client wants it. */
export class K6WebSocket implements WebSocketLike {
  binaryType = 'arraybuffer';
  readonly #socket: WebSocket;
  #closeWhenOpen: { readonly code: number | undefined; readonly reason: string | undefined } | null = null;

  /** The options that the client has for Node are not handed on: k6 refuses those that it does not know. */
  constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.addEventListener('open', () => {
      if (this.#closeWhenOpen !== null) this.#socket.close(this.#closeWhenOpen.code, this.#closeWhenOpen.reason);
    });
  }

  get readyState(): number {
    return this.#closeWhenOpen !== null && this.#socket.readyState < CLOSING ? CLOSING : this.#socket.readyState;
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  addEventListener(type: 'open' | 'message' | 'error' | 'close', listener: (event: unknown) => void): void {
    this.#socket.addEventListener(type satisfies EventName, (event) => {
      if (type === 'open' && this.#closeWhenOpen !== null) return;
      listener(type === 'error' && 'error' in event ? { message: event.error } : event);
    });
  }

  /** As a whole buffer: k6 sends later what it is given now, without a copy, and has not always known what a view is. */
  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer);
  }

  /** A socket that is still being opened is closed later: k6's event loop would wait for it, for ever if nobody answers. */
  close(code?: number, reason?: string): void {
    if (this.#socket.readyState === CONNECTING) this.#closeWhenOpen ??= { code, reason };
    else this.#socket.close(code, reason);
  }
}
