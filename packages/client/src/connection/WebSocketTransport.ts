import { WebSocket as PlatformWebSocket } from '#websocket';
import type { CloseInfo, FrameConnection, FrameHandlers, Transport } from './Transport.js';
import { webSocketUrl } from './webSocketUrl.js';

/** As much of a WebSocket as is used here: the browser's class and that of `ws` both fit. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  addEventListener(type: 'open' | 'message' | 'error' | 'close', listener: (event: unknown) => void): void;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** The Node stream below a socket of `ws`. While corked it gathers what is written. */
interface Corkable {
  cork(): void;
  uncork(): void;
}

const OPEN = 1;
const NO_CODE = 1006;
const MAX_REASON_BYTES = 123;

/**
 * Options of the `ws` package; other WebSockets ignore them. Compression costs more than it saves on columnar frames.
 * A peer that does not answer the closing handshake is not waited for.
 */
const NODE_OPTIONS = { perMessageDeflate: false, closeTimeout: 1_000, maxPayload: 256 * 1024 * 1024 };

/** Frames over WebSockets: those of the platform (in Node, of the `ws` package), or of a class handed in. */
export class WebSocketTransport implements Transport {
  readonly #WebSocket: WebSocketClass | undefined;

  constructor(options: { readonly WebSocket?: WebSocketClass | undefined } = {}) {
    this.#WebSocket = options.WebSocket ?? PlatformWebSocket;
  }

  connect(endpoint: string, handlers: FrameHandlers): FrameConnection {
    if (this.#WebSocket === undefined) {
      return failed(handlers, 'this platform has no WebSocket; hand one in as the option `WebSocket`');
    }
    try {
      const NodeWebSocket: new (url: string, protocols: string[], options: object) => WebSocketLike = this.#WebSocket;
      return new WebSocketConnection(new NodeWebSocket(webSocketUrl(endpoint), [], NODE_OPTIONS), handlers);
    } catch (error) {
      return failed(handlers, error instanceof Error ? error.message : String(error));
    }
  }
}

function failed(handlers: FrameHandlers, reason: string): FrameConnection {
  queueMicrotask(() => handlers.onClose({ code: NO_CODE, reason }));
  return { send: () => {}, buffered: 0, close: () => {} };
}

class WebSocketConnection implements FrameConnection {
  readonly #socket: WebSocketLike;
  readonly #handlers: FrameHandlers;
  #stream: Corkable | null = null;
  #corked = false;
  #ended = false;
  #error = '';

  constructor(socket: WebSocketLike, handlers: FrameHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => {
      if (!this.#ended) handlers.onOpen();
    });
    socket.addEventListener('message', (event) => {
      if (!this.#ended) handlers.onFrame(frameOf(event));
    });
    socket.addEventListener('error', (event) => {
      this.#error = textOf(event, 'message');
    });
    socket.addEventListener('close', (event) => this.#end(closeInfoOf(event, this.#error)));
    onStream(socket, (stream) => {
      this.#stream = stream;
    });
  }

  get buffered(): number {
    return this.#socket.bufferedAmount;
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#ended || this.#socket.readyState !== OPEN) return;
    if (this.#stream !== null && !this.#corked) this.#cork(this.#stream);
    this.#socket.send(bytes);
  }

  /** `onClose` does not wait for the peer, which may be gone: whatever still arrives is dropped. */
  close(code = 1000, reason = ''): void {
    if (this.#ended) return;
    try {
      this.#socket.close(allowedCode(code), shortened(reason));
    } finally {
      queueMicrotask(() => this.#end({ code, reason }));
    }
  }

  /** All frames of one turn leave in one write: a system call each is what costs a busy connection most. */
  #cork(stream: Corkable): void {
    this.#corked = true;
    stream.cork();
    queueMicrotask(() => {
      this.#corked = false;
      stream.uncork();
    });
  }

  #end(info: CloseInfo): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#handlers.onClose(info);
  }
}

/** Tells the stream below `socket` once there is one. Only sockets of `ws` say so; a browser's frames need no corking. */
function onStream(socket: WebSocketLike, found: (stream: Corkable) => void): void {
  if (!('on' in socket) || typeof socket.on !== 'function') return;
  socket.on('upgrade', (response: unknown) => {
    const stream = fieldOf(response, 'socket');
    if (isCorkable(stream)) found(stream);
  });
}

function isCorkable(stream: unknown): stream is Corkable {
  return typeof fieldOf(stream, 'cork') === 'function' && typeof fieldOf(stream, 'uncork') === 'function';
}

/** A text frame is no message of ours; as bytes it meets the decoder and is refused there. */
function frameOf(event: unknown): Uint8Array {
  const data = fieldOf(event, 'data');
  return data instanceof ArrayBuffer ? new Uint8Array(data) : new TextEncoder().encode(String(data));
}

function closeInfoOf(event: unknown, error: string): CloseInfo {
  const code = fieldOf(event, 'code');
  return { code: typeof code === 'number' ? code : NO_CODE, reason: textOf(event, 'reason') || error };
}

function textOf(source: unknown, name: string): string {
  const value = fieldOf(source, name);
  return typeof value === 'string' ? value : '';
}

function fieldOf(source: unknown, name: string): unknown {
  return typeof source === 'object' && source !== null ? Reflect.get(source, name) : undefined;
}

/** Browsers throw on any code that is neither 1000 nor the application's own. */
function allowedCode(code: number): number {
  return code === 1000 || (code >= 3000 && code <= 4999) ? code : 3000;
}

/** A reason may have 123 bytes of UTF-8; three bytes a UTF-16 unit is the most there can be. */
function shortened(reason: string): string {
  return reason.length * 3 <= MAX_REASON_BYTES ? reason : reason.slice(0, Math.floor(MAX_REASON_BYTES / 3));
}
