import { partitionOf } from '../partition/partition.js';
import type { Tag } from './Entry.js';

const NO_BYTES = new Uint8Array(0);

/**
 * Rows in columns, parallel arrays of `count` items each. Plain arrays, because most batches are small and typed arrays
 * are dear to create. Values are ranges of byte arrays and never copied on the way through.
 */
export class EntryBatch {
  count = 0;
  readonly maps: string[] = [];
  readonly keys: string[] = [];
  readonly tags: number[] = [];
  readonly ms: number[] = [];
  readonly counters: number[] = [];
  readonly replicas: string[] = [];
  /** Deadline in ms since 1970, 0 = lives for ever. */
  readonly expires: number[] = [];
  /** Per row: the array that holds the value's bytes, and their range in it. */
  readonly sources: Uint8Array[] = [];
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  /** Per row: the log sequence of its last change; only in snapshots, else empty. */
  readonly seqs: number[] = [];

  add(
    map: string,
    key: string,
    tag: Tag,
    ms: number,
    counter: number,
    replica: string,
    expires: number,
    source: Uint8Array = NO_BYTES,
    start = 0,
    end = source.length,
  ): number {
    this.maps.push(map);
    this.keys.push(key);
    this.tags.push(tag);
    this.ms.push(ms);
    this.counters.push(counter);
    this.replicas.push(replica);
    this.expires.push(expires);
    this.sources.push(source);
    this.starts.push(start);
    this.ends.push(end);
    return this.count++;
  }

  /**
   * Makes this the only row. Where that was so before, nothing is allocated: a batch that carries one row after the other
   * costs next to nothing.
   */
  setOnly(
    map: string,
    key: string,
    tag: Tag,
    ms: number,
    counter: number,
    replica: string,
    expires: number,
    source: Uint8Array = NO_BYTES,
    start = 0,
    end = source.length,
  ): void {
    if (this.count !== 1 || this.seqs.length > 0) {
      this.clear();
      this.add(map, key, tag, ms, counter, replica, expires, source, start, end);
      return;
    }
    this.maps[0] = map;
    this.keys[0] = key;
    this.tags[0] = tag;
    this.ms[0] = ms;
    this.counters[0] = counter;
    this.replicas[0] = replica;
    this.expires[0] = expires;
    this.sources[0] = source;
    this.starts[0] = start;
    this.ends[0] = end;
  }

  /** Removes all rows, so that the batch can be used again. */
  clear(): void {
    this.count = 0;
    for (const column of [this.maps, this.keys, this.replicas, this.sources]) column.length = 0;
    for (const column of [this.tags, this.ms, this.counters, this.expires, this.starts, this.ends, this.seqs]) {
      column.length = 0;
    }
  }

  /** Adds row `index` of `other`; bytes are shared, not copied. */
  addFrom(other: EntryBatch, index: number): number {
    return this.add(
      other.maps[index] as string,
      other.keys[index] as string,
      other.tags[index] as Tag,
      other.ms[index] as number,
      other.counters[index] as number,
      other.replicas[index] as string,
      other.expires[index] as number,
      other.sources[index],
      other.starts[index],
      other.ends[index],
    );
  }

  /** The value's bytes of row `index`, as a view. */
  bytes(index: number): Uint8Array {
    return (this.sources[index] as Uint8Array).subarray(this.starts[index], this.ends[index]);
  }

  partition(index: number): number {
    return partitionOf(this.keys[index] as string);
  }
}
