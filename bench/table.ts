/**
 * The record table beside a Map of objects with the same fields: puts of new and of existing keys, reads, and memory per
 * 100,000 records of about 100 bytes. Keys and values come out of decoded frames, as they do in a server or a client.
 * Time is the processor's, garbage collection included; the median of alternating rounds is shown.
 * Run: `npm run build && npx tsx bench/table.ts [--records 1000000] [--rounds 5]`
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { decodeEntries, EntryBatch, encodeEntries, encodeValue, RecordTable, Tag } from '@topgunbuild/core';

const option = (name: string, fallback: number): number =>
  Number(process.argv[process.argv.indexOf(`--${name}`) + 1]) || fallback;
const records = option('records', 1_000_000);
const rounds = option('rounds', 5);
const MEMORY_RECORDS = 100_000;
const PER_FRAME = 100;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** One frame of `PER_FRAME` operations, beginning with record `from`. */
function frameAt(from: number, time: number): Uint8Array {
  const batch = new EntryBatch();
  for (let i = from; i < from + PER_FRAME; i++) {
    const value = encodeValue({
      id: i,
      name: `User number ${i} of the bench`,
      email: `user${i}@example.org`,
      active: i % 3 === 0,
      score: i % 1_000,
    });
    const replica = `V1StGXR8_Z5jdHi${i % 50}.k3f9a0zq.1it90n4h0p1`;
    batch.add('users', `user:${100_000 + i}`, Tag.LWW_SET, time + i, 0, replica, 0, value);
  }
  return encodeEntries(batch);
}

interface PlainRecord {
  readonly key: string;
  readonly tag: number;
  readonly ms: number;
  readonly counter: number;
  readonly replica: string;
  readonly expires: number;
  readonly seq: number;
  readonly value: Uint8Array;
}

interface Store {
  put(rows: EntryBatch, seq: number): void;
  /** Something of every record, found by its key. */
  read(rows: EntryBatch): number;
}

class TableStore implements Store {
  readonly #table = new RecordTable('users');

  put(rows: EntryBatch, seq: number): void {
    for (let i = 0; i < rows.count; i++) {
      this.#table.put(
        rows.keys[i] as string,
        rows.tags[i] as Tag,
        rows.ms[i] as number,
        rows.counters[i] as number,
        rows.replicas[i] as string,
        rows.expires[i] as number,
        rows.sources[i] as Uint8Array,
        rows.starts[i] as number,
        rows.ends[i] as number,
        seq,
      );
    }
  }

  read(rows: EntryBatch): number {
    let sum = 0;
    for (let i = 0; i < rows.count; i++) {
      const slot = this.#table.find(rows.keys[i] as string);
      sum += this.#table.ms(slot) + this.#table.end(slot);
    }
    return sum;
  }
}

class MapStore implements Store {
  readonly #records = new Map<string, PlainRecord>();

  put(rows: EntryBatch, seq: number): void {
    for (let i = 0; i < rows.count; i++) {
      const key = rows.keys[i] as string;
      this.#records.set(key, {
        key,
        tag: rows.tags[i] as number,
        ms: rows.ms[i] as number,
        counter: rows.counters[i] as number,
        replica: rows.replicas[i] as string,
        expires: rows.expires[i] as number,
        seq,
        value: new Uint8Array(rows.bytes(i)),
      });
    }
  }

  read(rows: EntryBatch): number {
    let sum = 0;
    for (let i = 0; i < rows.count; i++) {
      const record = this.#records.get(rows.keys[i] as string);
      if (record !== undefined) sum += record.ms + record.value.length;
    }
    return sum;
  }
}

/** Nanoseconds of processor time a row that `run` takes, over all frames; decoding them is not counted. */
function time(frames: readonly Uint8Array[], run: (rows: EntryBatch, frame: number) => void): number {
  let total = 0;
  for (let from = 0; from < frames.length; from += 100) {
    const part = frames.slice(from, from + 100).map((frame) => decodeEntries(frame));
    const start = process.cpuUsage();
    for (let i = 0; i < part.length; i++) run(part[i] as EntryBatch, from + i);
    const { user, system } = process.cpuUsage(start);
    total += (user + system) * 1_000;
  }
  return total / (frames.length * PER_FRAME);
}

const bytesInUse = (): number => {
  for (let i = 0; i < 4; i++) collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

/** MiB that `count` records take in a new store, right after they came in. */
function memoryOf(make: () => Store, count: number): number {
  const store = make();
  const before = bytesInUse();
  for (let from = 0; from < count; from += PER_FRAME) store.put(decodeEntries(frameAt(from, 1)), from);
  const used = bytesInUse() - before;
  return store.read(new EntryBatch()) + used / 2 ** 20;
}

function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

const stores = [
  { name: 'RecordTable', make: (): Store => new TableStore() },
  { name: 'Map of objects', make: (): Store => new MapStore() },
].map((store) => ({ ...store, insert: [] as number[], update: [] as number[], read: [] as number[] }));

console.log(`Memory of ${MEMORY_RECORDS} records, MiB`);
for (const { name, make } of stores) {
  memoryOf(make, 10_000);
  console.log(`  ${name.padEnd(18)}${memoryOf(make, MEMORY_RECORDS).toFixed(1)}`);
}

const frames = Array.from({ length: Math.ceil(records / PER_FRAME) }, (_, i) => frameAt(i * PER_FRAME, 1_000));
for (let round = 0; round < rounds; round++) {
  for (const { make, insert, update, read } of stores) {
    const store = make();
    insert.push(time(frames, (rows, frame) => store.put(rows, frame)));
    update.push(time(frames, (rows, frame) => store.put(rows, frames.length + frame)));
    let sum = 0;
    read.push(
      time(frames, (rows) => {
        sum += store.read(rows);
      }),
    );
    if (sum === 0) throw new Error('Nothing was stored.');
  }
}
console.log(`${records} records, ns of processor time each (median of ${rounds} alternating rounds)`);
for (const { name, insert, update, read } of stores) {
  const cells = [
    `new ${median(insert).toFixed(0)}`,
    `existing ${median(update).toFixed(0)}`,
    `read ${median(read).toFixed(0)}`,
  ];
  console.log(`  ${name.padEnd(18)}${cells.map((cell) => cell.padEnd(16)).join('')}`);
}
