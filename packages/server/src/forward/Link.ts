import { ByteWriter, type Runtime, type Timer } from '@topgunbuild/core';
import type { Bus } from '../backbone/Bus.js';
import {
  beginMessage,
  endMessage,
  type LinkHead,
  type LinkSide,
  PART_OVERHEAD,
  PartKind,
  readParts,
  writePart,
} from './linkCodec.js';

/** What an end of a link is for. */
export interface LinkUser {
  /** A part has come. The bytes may be kept. What it throws ends the link. */
  onPart(kind: PartKind, channel: number, bytes: Uint8Array): void;
  /** Called once; nothing comes or goes any more. */
  onEnded(reason: string): void;
}

export interface LinkPorts {
  readonly bus: Bus;
  readonly runtime: Runtime;
  /** Runs `flush` at the end of this turn of the event loop, so that what is sent in it leaves in one. */
  readonly atTurnEnd: (flush: () => void) => void;
  /** Told when the link has ended by itself; `reason` in a few words. */
  readonly onEnded: (link: Link, reason: string) => void;
}

/** Each side speaks at least this often, so that the loss of what it said last is noticed soon. */
const KEEP_ALIVE_MS = 1_000;
/** Silence for so long is the end. */
const SILENCE_MS = 6_000;
/** Messages are no larger, even where the bus carries more: one client's large frame must not hold up the others. */
const MAX_MESSAGE_BYTES = 256 * 1024;
/** No part is larger: far more than a frame may have. */
const MAX_PART_BYTES = 256 * 1024 * 1024;
/** What is left of a message is not worth to be filled with a piece below this. */
const MIN_PIECE_BYTES = 1024;

/*
 *   opening ─opened→ open ─ gap, silence, interruption, END, bad message, close ─→ ended
 *      └────────────── refused, interruption, close ──────────────────────────────┘
 *
 * `opening` is the origin's: the host was asked, and what is sent waits. The host's end is open from the beginning.
 */
type State = 'opening' | 'open' | 'ended';

/**
 * One end of the way between two nodes. Messages are numbered, so that whatever is lost is noticed: then the link ends, at
 * both ends, and whoever used it begins anew. Nothing is ever sent twice.
 */
export class Link {
  readonly side: LinkSide;
  /** Where the other end listens. */
  readonly #subject: string;
  readonly #user: LinkUser;
  readonly #ports: LinkPorts;
  readonly #maxBytes: number;
  #state: State;
  #sent = 0;
  #received = 0;
  #heardAt: number;
  #timer: Timer | null = null;
  #isScheduled = false;
  #kinds: PartKind[] = [];
  #channels: number[] = [];
  #parts: Uint8Array[] = [];
  #queuedBytes = 0;
  /** Beginnings of parts whose ends have not come yet, by channel. */
  readonly #pieces = new Map<number, Uint8Array[]>();

  /** `side` is this end; `subject` where the other end listens. */
  constructor(
    side: LinkSide,
    subject: string,
    state: 'opening' | 'open',
    createUser: (link: Link) => LinkUser,
    ports: LinkPorts,
  ) {
    this.side = side;
    this.#subject = subject;
    this.#ports = ports;
    this.#state = state;
    this.#maxBytes = Math.min(MAX_MESSAGE_BYTES, ports.bus.maxPayload);
    this.#heardAt = ports.runtime.monotonic();
    this.#user = createUser(this);
    this.#arm();
  }

  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  /** The host has agreed. */
  opened(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    this.#heardAt = this.#ports.runtime.monotonic();
    this.#flush();
  }

  /** Sends a part, at the end of this turn. The bytes must not change. */
  send(kind: PartKind, channel: number, bytes: Uint8Array): void {
    if (this.#state === 'ended') return;
    this.#kinds.push(kind);
    this.#channels.push(channel);
    this.#parts.push(bytes);
    this.#queuedBytes += bytes.length + PART_OVERHEAD;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#ports.atTurnEnd(this.#onTurnEnd);
  }

  /** A message of the other end. */
  onMessage({ number, parts }: LinkHead): void {
    if (this.#state === 'ended') return;
    if (number === null) {
      this.#end('the other node has left', false);
      return;
    }
    if (number !== this.#received) {
      this.#end(`message ${this.#received} is missing`, true);
      return;
    }
    // The host may speak before its answer to the opening is here.
    this.#received++;
    this.#heardAt = this.#ports.runtime.monotonic();
    try {
      readParts(parts, this.#onPart);
    } catch (error) {
      this.#end(error instanceof Error ? error.message : 'a message could not be read', true);
    }
  }

  /** Ends the link; the other end is told. */
  close(reason: string): void {
    this.#end(reason, true);
  }

  readonly #onPart = (kind: PartKind, channel: number, bytes: Uint8Array): void => {
    // A part in front of this one may have ended the link.
    if (this.isEnded) return;
    const before = this.#pieces.get(channel);
    if (kind === PartKind.PIECE) {
      if (before === undefined) this.#pieces.set(channel, [bytes]);
      else before.push(bytes);
      return;
    }
    if (before === undefined) {
      this.#user.onPart(kind, channel, bytes);
      return;
    }
    this.#pieces.delete(channel);
    this.#user.onPart(kind, channel, joined([...before, bytes]));
  };

  readonly #onTurnEnd = (): void => {
    this.#isScheduled = false;
    if (this.#state === 'open') this.#flush();
  };

  #flush(): void {
    const kinds = this.#kinds;
    const channels = this.#channels;
    const parts = this.#parts;
    if (parts.length === 0) return;
    let left = this.#queuedBytes;
    this.#kinds = [];
    this.#channels = [];
    this.#parts = [];
    this.#queuedBytes = 0;
    let writer = this.#begin(left);
    for (let i = 0; i < parts.length; i++) {
      const bytes = parts[i] as Uint8Array;
      const channel = channels[i] as number;
      let from = 0;
      for (;;) {
        const room = this.#maxBytes - writer.length - PART_OVERHEAD;
        if (bytes.length - from <= room) break;
        if (room >= MIN_PIECE_BYTES) {
          writePart(writer, PartKind.PIECE, channel, bytes, from, from + room);
          from += room;
        }
        left -= writer.length;
        this.#publish(writer);
        if (this.isEnded) return;
        writer = this.#begin(left);
      }
      writePart(writer, kinds[i] as PartKind, channel, bytes, from);
    }
    this.#publish(writer);
  }

  #begin(expectedBytes: number): ByteWriter {
    const writer = new ByteWriter(Math.min(this.#maxBytes, expectedBytes + 64), this.#maxBytes);
    beginMessage(writer, this.side, this.#sent);
    return writer;
  }

  #publish(writer: ByteWriter): void {
    this.#sent++;
    try {
      this.#ports.bus.publish(this.#subject, writer.bytes.subarray(0, writer.length));
    } catch (error) {
      this.#end(error instanceof Error ? error.message : 'the bus refused a message', true);
    }
  }

  #arm(): void {
    const { runtime } = this.#ports;
    const dueAt = runtime.monotonic() + KEEP_ALIVE_MS;
    this.#timer = runtime.setTimer(KEEP_ALIVE_MS, () => this.#tick(dueAt));
  }

  #tick(dueAt: number): void {
    const now = this.#ports.runtime.monotonic();
    // Where this process stood still itself, what was sent to it may wait unread: the other side gets another chance.
    if (now - dueAt >= KEEP_ALIVE_MS) this.#heardAt = Math.max(this.#heardAt, now - SILENCE_MS + KEEP_ALIVE_MS);
    if (now - this.#heardAt >= SILENCE_MS) {
      this.#end('nothing was heard of the other node', true);
      return;
    }
    if (this.#state === 'open') this.#publish(this.#begin(0));
    if (!this.isEnded) this.#arm();
  }

  #end(reason: string, tells: boolean): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    const { runtime, bus, onEnded } = this.#ports;
    if (this.#timer !== null) runtime.clearTimer(this.#timer);
    this.#kinds = [];
    this.#channels = [];
    this.#parts = [];
    this.#pieces.clear();
    if (tells) bus.publish(this.#subject, endMessage(this.side));
    onEnded(this, reason);
    this.#user.onEnded(reason);
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const piece of pieces) size += piece.length;
  if (size > MAX_PART_BYTES) throw new RangeError('a part is larger than any can be');
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
