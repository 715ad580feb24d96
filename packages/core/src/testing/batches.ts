import fc from 'fast-check';
import { MAX_COUNTER, MAX_MS } from '../clock/Timestamp.js';
import { Tag } from '../crdt/Entry.js';
import { EntryBatch } from '../crdt/EntryBatch.js';

const name = fc.oneof(
  fc.constantFrom('', 'users', '__proto__', 'a/../b', '*', '\u0000', 'ü', '日本', '😀'),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
);

const row = fc.record({
  map: fc.oneof(fc.constant('users'), name),
  key: fc.oneof(
    fc.nat({ max: 9_999 }).map((n) => `user:${n}`),
    name,
  ),
  tag: fc.oneof(fc.constant(Tag.LWW_SET), fc.constantFrom(...Object.values(Tag))),
  ms: fc.oneof(fc.integer({ min: 1_760_000_000_000, max: 1_760_000_001_000 }), fc.integer({ min: 0, max: MAX_MS })),
  counter: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: MAX_COUNTER })),
  replica: fc.oneof(fc.constant('V1StGXR8_Z5jdHi6.k3f9a0zq.1it90n4h0p1'), name),
  life: fc.oneof({ weight: 8, arbitrary: fc.constant(-1) }, fc.nat({ max: 2 ** 31 - 1 })),
  value: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 100, maxLength: 200 })),
  seq: fc.nat({ max: 2 ** 31 - 1 }),
});

/** Any batch that can be written: few rows, or enough for the code paths of many; with sequences, or without. */
export const entryBatch: fc.Arbitrary<EntryBatch> = fc
  .tuple(fc.oneof(fc.array(row, { maxLength: 3 }), fc.array(row, { maxLength: 20 })), fc.boolean(), fc.boolean())
  .map(([rows, withSeqs, oneMap]) => {
    const batch = new EntryBatch();
    for (const { map, key, tag, ms, counter, replica, life, value, seq } of rows) {
      const expires = life < 0 ? 0 : Math.max(1, ms + life);
      batch.add(oneMap ? 'users' : map, key, tag, ms, counter, oneMap ? 'r' : replica, expires, value);
      if (withSeqs) batch.seqs.push(seq);
    }
    return batch;
  });

/** The rows of a batch, to be compared. */
export function rowsOf(batch: EntryBatch): unknown[] {
  return Array.from({ length: batch.count }, (_, i) => ({
    map: batch.maps[i],
    key: batch.keys[i],
    tag: batch.tags[i],
    ms: batch.ms[i],
    counter: batch.counters[i],
    replica: batch.replicas[i],
    expires: batch.expires[i],
    seq: batch.seqs[i],
    value: [...batch.bytes(i)].join(','),
  }));
}
