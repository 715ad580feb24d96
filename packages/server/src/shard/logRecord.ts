import { ByteReader, ByteWriter, decodeEntries, type EntryBatch, TopGunError, writeEntries } from '@topgunbuild/core';

/*
 * A record of a shard's log is one byte that tells its type, then:
 *   ENTRIES  ops in the order in which they are to be merged (`encodeEntries`)
 *   EPOCH    varuint, string: a node took over, in this epoch; whoever owned the shard before is fenced
 *   HORIZON  varuint: tombstones older than this time (ms since 1970) are dropped, and ops older than it refused
 * What applying a record does depends on the state before it and on the record alone, so that every replay of the log
 * ends in the same state.
 */
const RecordType = { ENTRIES: 0, EPOCH: 1, HORIZON: 2 } as const;

export type LogContent =
  | { readonly type: 'entries'; readonly entries: EntryBatch }
  | { readonly type: 'epoch'; readonly epoch: number; readonly nodeId: string }
  | { readonly type: 'horizon'; readonly horizonMs: number };

/** The writer is only borrowed: the result is a copy. */
export function encodeEntriesRecord(writer: ByteWriter, entries: EntryBatch): Uint8Array {
  writer.reset();
  writer.writeU8(RecordType.ENTRIES);
  writeEntries(writer, entries);
  return writer.toBytes();
}

export function encodeHorizonRecord(horizonMs: number): Uint8Array {
  const writer = new ByteWriter(16);
  writer.writeU8(RecordType.HORIZON);
  writer.writeVaruint(horizonMs);
  return writer.toBytes();
}

export function encodeEpochRecord(epoch: number, nodeId: string): Uint8Array {
  const writer = new ByteWriter(64);
  writer.writeU8(RecordType.EPOCH);
  writer.writeVaruint(epoch);
  writer.writeString(nodeId);
  return writer.toBytes();
}

/** @throws TopGunError STORAGE_FAILED for bytes that are no record. Values are views of `bytes`. */
export function decodeLogRecord(bytes: Uint8Array): LogContent {
  try {
    switch (bytes[0]) {
      case RecordType.ENTRIES:
        return { type: 'entries', entries: decodeEntries(bytes, 1) };
      case RecordType.EPOCH:
        return readEpoch(new ByteReader(bytes, 1));
      case RecordType.HORIZON:
        return { type: 'horizon', horizonMs: new ByteReader(bytes, 1).readVaruint() };
    }
  } catch (cause) {
    throw new TopGunError('STORAGE_FAILED', 'A log record is damaged. Restore the data from a backup.', { cause });
  }
  throw new TopGunError(
    'STORAGE_FAILED',
    'A log record has a type that this version does not know. Update the server.',
  );
}

function readEpoch(reader: ByteReader): LogContent {
  const epoch = reader.readVaruint();
  return { type: 'epoch', epoch, nodeId: reader.readString() };
}
