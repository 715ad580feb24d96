import { EntryBatch } from '../crdt/EntryBatch.js';
import { TopGunError } from '../errors.js';
import { DEFAULT_LIMITS } from '../limits.js';
import { writeValue } from '../value/encodeValue.js';
import { ByteReader } from '../wire/ByteReader.js';
import { ByteWriter } from '../wire/ByteWriter.js';
import { clusterCodecs } from './cluster.js';
import { sizeHint, writeEntries } from './entryCodec.js';
import { FieldReader, readArrayHeader } from './FieldReader.js';
import type { MessageCodec } from './MessageCodec.js';
import type { ClientMessage, ServerMessage } from './messages.js';
import { queryCodecs } from './query.js';
import { sessionCodecs } from './session.js';
import { syncCodecs } from './sync.js';
import { Token } from './tokens.js';
import { topicCodecs } from './topic.js';
import { WIRE_TYPES } from './wireTypes.js';

type Message = ClientMessage | ServerMessage;

const CODECS = { ...sessionCodecs, ...syncCodecs, ...queryCodecs, ...topicCodecs, ...clusterCodecs };

const NAMES: ReadonlyMap<number, Message['type']> = new Map(
  Object.entries(WIRE_TYPES).map(([name, number]) => [number, name as Message['type']]),
);

/** Types from this number on are sent by servers, those below by clients. */
const FIRST_SERVER_TYPE = 64;

/** Small frames are put together here and copied: that is cheaper than memory of their own with a view to grow in. */
const MAX_SCRATCH = 4096;
let scratch: ByteWriter | null = null;

/** The frame that carries `message`. @throws TopGunError INVALID_VALUE when it holds what cannot be encoded. */
export function encodeMessage(message: Message): Uint8Array {
  const codec = CODECS[message.type] as MessageCodec<Message>;
  const fields = codec.fields(message);
  const size = estimate(fields);
  if (size > MAX_SCRATCH) {
    const writer = new ByteWriter(size);
    writeMessage(writer, message, fields);
    return writer.bytes.subarray(0, writer.length);
  }
  // Out of reach while in use: what is encoded may call back, or throw.
  const writer = scratch ?? new ByteWriter(MAX_SCRATCH);
  scratch = null;
  writeMessage(writer, message, fields);
  const frame = writer.toBytes();
  writer.reset();
  if (writer.bytes.length <= MAX_SCRATCH * 16) scratch = writer;
  return frame;
}

function writeMessage(writer: ByteWriter, message: Message, fields: readonly unknown[]): void {
  writer.writeU8(Token.FIX_ARRAY | (fields.length + 1));
  writeValue(writer, WIRE_TYPES[message.type]);
  for (const field of fields) {
    if (field instanceof EntryBatch) writeBatch(writer, field);
    else writeValue(writer, field);
  }
}

/** Entries are written in place, as the MessagePack `bin` that they are; its length is known only afterwards. */
function writeBatch(writer: ByteWriter, batch: EntryBatch): void {
  writer.writeU8(Token.BIN_32);
  writer.reserve(4);
  writer.length += 4;
  const start = writer.length;
  writeEntries(writer, batch);
  writer.view.setUint32(start - 4, writer.length - start);
}

function estimate(fields: readonly unknown[]): number {
  const last = fields.at(-1);
  return last instanceof EntryBatch ? 64 + sizeHint(last) : 128;
}

/**
 * The message in a frame from a client. Entries and payloads stay views of `frame`.
 * @throws TopGunError BAD_FRAME, or TOO_LARGE for an object beyond its limit or more than `maxOps` operations in a
 * batch; and nothing else, whatever the bytes. Memory and time grow with what such a message may hold, not with what the
 * frame claims.
 */
export function decodeClientMessage(frame: Uint8Array, maxOps: number = DEFAULT_LIMITS.maxBatchOps): ClientMessage {
  return decodeMessage(frame, false, maxOps) as ClientMessage;
}

/** The message in a frame from a server; as `decodeClientMessage`. */
export function decodeServerMessage(frame: Uint8Array): ServerMessage {
  return decodeMessage(frame, true, Number.MAX_SAFE_INTEGER) as ServerMessage;
}

function decodeMessage(frame: Uint8Array, fromServer: boolean, maxOps: number): Message {
  const reader = new ByteReader(frame);
  const count = readArrayHeader(reader, frame[0] ?? 0);
  if (count < 0) throw new TopGunError('BAD_FRAME', 'The frame is not a MessagePack array.');
  const fields = new FieldReader('message', reader, count);
  const name = NAMES.get(fields.uint('type'));
  if (name === undefined || WIRE_TYPES[name] >= FIRST_SERVER_TYPE !== fromServer) {
    throw new TopGunError('BAD_FRAME', 'The frame has a message type that is unknown, or not for this side to send.');
  }
  const own = new FieldReader(name, reader, count - 1);
  const message = (CODECS[name] as MessageCodec<Message>).read(own, maxOps);
  own.end();
  reader.expectEnd();
  return message;
}
