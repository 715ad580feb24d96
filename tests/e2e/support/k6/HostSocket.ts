import { WebSocket } from 'ws';

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;
const PARAMS = ['headers', 'tags', 'jar', 'compression'];

type Listener = (event: object) => void;

/** What a socket of the host needs of the realm that it is seen from. */
export interface SocketHost {
  /** Makes an ArrayBuffer of the realm. */
  toBuffer(bytes: Uint8Array): ArrayBuffer;
  /** Whatever a script must not do: k6 refuses it, or does something that nobody wants. */
  fault(message: string): Error;
  opened(socket: HostSocket): void;
  closed(socket: HostSocket): void;
}

/**
 * `WebSocket` of `k6/websockets` over the `ws` package, with what is peculiar to it: options that it does not know are an error,
 * bytes are sent later and not copied before, `close` blocks while the socket is being opened, events are plain objects, and
 * what arrives after `close` is dropped.
 */
export class HostSocket {
  binaryType = 'blob';
  readyState = CONNECTING;
  bufferedAmount = 0;
  readonly url: string;
  readonly #host: SocketHost;
  readonly #socket: WebSocket;
  readonly #listeners = new Map<string, Listener[]>();
  #close: { code: number; reason: string } | null = null;

  constructor(host: SocketHost, url: unknown, protocols: unknown, params: unknown) {
    if (typeof url !== 'string' || !/^wss?:\/\/[^#]+$/.test(url)) throw host.fault(`WebSocket requires a url: ${url}`);
    if (protocols !== undefined && protocols !== null) throw host.fault('protocols are not expected here');
    for (const name of Object.keys(params ?? {})) {
      if (!PARAMS.includes(name)) throw host.fault(`unknown WebSocket's option ${name}`);
    }
    this.url = url;
    this.#host = host;
    this.#socket = new WebSocket(url, [], { perMessageDeflate: false, handshakeTimeout: 60_000 });
    this.#socket.binaryType = 'nodebuffer';
    this.#socket.on('open', () => {
      this.readyState = OPEN;
      this.#tell('open', {});
    });
    this.#socket.on('message', (data: Buffer, isBinary) => this.#message(data, isBinary));
    this.#socket.on('error', (error) => {
      if (this.readyState !== CLOSED) this.#tell('error', { error: error.message });
    });
    this.#socket.on('close', (code, reason) => this.#end(code, reason.toString()));
    host.opened(this);
  }

  addEventListener(type: string, listener: Listener): void {
    if (typeof listener !== 'function') throw this.#host.fault(`handler for ${type} isn't a callable function`);
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  send(data: unknown): void {
    if (this.readyState !== OPEN) throw this.#host.fault('InvalidStateError');
    // Of another realm, so not by instanceof. Views are refused: which of their bytes k6 takes is not documented.
    if (Object.prototype.toString.call(data) !== '[object ArrayBuffer]')
      throw this.#host.fault('send takes ArrayBuffers');
    const buffer = data as ArrayBuffer;
    this.bufferedAmount += buffer.byteLength;
    setImmediate(() => {
      this.bufferedAmount -= buffer.byteLength;
      if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(new Uint8Array(buffer));
    });
  }

  close(code = 1000, reason = ''): void {
    if (this.readyState >= CLOSING) return;
    if (this.readyState === CONNECTING) throw this.#host.fault('close() of a socket that is being opened blocks k6');
    if (code !== 1000 && !(code >= 3000 && code <= 4999)) throw this.#host.fault(`InvalidAccessError: ${code}`);
    if (Buffer.byteLength(reason) > 123) throw this.#host.fault('SyntaxError: the reason is too long');
    this.readyState = CLOSING;
    this.#close = { code, reason };
    setImmediate(() => this.#socket.close(code, reason));
  }

  /** The end of the VU. */
  terminate(): void {
    this.#socket.terminate();
  }

  #message(data: Buffer, isBinary: boolean): void {
    if (this.readyState !== OPEN) return;
    if (isBinary && this.binaryType !== 'arraybuffer') throw this.#host.fault('the message would be a Blob');
    this.#tell('message', { data: isBinary ? this.#host.toBuffer(data) : data.toString(), origin: this.url });
  }

  #end(code: number, reason: string): void {
    if (this.readyState === CLOSED) return;
    this.readyState = CLOSED;
    const told = this.#close?.code ?? code;
    this.#tell('close', { ...(told === 1006 ? {} : { code: told }), reason });
    this.#host.closed(this);
  }

  #tell(type: string, fields: object): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ type, ...fields });
  }
}
