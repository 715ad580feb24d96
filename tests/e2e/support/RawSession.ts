import {
  type ClientMessage,
  decodeServerMessage,
  encodeMessage,
  PROTOCOL_VERSION,
  type ServerMessage,
} from '@topgunbuild/core';
import { onTestFinished } from 'vitest';
import WebSocket from 'ws';

type Of<Type extends ServerMessage['type']> = Extract<ServerMessage, { readonly type: Type }>;

/** A connection that sends whatever frames it likes. */
export class RawSession {
  readonly received: ServerMessage[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #socket: WebSocket;
  #arrived: () => void = () => undefined;
  #isClosed = false;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      this.received.push(decodeServerMessage(new Uint8Array(data)));
      this.#arrived();
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#isClosed = true;
        this.#arrived();
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** Connected, not authenticated. */
  static async connect(url: string): Promise<RawSession> {
    const socket = new WebSocket(url);
    const session = new RawSession(socket);
    onTestFinished(() => socket.terminate());
    await session.next('AUTH_REQUIRED');
    return session;
  }

  static async authenticated(url: string, token: string | null, clientId: string): Promise<RawSession> {
    const session = await RawSession.connect(url);
    session.auth(token, clientId);
    await session.next('AUTH_ACK');
    return session;
  }

  auth(token: string | null, clientId: string): void {
    this.send({ type: 'AUTH', protocol: PROTOCOL_VERSION, token, clientId, mapVersion: 0 });
  }

  send(message: ClientMessage): void {
    this.sendBytes(encodeMessage(message));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.send(bytes);
  }

  close(): void {
    this.#socket.close();
  }

  /** Takes the first message of this type that was received and not taken yet. */
  async next<Type extends ServerMessage['type']>(type: Type): Promise<Of<Type>> {
    for (;;) {
      const index = this.received.findIndex((message) => message.type === type);
      if (index >= 0) return this.received.splice(index, 1)[0] as Of<Type>;
      if (this.#isClosed) throw new Error(`closed before ${type}; got ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }
}
