import { TopGunError } from '../errors.js';
import { writeValue } from '../value/encodeValue.js';
import { ByteReader } from '../wire/ByteReader.js';
import { ByteWriter } from '../wire/ByteWriter.js';
import { FieldReader, readArrayHeader } from './FieldReader.js';
import { Token } from './tokens.js';
import { WIRE_TYPES } from './wireTypes.js';

/*
 * Nodes pass streams of other nodes on to clients. They look at what stands in front of the rows and leave the rows alone.
 */

/** What stands in front of the rows of a QUERY_RECORDS. */
export interface RecordsHead {
  readonly queryId: number;
  readonly cursors: readonly number[];
  readonly initial: boolean;
  readonly last: boolean;
  /** Where the rows begin in the frame. */
  readonly rowsAt: number;
}

const FIELDS = 5;

/** The head of a QUERY_RECORDS; null for any other message. @throws TopGunError BAD_FRAME */
export function readRecordsHead(frame: Uint8Array): RecordsHead | null {
  const { reader, count } = begin(frame);
  const fields = new FieldReader('QUERY_RECORDS', reader, count);
  if (fields.uint('type') !== WIRE_TYPES.QUERY_RECORDS) return null;
  const queryId = fields.uint('queryId');
  const cursors = fields.cursors('cursors');
  const initial = fields.boolean('initial');
  const last = fields.boolean('last');
  return { queryId, cursors, initial, last, rowsAt: reader.position };
}

/** The same rows for another subscription. */
export function rewriteRecordsHead(frame: Uint8Array, head: RecordsHead, queryId: number, last: boolean): Uint8Array {
  const writer = new ByteWriter(64 + head.cursors.length * 6 + frame.length - head.rowsAt);
  writer.writeU8(Token.FIX_ARRAY | (FIELDS + 1));
  writeValue(writer, WIRE_TYPES.QUERY_RECORDS);
  writeValue(writer, queryId);
  writeValue(writer, head.cursors);
  writeValue(writer, head.initial);
  writeValue(writer, last);
  writer.writeRaw(frame, head.rowsAt);
  return writer.bytes.subarray(0, writer.length);
}

function begin(frame: Uint8Array): { reader: ByteReader; count: number } {
  const reader = new ByteReader(frame);
  const count = readArrayHeader(reader, frame[0] ?? 0);
  if (count < 0) throw new TopGunError('BAD_FRAME', 'The frame is not a MessagePack array.');
  return { reader, count };
}
