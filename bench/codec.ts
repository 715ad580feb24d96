/**
 * The columnar codec of operations beside msgpackr (maps, `useRecords: false`) and JSON: a frame of 100 operations with
 * values of about 100 bytes, as a busy client sends it. What counts is the processor's time, garbage collection
 * included; rounds of the candidates alternate, and the medians are shown.
 * Run: `npm run build && npx tsx bench/codec.ts [--rounds 15] [--ops 100]`
 */
import {
  decodeClientMessage,
  decodeEntries,
  EntryBatch,
  encodeEntries,
  encodeMessage,
  encodeValue,
  Tag,
} from '@topgunbuild/core';
import { Packr } from 'msgpackr';

const option = (name: string, fallback: number): number =>
  Number(process.argv[process.argv.indexOf(`--${name}`) + 1]) || fallback;
const rounds = option('rounds', 15);
const opsPerFrame = option('ops', 100);

const ROUND_MS = 40;
const REPLICA = 'V1StGXR8_Z5jdHi6.k3f9a0zq.1it90n4h0p1';

const objects = Array.from({ length: opsPerFrame }, (_, i) => ({
  id: 1_000 + ((i * 37) % 9_000),
  name: `User number ${i} of the bench`,
  email: `user${i}@example.org`,
  active: i % 3 === 0,
  score: i * 13,
}));
const values = objects.map((object) => encodeValue(object));

interface Op {
  readonly map: string;
  readonly key: string;
  readonly type: string;
  readonly ms: number;
  readonly counter: number;
  readonly replica: string;
  readonly value: unknown;
}

const opsWith = (pick: (i: number) => unknown): Op[] =>
  objects.map(({ id }, i) => ({
    map: 'users',
    key: `user:${id}`,
    type: 'set',
    ms: 1_760_000_000_000 + (i >> 3),
    counter: i & 7,
    replica: REPLICA,
    value: pick(i),
  }));
const opaque = opsWith((i) => values[i]);
const plain = opsWith((i) => objects[i]);

/** What the client does to send: it holds operations of its own shape, and fills a batch with them. */
function fill(): EntryBatch {
  const batch = new EntryBatch();
  for (const { map, key, ms, counter, replica, value } of opaque) {
    batch.add(map, key, Tag.LWW_SET, ms, counter, replica, 0, value as Uint8Array);
  }
  return batch;
}

/** What the server does with each: it looks at every row. */
function touch(batch: EntryBatch): number {
  let sum = 0;
  for (let i = 0; i < batch.count; i++) sum += (batch.keys[i] as string).length + (batch.ends[i] as number);
  return sum;
}

const packr = new Packr({ useRecords: false });
const message = (ops: EntryBatch) => ({ type: 'OP_BATCH', batchId: 1, routed: true, mapVersion: 1, ops }) as const;
const batch = fill();
const columns = encodeEntries(batch);
const frame = encodeMessage(message(batch));
const packedOpaque = new Uint8Array(packr.pack(opaque));
const packedPlain = new Uint8Array(packr.pack(plain));
const json = JSON.stringify(plain);

interface Candidate {
  readonly name: string;
  readonly bytes: number;
  readonly encode: () => unknown;
  readonly decode: () => unknown;
}

const candidates: readonly Candidate[] = [
  {
    name: 'columns',
    bytes: columns.length,
    encode: () => encodeEntries(fill()),
    decode: () => touch(decodeEntries(columns)),
  },
  {
    name: 'columns, whole message',
    bytes: frame.length,
    encode: () => encodeMessage(message(fill())),
    decode: () => {
      const read = decodeClientMessage(frame, opsPerFrame);
      return read.type === 'OP_BATCH' ? touch(read.ops) : 0;
    },
  },
  {
    name: 'msgpackr, opaque values',
    bytes: packedOpaque.length,
    encode: () => packr.pack(opaque),
    decode: () => packr.unpack(packedOpaque),
  },
  {
    name: 'msgpackr, plain values',
    bytes: packedPlain.length,
    encode: () => packr.pack(plain),
    decode: () => packr.unpack(packedPlain),
  },
  {
    name: 'JSON',
    bytes: Buffer.byteLength(json),
    encode: () => Buffer.from(JSON.stringify(plain)),
    decode: () => JSON.parse(Buffer.from(json).toString()),
  },
];

let sink: unknown;

/** Nanoseconds of processor time an operation, over `times` frames. */
function time(run: () => unknown, times: number): number {
  const start = process.cpuUsage();
  for (let i = 0; i < times; i++) sink = run();
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1_000) / times / opsPerFrame;
}

function calibrate(run: () => unknown): number {
  time(run, 2_000);
  return Math.max(20, Math.round((ROUND_MS * 1e6) / (time(run, 500) * opsPerFrame)));
}

function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

const runs = candidates.map((candidate) => ({
  candidate,
  encodes: calibrate(candidate.encode),
  decodes: calibrate(candidate.decode),
  encode: [] as number[],
  decode: [] as number[],
}));
for (let round = 0; round < rounds; round++) {
  for (const run of runs) {
    run.encode.push(time(run.candidate.encode, run.encodes));
    run.decode.push(time(run.candidate.decode, run.decodes));
  }
}

const totalOf = (run: (typeof runs)[number]): number => median(run.encode) + median(run.decode);
const own = runs[0] === undefined ? 0 : totalOf(runs[0]);
console.log(`A frame of ${opsPerFrame} operations, ns an operation (median of ${rounds} interleaved rounds)`);
for (const run of runs) {
  const cells = [
    `encode ${median(run.encode).toFixed(0)}`,
    `decode ${median(run.decode).toFixed(0)}`,
    `both ${totalOf(run).toFixed(0)}`,
    `${(run.candidate.bytes / opsPerFrame).toFixed(1)} B`,
    `columns take ${(own / totalOf(run)).toFixed(2)} of it`,
  ];
  console.log(`  ${run.candidate.name.padEnd(26)}${cells.map((cell) => cell.padEnd(14)).join('')}`);
}
if (sink === candidates) console.log('unreachable: keeps the results alive');
