import { decodeServerMessage, type ServerMessage } from '@topgunbuild/core';
import type { Peer } from '../session/Peer.js';

/** The client's end of a session, in memory: keeps what it gets, and reads only as fast as it is told to. */
export class MemoryPeer implements Peer {
  readonly messages: ServerMessage[] = [];
  closed: { readonly code: number; readonly reason: string } | null = null;
  /** Bytes that "wait": grows with each frame while `reads` is false. */
  buffered = 0;
  reads = true;

  send(frame: Uint8Array): void {
    if (this.closed !== null) throw new Error('a frame was sent after close');
    this.messages.push(decodeServerMessage(frame));
    if (!this.reads) this.buffered += frame.length;
  }

  close(code: number, reason: string): void {
    if (this.closed !== null) throw new Error('closed twice');
    this.closed = { code, reason };
  }

  get last(): ServerMessage | undefined {
    return this.messages.at(-1);
  }

  /** The messages of one type, in order. */
  all<T extends ServerMessage['type']>(type: T): Extract<ServerMessage, { readonly type: T }>[] {
    return this.messages.filter((message) => message.type === type) as Extract<ServerMessage, { readonly type: T }>[];
  }
}
