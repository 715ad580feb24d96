import { compareTimestamps, MAX_COUNTER, MAX_MS, type Timestamp } from '../clock/Timestamp.js';
import { TopGunError } from '../errors.js';
import { ByteReader } from '../wire/ByteReader.js';
import { ByteWriter } from '../wire/ByteWriter.js';

/*
 * The payload of OR_REMOVE: which elements to remove, each named by the timestamp of its addition.
 *
 *   replicas   varuint n, n strings
 *   count      varuint
 *   stamps     per stamp three varuints: ms, counter, index of the replica
 */

export function encodeStamps(stamps: readonly Timestamp[]): Uint8Array<ArrayBuffer> {
  const numbers = new Map<string, number>();
  for (const { replica } of stamps) if (!numbers.has(replica)) numbers.set(replica, numbers.size);
  const writer = new ByteWriter(48 + stamps.length * 10);
  writer.writeVaruint(numbers.size);
  for (const replica of numbers.keys()) writer.writeString(replica);
  writer.writeVaruint(stamps.length);
  for (const { ms, counter, replica } of stamps) {
    writer.writeVaruint(ms);
    writer.writeVaruint(counter);
    writer.writeVaruint(numbers.get(replica) as number);
  }
  return writer.toBytes();
}

/** The timestamps of an OR_REMOVE payload, ascending, each once. @throws TopGunError BAD_FRAME */
export function decodeStamps(bytes: Uint8Array): Timestamp[] {
  const reader = new ByteReader(bytes);
  const replicas: string[] = [];
  for (let n = reader.readCount(1); n > 0; n--) replicas.push(reader.readString());
  const stamps: Timestamp[] = [];
  for (let n = reader.readCount(3); n > 0; n--) stamps.push(readStamp(reader, replicas));
  reader.expectEnd();
  stamps.sort(compareTimestamps);
  return stamps.filter((stamp, i) => i === 0 || compareTimestamps(stamps[i - 1] as Timestamp, stamp) !== 0);
}

function readStamp(reader: ByteReader, replicas: readonly string[]): Timestamp {
  const ms = reader.readVaruint();
  const counter = reader.readVaruint();
  const replica = replicas[reader.readVaruint()];
  if (ms > MAX_MS || counter > MAX_COUNTER || replica === undefined) {
    throw new TopGunError('BAD_FRAME', 'A timestamp is out of range.');
  }
  return { ms, counter, replica };
}
