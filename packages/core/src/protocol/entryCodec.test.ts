import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_COUNTER, MAX_MS } from '../clock/Timestamp.js';
import { Tag } from '../crdt/Entry.js';
import { EntryBatch } from '../crdt/EntryBatch.js';
import { TopGunError } from '../errors.js';
import { entryBatch, rowsOf } from '../testing/batches.js';
import { damaged, damages } from '../testing/mutations.js';
import { ByteWriter } from '../wire/ByteWriter.js';
import { decodeEntries, encodeEntries, writeEntries } from './entryCodec.js';

/** A batch as clients send it: `count` operations of one map and replica, close in time, `valueBytes` each. */
function usualBatch(count: number, valueBytes: number): EntryBatch {
  const batch = new EntryBatch();
  for (let i = 0; i < count; i++) {
    const key = `user:${1_000 + ((i * 37) % 1_000)}`;
    const value = new Uint8Array(valueBytes).fill(i);
    batch.add(
      'users',
      key,
      Tag.LWW_SET,
      1_760_000_000_000 + (i >> 3),
      i & 7,
      'V1StGXR8_Z5jdHi6.k3f9a0zq.1it90n4h0p1',
      0,
      value,
    );
  }
  return batch;
}

describe('the columnar form of entries', () => {
  it('gives every row back as it was', () => {
    fc.assert(
      fc.property(entryBatch, (batch) => {
        expect(rowsOf(decodeEntries(encodeEntries(batch)))).toEqual(rowsOf(batch));
      }),
      { numRuns: 1_000 },
    );
  });

  it('is read from the middle of other bytes, and written behind others', () => {
    fc.assert(
      fc.property(entryBatch, fc.nat({ max: 300 }), (batch, before) => {
        const writer = new ByteWriter(16);
        writer.writeRaw(new Uint8Array(before).fill(0xff));
        writeEntries(writer, batch);
        const end = writer.length;
        writer.writeRaw(new Uint8Array(7).fill(0xff));
        expect(rowsOf(decodeEntries(writer.bytes, before, end))).toEqual(rowsOf(batch));
      }),
    );
  });

  it('carries values as views, and writes them on from there', () => {
    const bytes = encodeEntries(usualBatch(20, 100));
    const batch = decodeEntries(bytes);
    expect(batch.sources.every((source) => source === bytes)).toBe(true);
    expect(encodeEntries(batch)).toEqual(bytes);
  });

  it('takes less than 5 bytes beside key and value for an operation in a batch of 100, less than 70 for a single one', () => {
    const size = encodeEntries(usualBatch(100, 100)).length;
    expect(size / 100 - 100 - 'user:1234'.length).toBeLessThan(5);
    const single = encodeEntries(usualBatch(1, 100)).length;
    expect(single - 100 - 'user:1234'.length).toBeLessThan(70);
  });

  it('holds the largest timestamps, deadlines and sequences', () => {
    const batch = new EntryBatch();
    for (const [ms, counter, expires, seq] of [
      [MAX_MS, MAX_COUNTER, 0, 0],
      [0, 0, 1, 2 ** 51],
      [MAX_MS, 0, MAX_MS, 1],
      [1, MAX_COUNTER, 2 ** 52, 2 ** 51 - 1],
    ] as const) {
      batch.add('m', 'k', Tag.LWW_SET, ms, counter, 'r', expires);
      batch.seqs.push(seq);
    }
    expect(rowsOf(decodeEntries(encodeEntries(batch)))).toEqual(rowsOf(batch));
  });

  it('refuses to write keys that UTF-8 cannot carry', () => {
    for (const text of ['\ud800', `${'a'.repeat(100)}\udc00`]) {
      for (const [map, key, replica] of [
        [text, 'k', 'r'],
        ['m', text, 'r'],
        ['m', 'k', text],
      ] as const) {
        const batch = new EntryBatch();
        batch.add(map, key, Tag.LWW_REMOVE, 1, 0, replica, 0);
        expect(() => encodeEntries(batch)).toThrow(expect.objectContaining({ code: 'INVALID_VALUE' }));
      }
    }
  });

  it('refuses to write sequences for some rows only', () => {
    const batch = usualBatch(2, 1);
    batch.seqs.push(1);
    expect(() => encodeEntries(batch)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
});

describe('entries that nobody vouches for', () => {
  const decode = (bytes: Uint8Array, maxCount?: number): string => {
    try {
      const batch = decodeEntries(bytes, 0, bytes.length, maxCount);
      expectSound(batch, bytes.length);
      return 'ok';
    } catch (error) {
      if (!(error instanceof TopGunError)) throw error;
      return error.code;
    }
  };

  it('are sound, or refused as BAD_FRAME, however they were damaged', () => {
    const outcomes = new Map<string, number>();
    fc.assert(
      fc.property(entryBatch, damages, (batch, dealt) => {
        const outcome = decode(damaged(encodeEntries(batch), dealt));
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }),
      { numRuns: 10_000 },
    );
    expect([...outcomes.keys()].sort()).toEqual(['BAD_FRAME', 'ok']);
    expect(outcomes.get('ok')).toBeGreaterThan(300);
  });

  it('are sound, or refused as BAD_FRAME, when they are noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => ['BAD_FRAME', 'ok'].includes(decode(noise))),
      { numRuns: 20_000 },
    );
  });

  it('are refused as TOO_LARGE beyond the number of rows that the reader takes', () => {
    const bytes = encodeEntries(usualBatch(11, 1));
    expect([decode(bytes, 11), decode(bytes, 10)]).toEqual(['ok', 'TOO_LARGE']);
  });

  const bytes = (...parts: (number | string | readonly number[])[]): Uint8Array =>
    new Uint8Array(parts.flatMap((part) => (typeof part === 'string' ? [part.length, ...Buffer.from(part)] : part)));
  const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];

  it.each([
    ['nothing', bytes()],
    ['an unknown flag', bytes(8, 0)],
    ['a count and no rows', bytes(4, 1)],
    ['a count of 2^53 - 1', bytes(4, huge)],
    ['a count one too small', bytes(4, 1, 1, 'm', 1, 'r', 0, 1, 0, 1, 1, 0x61, 0x62, 0, 0)],
    ['a dictionary without texts', bytes(4, 1, 0, 0, 1, 'r', 0, 1, 0, 1, 0x61, 0)],
    ['a dictionary of more texts than rows', bytes(4, 1, 2, 'm', 'n', 0, 1, 'r', 0, 1, 0, 1, 0x61, 0)],
    ['a dictionary of 2^53 - 1 texts', bytes(4, 1, huge, 'm', 1, 'r', 0, 1, 0, 1, 0x61, 0)],
    ['an index outside its dictionary', bytes(4, 2, 2, 'm', 'n', 0, 2, 1, 'r', 0, 1, 0, 0, 0, 1, 1, 0x61, 0x62, 0, 0)],
    ['a map that is not UTF-8', bytes(4, 1, 1, 1, 0xff, 1, 'r', 0, 1, 0, 1, 0x61, 0)],
    ['an unknown tag', bytes(4, 1, 1, 'm', 1, 'r', 8, 1, 0, 1, 0x61, 0)],
    ['a timestamp of 2^53 - 1', bytes(4, 1, 1, 'm', 1, 'r', 0, huge, 0, 1, 0x61, 0)],
    ['a timestamp below 0', bytes(4, 2, 1, 'm', 1, 'r', 0, 1, 3, 0, 0, 1, 1, 0x61, 0x62, 0, 0)],
    ['a counter of 2^16', bytes(4, 1, 1, 'm', 1, 'r', 0, 1, [0x80, 0x80, 8], 1, 0x61, 0)],
    ['a counter below 0', bytes(4, 1, 1, 'm', 1, 'r', 0, 1, 1, 1, 0x61, 0)],
    ['a deadline beyond all time', bytes(5, 1, 1, 'm', 1, 'r', 0, 1, 0, huge, 1, 0x61, 0)],
    ['a key of 2^53 - 1 bytes', bytes(4, 1, 1, 'm', 1, 'r', 0, 1, 0, huge, 0x61, 0)],
    ['a key that is not UTF-8', bytes(4, 1, 1, 'm', 1, 'r', 0, 1, 0, 1, 0xff, 0)],
    ['a character cut in two by the end of a key', bytes(4, 2, 1, 'm', 1, 'r', 0, 1, 0, 0, 0, 1, 1, 0xc3, 0xa4, 0, 0)],
    ['a value longer than what follows', bytes(4, 1, 1, 'm', 1, 'r', 0, 1, 0, 1, 0x61, 5, 1)],
    ['a value of 2^53 - 1 bytes', bytes(4, 1, 1, 'm', 1, 'r', 0, 1, 0, 1, 0x61, huge)],
    ['bytes behind the end', bytes(4, 1, 1, 'm', 1, 'r', 0, 1, 0, 1, 0x61, 0, 0)],
  ])('are refused with %s', (_, frame) => {
    expect(decode(frame)).toBe('BAD_FRAME');
  });

  it('are taken when they are right: the row that the bad ones above were made of', () => {
    expect(decode(bytes(4, 1, 1, 'm', 1, 'r', 0, 1, 0, 1, 0x61, 0))).toBe('ok');
  });
});

/** Everything that the rest of the system relies on, and that it can be written again. */
function expectSound(batch: EntryBatch, size: number): void {
  const { count, maps, keys, tags, ms, counters, replicas, expires, sources, starts, ends, seqs } = batch;
  for (const column of [maps, keys, tags, ms, counters, replicas, expires, sources, starts, ends]) {
    if (column.length !== count || column.includes(undefined as never)) expect.fail('a column has holes');
  }
  if (seqs.length !== 0 && seqs.length !== count) expect.fail('some rows have a sequence');
  for (let i = 0; i < count; i++) {
    const numbers = [ms[i], counters[i], expires[i], starts[i], ends[i], tags[i]];
    const areWhole = numbers.every((number) => Number.isSafeInteger(number) && Number(number) >= 0);
    const areInRange = Number(ms[i]) <= MAX_MS && Number(counters[i]) <= MAX_COUNTER && Number(tags[i]) <= Tag.LEFT;
    const isInside = Number(starts[i]) <= Number(ends[i]) && Number(ends[i]) <= size;
    if (!areWhole || !areInRange || !isInside) expect.fail(`row ${i} is unsound: ${numbers}`);
  }
  const again = rowsOf(decodeEntries(encodeEntries(batch)));
  if (JSON.stringify(again) !== JSON.stringify(rowsOf(batch))) expect(again).toEqual(rowsOf(batch));
}
