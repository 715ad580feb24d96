import { ByteWriter } from '@topgunbuild/core';
import type { Link } from './Link.js';
import { PartKind } from './linkCodec.js';
import type { LinkOffer, OriginUser } from './NodeLinks.js';

/** What a session of this node makes of what its virtual session at another node says. */
export interface ChannelUser {
  onFrame(frame: Uint8Array): void;
  /** The virtual session is gone, with all that was under way. Called once, unless this side has closed the channel. */
  onLost(): void;
  /** False while the client has too much to read: what came counts as taken only once it has room again. */
  readonly hasRoom: boolean;
}

/** The origin's end of one virtual session. */
export interface Channel {
  send(frame: Uint8Array): void;
  renew(passport: Uint8Array): void;
  /** The client has room again. */
  onDrain(): void;
  close(): void;
}

const NOTHING = new Uint8Array(0);
const MAX_REPORT_BYTES = 64 * 1024;

/** The virtual sessions that clients of this node have at one other node. */
export class OriginEnd implements OriginUser {
  readonly #link: Link;
  readonly #channels = new Map<number, OpenChannel>();
  #nextChannel = 1;
  #reportBytes = 1;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Bytes that a client takes before the other node is told. */
  get reportBytes(): number {
    return this.#reportBytes;
  }

  open(passport: Uint8Array, user: ChannelUser): Channel {
    const id = this.#nextChannel++;
    const channel = new OpenChannel(id, this.#link, user, this);
    this.#channels.set(id, channel);
    this.#link.send(PartKind.OPEN, id, passport);
    return channel;
  }

  onOpened({ windowBytes }: LinkOffer): void {
    this.#reportBytes = Math.min(MAX_REPORT_BYTES, Math.max(1, windowBytes >> 2));
  }

  onPart(kind: PartKind, channel: number, bytes: Uint8Array): void {
    const open = this.#channels.get(channel);
    if (kind === PartKind.FRAME) {
      open?.onFrame(bytes);
    } else if (kind === PartKind.CLOSE && open !== undefined) {
      this.#channels.delete(channel);
      open.user.onLost();
    }
  }

  onEnded(): void {
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    for (const { user } of channels) user.onLost();
  }

  forget(id: number): void {
    this.#channels.delete(id);
  }
}

class OpenChannel implements Channel {
  readonly user: ChannelUser;
  readonly #id: number;
  readonly #link: Link;
  readonly #end: OriginEnd;
  #received = 0;
  #reported = 0;

  constructor(id: number, link: Link, user: ChannelUser, end: OriginEnd) {
    this.#id = id;
    this.#link = link;
    this.user = user;
    this.#end = end;
  }

  send(frame: Uint8Array): void {
    this.#link.send(PartKind.FRAME, this.#id, frame);
  }

  renew(passport: Uint8Array): void {
    this.#link.send(PartKind.RENEW, this.#id, passport);
  }

  onFrame(frame: Uint8Array): void {
    this.#received += frame.length;
    this.user.onFrame(frame);
    if (this.#received - this.#reported >= this.#end.reportBytes && this.user.hasRoom) this.#report();
  }

  onDrain(): void {
    if (this.#received > this.#reported) this.#report();
  }

  close(): void {
    this.#end.forget(this.#id);
    this.#link.send(PartKind.CLOSE, this.#id, NOTHING);
  }

  #report(): void {
    this.#reported = this.#received;
    const writer = new ByteWriter(16);
    writer.writeVaruint(this.#received);
    this.#link.send(PartKind.CONSUMED, this.#id, writer.toBytes());
  }
}
