import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashKey, PARTITION_COUNT, partitionOf, shardOfKey, shardOfPartition } from './partition.js';
import vectors from './vectors.json' with { type: 'json' };

/** The definition, over the bytes that the platform's own encoder makes. */
function fnv1a(key: string): number {
  let hash = 0x811c9dc5n;
  for (const byte of new TextEncoder().encode(key)) hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn;
  return Number(hash);
}

describe('hashKey', () => {
  // The first ten vectors are among those that the authors of FNV publish; all were computed by another program too.
  it.each(vectors)('of $key is 0x$hash', ({ key, hash, partition, shardOf32 }) => {
    expect(hashKey(key).toString(16).padStart(8, '0')).toBe(hash);
    expect(partitionOf(key)).toBe(partition);
    expect(shardOfKey(key, 32)).toBe(shardOf32);
  });

  it('is FNV-1a over UTF-8 for any string, a lone surrogate counting as U+FFFD', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), utf16Units), (key) => hashKey(key) === fnv1a(key)),
      { numRuns: 2_000 },
    );
  });
});

describe('partitionOf', () => {
  it('spreads keys evenly: no partition gets 20 % more or less than its share', () => {
    const counts = new Array<number>(PARTITION_COUNT).fill(0);
    const total = PARTITION_COUNT * 4_000;
    for (let i = 0; i < total; i++) {
      const partition = partitionOf(`user:${i}`);
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    expect(Math.max(...counts)).toBeLessThan(4_800);
    expect(Math.min(...counts)).toBeGreaterThan(3_200);
  });
});

describe('shards', () => {
  it('host every partition, as many partitions each, give or take one', () => {
    for (const shardCount of [1, 2, 3, 32, 100, 270, 271]) {
      const counts = new Array<number>(shardCount).fill(0);
      for (let partition = 0; partition < PARTITION_COUNT; partition++) {
        const shard = shardOfPartition(partition, shardCount);
        counts[shard] = (counts[shard] ?? 0) + 1;
      }
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
  });
});

const utf16Units = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff })), { maxLength: 20 })
  .map((units) => String.fromCharCode(...units));
