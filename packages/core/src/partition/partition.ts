/** Partitions of the key space. Fixed for ever: clients and servers of all versions agree on it. */
export const PARTITION_COUNT = 271;

/** Shards of a cluster unless it was created with another number (1..271). */
export const DEFAULT_SHARD_COUNT = 32;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * 32-bit FNV-1a over the UTF-8 bytes of `key`, as an unsigned integer.
 * Source: Fowler, Noll, Vo; http://www.isthe.com/chongo/tech/comp/fnv/. A lone surrogate hashes as U+FFFD.
 */
export function hashKey(key: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < key.length; i++) {
    let unit = key.charCodeAt(i);
    if (unit < 0x80) {
      hash = Math.imul(hash ^ unit, FNV_PRIME);
      continue;
    }
    if (unit >= 0xd800 && unit <= 0xdfff) {
      const next = i + 1 < key.length ? key.charCodeAt(i + 1) : 0;
      if (unit <= 0xdbff && next >= 0xdc00 && next <= 0xdfff) {
        i++;
        unit = 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00);
        hash = Math.imul(hash ^ (0xf0 | (unit >> 18)), FNV_PRIME);
        hash = Math.imul(hash ^ (0x80 | ((unit >> 12) & 0x3f)), FNV_PRIME);
        hash = Math.imul(hash ^ (0x80 | ((unit >> 6) & 0x3f)), FNV_PRIME);
        hash = Math.imul(hash ^ (0x80 | (unit & 0x3f)), FNV_PRIME);
        continue;
      }
      unit = 0xfffd;
    }
    if (unit < 0x800) {
      hash = Math.imul(hash ^ (0xc0 | (unit >> 6)), FNV_PRIME);
    } else {
      hash = Math.imul(hash ^ (0xe0 | (unit >> 12)), FNV_PRIME);
      hash = Math.imul(hash ^ (0x80 | ((unit >> 6) & 0x3f)), FNV_PRIME);
    }
    hash = Math.imul(hash ^ (0x80 | (unit & 0x3f)), FNV_PRIME);
  }
  return hash >>> 0;
}

/** The partition (0..270) that `key` lives in, whatever the map. */
export function partitionOf(key: string): number {
  return hashKey(key) % PARTITION_COUNT;
}

/** The shard that hosts `partition` in a cluster of `shardCount` shards. */
export function shardOfPartition(partition: number, shardCount: number): number {
  return partition % shardCount;
}

export function shardOfKey(key: string, shardCount: number): number {
  return partitionOf(key) % shardCount;
}
