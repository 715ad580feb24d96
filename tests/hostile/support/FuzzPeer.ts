import { decodeServerMessage } from '@topgunbuild/core';
import type { Peer } from '../../../packages/server/src/session/Peer.js';

/** Decoding costs more than what is tested. */
const DECODED_EVERY = 3;

/** The other end of a session under fire: insists that whatever comes can be read, and that nothing comes after the end. */
export class FuzzPeer implements Peer {
  buffered = 0;
  closed: { readonly code: number; readonly reason: string } | null = null;
  received = 0;
  readonly complaints: string[] = [];

  send(frame: Uint8Array): void {
    if (this.closed !== null) this.complaints.push('a frame was sent after close');
    this.received++;
    if (this.received % DECODED_EVERY !== 0) return;
    try {
      decodeServerMessage(frame);
    } catch (error) {
      this.complaints.push(`a frame cannot be read: ${String(error)}`);
    }
  }

  close(code: number, reason: string): void {
    if (this.closed !== null) this.complaints.push('closed twice');
    this.closed = { code, reason };
  }
}
