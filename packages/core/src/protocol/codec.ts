import { EntryBatch } from '../crdt/EntryBatch.js';
import { TopGunError } from '../errors.js';
import { decodeValue } from '../value/decodeValue.js';
import { writeValue } from '../value/encodeValue.js';
import { ByteWriter } from '../wire/ByteWriter.js';
import { clusterCodecs } from './cluster.js';
import { writeEntries } from './entryCodec.js';
import { FieldReader } from './FieldReader.js';
import type { MessageCodec } from './MessageCodec.js';
import type { ClientMessage, ServerMessage } from './messages.js';
import { queryCodecs } from './query.js';
import { sessionCodecs } from './session.js';
import { syncCodecs } from './sync.js';
import { topicCodecs } from './topic.js';
import { WIRE_TYPES } from './wireTypes.js';

type Message = ClientMessage | ServerMessage;

const CODECS = { ...sessionCodecs, ...syncCodecs, ...queryCodecs, ...topicCodecs, ...clusterCodecs };

const NAMES: ReadonlyMap<number, Message['type']> = new Map(
  Object.entries(WIRE_TYPES).map(([name, number]) => [number, name as Message['type']]),
);

/** Types from this number on are sent by servers, those below by clients. */
const FIRST_SERVER_TYPE = 64;

const BIN_32 = 0xc6;
const FIX_ARRAY = 0x90;

/** The frame that carries `message`. @throws TopGunError INVALID_VALUE when it holds what cannot be encoded. */
export function encodeMessage(message: Message): Uint8Array {
  const codec = CODECS[message.type] as MessageCodec<Message>;
  const fields = codec.fields(message);
  const writer = new ByteWriter(estimate(fields));
  writer.writeU8(FIX_ARRAY | (fields.length + 1));
  writeValue(writer, WIRE_TYPES[message.type]);
  for (const field of fields) {
    if (field instanceof EntryBatch) writeBatch(writer, field);
    else writeValue(writer, field);
  }
  return writer.bytes.subarray(0, writer.length);
}

/** Entries are written in place, as the MessagePack `bin` that they are; its length is known only afterwards. */
function writeBatch(writer: ByteWriter, batch: EntryBatch): void {
  writer.writeU8(BIN_32);
  writer.reserve(4);
  writer.length += 4;
  const start = writer.length;
  writeEntries(writer, batch);
  writer.view.setUint32(start - 4, writer.length - start);
}

function estimate(fields: readonly unknown[]): number {
  const last = fields.at(-1);
  if (!(last instanceof EntryBatch)) return 128;
  let bytes = 256;
  for (let i = 0; i < last.count; i++) {
    bytes += (last.ends[i] as number) - (last.starts[i] as number) + (last.keys[i] as string).length + 12;
  }
  return bytes;
}

/**
 * The message in a frame from a client. Entries stay views of `frame`.
 * @throws TopGunError BAD_FRAME, TOO_LARGE or INVALID_QUERY, and nothing else, whatever the bytes.
 */
export function decodeClientMessage(frame: Uint8Array): ClientMessage {
  return decodeMessage(frame, false) as ClientMessage;
}

/** The message in a frame from a server; as `decodeClientMessage`. */
export function decodeServerMessage(frame: Uint8Array): ServerMessage {
  return decodeMessage(frame, true) as ServerMessage;
}

function decodeMessage(frame: Uint8Array, fromServer: boolean): Message {
  const fields = decodeFields(frame);
  const number = fields[0];
  const name = typeof number === 'number' ? NAMES.get(number) : undefined;
  if (name === undefined || WIRE_TYPES[name] >= FIRST_SERVER_TYPE !== fromServer) {
    throw new TopGunError('BAD_FRAME', 'The frame has a message type that is unknown, or not for this side to send.');
  }
  const reader = new FieldReader(name, fields);
  const message = (CODECS[name] as MessageCodec<Message>).read(reader);
  reader.end();
  return message;
}

function decodeFields(frame: Uint8Array): readonly unknown[] {
  let value: unknown;
  try {
    value = decodeValue(frame, 0, frame.length, { copyBytes: false });
  } catch (error) {
    throw new TopGunError('BAD_FRAME', 'The frame is not a MessagePack value.', { cause: error });
  }
  if (!Array.isArray(value)) throw new TopGunError('BAD_FRAME', 'The frame is not a MessagePack array.');
  return value;
}
