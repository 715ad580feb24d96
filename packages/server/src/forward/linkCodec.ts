import { ByteReader, ByteWriter, TopGunError } from '@topgunbuild/core';

/*
 * Two nodes talk over a link: a numbered stream of bus messages in each direction, each of which carries parts of many
 * conversations (channels). The side that opened the link is its origin, the other its host.
 *
 *   message := version, flags, nodeId of the sender, linkId, ( END | number, part* )
 *   part    := kind, channel, bytes
 */

const VERSION = 1;

export const Sender = { ORIGIN: 0, HOST: 1 } as const;
export type Sender = (typeof Sender)[keyof typeof Sender];

export const PartKind = {
  /** From the origin: a session begins; its client and identity. */
  OPEN: 1,
  /** From the origin: the identity has changed. */
  RENEW: 2,
  /** The session has ended at the sender's side. */
  CLOSE: 3,
  /** A frame of the client protocol. */
  FRAME: 4,
  /** The beginning of a part that is too large for one message. */
  PIECE: 5,
  /** From the origin: bytes of frames that the client has taken, in all. */
  CONSUMED: 6,
} as const;
export type PartKind = (typeof PartKind)[keyof typeof PartKind];

const END = 1;
const DATA = 0;
/** What a part needs beside its bytes, at most. */
export const PART_OVERHEAD = 1 + 8 + 8;

/** Who speaks, and on which link. */
export interface LinkSide {
  readonly linkId: string;
  readonly nodeId: string;
  readonly sender: Sender;
}

export interface LinkHead extends LinkSide {
  /** Number of the message; null: the sender does not know the link, or has left it. */
  readonly number: number | null;
  /** Stands in front of the parts. */
  readonly parts: ByteReader;
}

export function beginMessage(writer: ByteWriter, side: LinkSide, number: number): void {
  writeHead(writer, side, DATA);
  writer.writeVaruint(number);
}

export function writePart(
  writer: ByteWriter,
  kind: PartKind,
  channel: number,
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): void {
  writer.writeU8(kind);
  writer.writeVaruint(channel);
  writer.writeBytes(bytes, start, end);
}

export function endMessage(side: LinkSide): Uint8Array {
  const writer = new ByteWriter(64);
  writeHead(writer, side, END);
  return writer.toBytes();
}

/** @throws TopGunError BAD_FRAME */
export function readHead(payload: Uint8Array): LinkHead {
  const parts = new ByteReader(payload);
  if (parts.readU8() !== VERSION) throw new TopGunError('BAD_FRAME', 'a message between nodes has another version');
  const flags = parts.readU8();
  if (flags > 3) throw new TopGunError('BAD_FRAME', 'a message between nodes has unknown flags');
  const sender = (flags & 1) as Sender;
  const nodeId = parts.readString();
  const linkId = parts.readString();
  const number = flags >> 1 === END ? null : parts.readVaruint();
  return { linkId, nodeId, sender, number, parts };
}

/** Hands over each part; bytes are views. @throws TopGunError BAD_FRAME, after the parts in front of what is wrong */
export function readParts(
  parts: ByteReader,
  onPart: (kind: PartKind, channel: number, bytes: Uint8Array) => void,
): void {
  while (parts.remaining > 0) {
    const kind = parts.readU8();
    if (kind < PartKind.OPEN || kind > PartKind.CONSUMED) throw new TopGunError('BAD_FRAME', 'a part of unknown kind');
    const channel = parts.readVaruint();
    onPart(kind as PartKind, channel, parts.readBytes());
  }
}

function writeHead(writer: ByteWriter, { sender, nodeId, linkId }: LinkSide, what: 0 | 1): void {
  writer.writeU8(VERSION);
  writer.writeU8(sender | (what << 1));
  writer.writeString(nodeId);
  writer.writeString(linkId);
}
