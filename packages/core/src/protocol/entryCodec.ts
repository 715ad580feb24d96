import { MAX_COUNTER, MAX_MS } from '../clock/Timestamp.js';
import { Tag } from '../crdt/Entry.js';
import { EntryBatch } from '../crdt/EntryBatch.js';
import { TopGunError } from '../errors.js';
import { ByteReader } from '../wire/ByteReader.js';
import { ByteWriter } from '../wire/ByteWriter.js';
import { readKeys, writeKeys } from './keyColumn.js';
import { readDifferences, readNumbers, writeDifferences } from './numberColumn.js';

/*
 * The columnar form of an EntryBatch. Batches travel from client to server, rest in the log and in snapshots, and
 * travel on to other clients in this one form; values are opaque bytes at its end and are never decoded on the way.
 *
 *   flags        1 byte, see Flag
 *   count        varuint
 *   maps         varuint n, n strings; when n > 1: count varuints, the index of each row's map
 *   replicas     the same
 *   tags         1 byte when all are equal (Flag.ONE_TAG), else count bytes
 *   ms           varuint of the first, then zigzag differences from row to row
 *   counters     zigzag differences from row to row, the first from 0
 *   expires      only with Flag.EXPIRES: varuint, 0 = never, else 1 + deadline - ms
 *   seqs         only with Flag.SEQS: zigzag differences from row to row, the first from 0
 *   key lengths  count varuints, in UTF-8 bytes
 *   keys         the bytes of all keys
 *   lengths      count varuints
 *   values       the bytes of all values, up to the end
 */

const Flag = { EXPIRES: 1, SEQS: 2, ONE_TAG: 4 } as const;
const ALL_FLAGS = 7;

/** Far enough for any age, and the difference to any timestamp can be written. */
const MAX_DEADLINE = 2 ** 52;

/** What a usual row takes beside its key and value, with something to spare. */
const ROW_HINT = 12;

/** A row takes at least this many bytes: what a claimed count is checked against before anything is allocated. */
const MIN_ROW_BYTES = 4;

export function encodeEntries(batch: EntryBatch): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(sizeHint(batch));
  writeEntries(writer, batch);
  return writer.toBytes();
}

/** Bytes that the batch will about take, rather more than less. */
export function sizeHint(batch: EntryBatch): number {
  let bytes = 256;
  for (let i = 0; i < batch.count; i++) {
    bytes += (batch.ends[i] as number) - (batch.starts[i] as number) + (batch.keys[i] as string).length + ROW_HINT;
  }
  return bytes;
}

export function writeEntries(writer: ByteWriter, batch: EntryBatch): void {
  const { count, ms, expires, tags, seqs } = batch;
  if (seqs.length > 0 && seqs.length !== count) {
    throw new TopGunError('INTERNAL', 'Either all rows have a sequence or none.');
  }
  let withExpires = false;
  let oneTag = true;
  for (let i = 0; i < count; i++) {
    if (expires[i] !== 0) withExpires = true;
    if (tags[i] !== tags[0]) oneTag = false;
  }
  const withSeqs = seqs.length > 0;
  writer.writeU8((withExpires ? Flag.EXPIRES : 0) | (withSeqs ? Flag.SEQS : 0) | (oneTag ? Flag.ONE_TAG : 0));
  writer.writeVaruint(count);
  if (count === 0) return;
  writeDictionary(writer, batch.maps);
  writeDictionary(writer, batch.replicas);
  if (oneTag) writer.writeU8(tags[0] as number);
  else for (let i = 0; i < count; i++) writer.writeU8(tags[i] as number);
  const firstMs = ms[0] as number;
  writer.writeVaruint(firstMs);
  writeDifferences(writer, ms, 1, firstMs);
  writeDifferences(writer, batch.counters);
  if (withExpires) {
    for (let i = 0; i < count; i++) {
      writer.writeVaruint(expires[i] === 0 ? 0 : Math.max(0, (expires[i] as number) - (ms[i] as number)) + 1);
    }
  }
  if (withSeqs) writeDifferences(writer, seqs);
  writeKeys(writer, batch.keys);
  writeValues(writer, batch);
}

function writeValues(writer: ByteWriter, { count, sources, starts, ends }: EntryBatch): void {
  for (let i = 0; i < count; i++) writer.writeVaruint((ends[i] as number) - (starts[i] as number));
  for (let i = 0; i < count; ) {
    // Rows that came out of one frame lie side by side in it: they are copied at once.
    const source = sources[i] as Uint8Array;
    const start = starts[i] as number;
    let end = ends[i] as number;
    for (i++; i < count && sources[i] === source && starts[i] === end; i++) end = ends[i] as number;
    writer.writeRaw(source, start, end);
  }
}

function writeDictionary(writer: ByteWriter, column: readonly string[]): void {
  const first = column[0] as string;
  let several = false;
  for (let i = 1; i < column.length && !several; i++) several = column[i] !== first;
  if (!several) {
    writer.writeVaruint(1);
    writer.writeString(first);
    return;
  }
  const numbers = new Map<string, number>();
  for (const text of column) if (!numbers.has(text)) numbers.set(text, numbers.size);
  writer.writeVaruint(numbers.size);
  for (const text of numbers.keys()) writer.writeString(text);
  for (const text of column) writer.writeVaruint(numbers.get(text) as number);
}

/**
 * Decodes what `encodeEntries` made. Values stay views of `bytes`, which must not change while the batch is in use.
 * @throws TopGunError BAD_FRAME for anything else, TOO_LARGE for more than `maxCount` rows; allocates no more than a
 * small multiple of the size of `bytes`.
 */
export function decodeEntries(
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
  maxCount = Number.MAX_SAFE_INTEGER,
): EntryBatch {
  const reader = new ByteReader(bytes, start, end);
  const batch = new EntryBatch();
  const flags = reader.readU8();
  if ((flags & ~ALL_FLAGS) !== 0) throw invalid('unknown flags');
  const count = reader.readCount(MIN_ROW_BYTES);
  if (count > maxCount) {
    throw new TopGunError('TOO_LARGE', `A batch holds at most ${maxCount} operations, this one has ${count}.`);
  }
  batch.count = count;
  if (count === 0) {
    reader.expectEnd();
    return batch;
  }
  readDictionary(reader, count, batch.maps);
  readDictionary(reader, count, batch.replicas);
  readTags(reader, count, (flags & Flag.ONE_TAG) !== 0, batch.tags);
  const firstMs = reader.readVaruint();
  if (firstMs > MAX_MS) throw invalid('timestamp out of range');
  batch.ms.push(firstMs);
  readDifferences(reader, count - 1, batch.ms, MAX_MS, firstMs);
  readDifferences(reader, count, batch.counters, MAX_COUNTER);
  readDeadlines(reader, count, (flags & Flag.EXPIRES) !== 0, batch);
  if ((flags & Flag.SEQS) !== 0) readDifferences(reader, count, batch.seqs, Number.MAX_SAFE_INTEGER);
  readKeys(reader, count, batch.keys);
  readValues(reader, bytes, count, batch);
  return batch;
}

function readTags(reader: ByteReader, count: number, one: boolean, tags: number[]): void {
  if (one) repeat(tags, count, readTag(reader));
  else for (let i = 0; i < count; i++) tags.push(readTag(reader));
}

function readTag(reader: ByteReader): number {
  const tag = reader.readU8();
  if (tag > Tag.LEFT) throw invalid('unknown tag');
  return tag;
}

/** Fills an empty column. */
function repeat<T>(column: T[], count: number, item: T): void {
  column.length = count;
  column.fill(item);
}

function readDeadlines(reader: ByteReader, count: number, some: boolean, batch: EntryBatch): void {
  if (!some) {
    repeat(batch.expires, count, 0);
    return;
  }
  for (let i = 0; i < count; i++) {
    const life = reader.readVaruint();
    const deadline = life === 0 ? 0 : (batch.ms[i] as number) + life - 1;
    if (deadline > MAX_DEADLINE) throw invalid('deadline out of range');
    batch.expires.push(deadline);
  }
}

function readDictionary(reader: ByteReader, count: number, column: string[]): void {
  const size = reader.readCount(1);
  if (size === 0 || size > count) throw invalid('dictionary of a wrong size');
  if (size === 1) {
    const text = reader.readString();
    repeat(column, count, text);
    return;
  }
  const texts: string[] = [];
  for (let i = 0; i < size; i++) texts.push(reader.readString());
  for (let i = 0; i < count; i++) {
    const text = texts[reader.readVaruint()];
    if (text === undefined) throw invalid('index outside its dictionary');
    column.push(text);
  }
}

function readValues(reader: ByteReader, bytes: Uint8Array, count: number, batch: EntryBatch): void {
  const { starts, ends, sources } = batch;
  readNumbers(reader, count, ends);
  let position = reader.position;
  starts.length = count;
  for (let i = 0; i < count; i++) {
    starts[i] = position;
    position += ends[i] as number;
    ends[i] = position;
  }
  repeat(sources, count, bytes);
  if (position !== reader.end) throw invalid('values of a wrong total length');
}

function invalid(what: string): TopGunError {
  return new TopGunError('BAD_FRAME', `The entries cannot be decoded: ${what}.`);
}
