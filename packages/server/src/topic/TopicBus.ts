import { ByteReader, ByteWriter, decodeServerMessage } from '@topgunbuild/core';
import type { Bus } from '../backbone/Bus.js';
import type { Logger } from '../Logger.js';

/** Header of a piece: sender, three numbers. */
const MAX_HEADER_BYTES = 64;
const MAX_PIECES = 1_024;

/** A message that comes in pieces, so far. */
interface Unfinished {
  readonly message: number;
  readonly pieces: Uint8Array[];
}

/** Carries the frames of topic messages to the nodes whose sessions listen. Messages are lost while the bus is down. */
export class TopicBus {
  readonly #bus: Bus;
  readonly #logger: Logger;
  /** Tells this node's own messages, which it need not hear again. */
  readonly #sender: string;
  #messages = 0;

  /** `sender` is unique among all nodes, and to each start of one. */
  constructor(bus: Bus, sender: string, logger: Logger) {
    this.#bus = bus;
    this.#sender = sender;
    this.#logger = logger;
  }

  publish(topic: string, frame: Uint8Array): void {
    const subject = subjectOf(topic);
    const room = this.#bus.maxPayload - MAX_HEADER_BYTES;
    const pieces = Math.ceil(frame.length / room);
    const message = this.#messages++;
    for (let piece = 0; piece < pieces; piece++) {
      const writer = new ByteWriter(MAX_HEADER_BYTES + Math.min(room, frame.length));
      writer.writeString(this.#sender);
      writer.writeVaruint(message);
      writer.writeVaruint(piece);
      writer.writeVaruint(pieces);
      writer.writeRaw(frame, piece * room, Math.min(frame.length, (piece + 1) * room));
      this.#bus.publish(subject, writer.bytes.subarray(0, writer.length));
    }
  }

  /** Hands over the frame of each message that another node publishes. Returns how to stop. */
  listen(topic: string, onFrame: (frame: Uint8Array) => void): () => void {
    const unfinished = new Map<string, Unfinished>();
    const subscription = this.#bus.subscribe(subjectOf(topic), (payload) => {
      try {
        const frame = this.#whole(payload, unfinished);
        if (frame !== null && decodeServerMessage(frame).type === 'TOPIC_MESSAGE') onFrame(frame);
      } catch (error) {
        this.#logger.warn({ err: error }, 'a topic message of another node could not be read');
      }
    });
    return () => subscription.close();
  }

  /** The frame that `payload` completes; null = none, or one of this node. @throws TopGunError BAD_FRAME */
  #whole(payload: Uint8Array, unfinished: Map<string, Unfinished>): Uint8Array | null {
    const reader = new ByteReader(payload);
    const sender = reader.readString();
    if (sender === this.#sender) return null;
    const message = reader.readVaruint();
    const piece = reader.readVaruint();
    const pieces = reader.readVaruint();
    const bytes = reader.readRaw(reader.remaining);
    if (pieces === 1) return bytes;
    if (piece === 0) unfinished.set(sender, { message, pieces: [] });
    const begun = unfinished.get(sender);
    // What has lost a piece is lost.
    if (begun === undefined || begun.message !== message || begun.pieces.length !== piece || pieces > MAX_PIECES) {
      unfinished.delete(sender);
      return null;
    }
    begun.pieces.push(bytes);
    if (begun.pieces.length < pieces) return null;
    unfinished.delete(sender);
    return Buffer.concat(begun.pieces);
  }
}

/** Topics have any name, subjects few characters. */
function subjectOf(topic: string): string {
  return `topic.${Buffer.from(topic, 'utf8').toString('base64url')}`;
}
