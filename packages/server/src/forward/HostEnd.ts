import { ByteReader } from '@topgunbuild/core';
import type { Link, LinkUser } from './Link.js';
import { PartKind } from './linkCodec.js';
import { decodePassport } from './passport.js';
import { type VirtualPorts, VirtualSession } from './VirtualSession.js';

const NOTHING = new Uint8Array(0);

/** The sessions that the clients of one other node have here. */
export class HostEnd implements LinkUser {
  readonly #link: Link;
  readonly #ports: VirtualPorts;
  readonly #windowBytes: number;
  readonly #sessions = new Map<number, VirtualSession>();

  constructor(link: Link, ports: VirtualPorts, windowBytes: number) {
    this.#link = link;
    this.#ports = ports;
    this.#windowBytes = windowBytes;
  }

  onPart(kind: PartKind, channel: number, bytes: Uint8Array): void {
    switch (kind) {
      case PartKind.OPEN:
        this.#open(channel, bytes);
        return;
      case PartKind.FRAME:
        this.#sessions.get(channel)?.onFrame(bytes);
        return;
      case PartKind.CONSUMED:
        this.#sessions.get(channel)?.consumed(new ByteReader(bytes).readVaruint());
        return;
      case PartKind.RENEW: {
        const passport = decodePassport(bytes);
        const session = this.#sessions.get(channel);
        if (passport !== null) session?.renew(passport);
        else if (session !== undefined) this.#forget(channel, session);
        return;
      }
      case PartKind.CLOSE: {
        const session = this.#sessions.get(channel);
        if (session !== undefined) this.#forget(channel, session);
        return;
      }
      default:
        return;
    }
  }

  onEnded(): void {
    for (const [channel, session] of [...this.#sessions]) this.#forget(channel, session);
  }

  #open(channel: number, bytes: Uint8Array): void {
    const passport = decodePassport(bytes);
    if (passport === null || this.#sessions.has(channel)) {
      this.#link.send(PartKind.CLOSE, channel, NOTHING);
      return;
    }
    const link = this.#link;
    const peer = {
      send: (frame: Uint8Array): void => link.send(PartKind.FRAME, channel, frame),
      ended: (): void => {
        if (this.#sessions.delete(channel)) this.#ports.nodeCounters.virtualSessions--;
        link.send(PartKind.CLOSE, channel, NOTHING);
      },
    };
    this.#ports.nodeCounters.virtualSessions++;
    this.#sessions.set(channel, new VirtualSession(passport, this.#ports, peer, this.#windowBytes));
  }

  #forget(channel: number, session: VirtualSession): void {
    if (this.#sessions.delete(channel)) this.#ports.nodeCounters.virtualSessions--;
    session.close();
  }
}
