/**
 * The value codec beside msgpackr (`useRecords: false`) and JSON, on values as applications store them.
 * Rounds of the candidates alternate, so that a slow phase of the machine hits all alike; the medians count.
 * Run: `npm run build && npx tsx bench/codec-value.ts [--rounds 15]`
 */
import { ByteWriter, decodeValue, encodeValue, readField, validateValue, writeValue } from '@topgunbuild/core';
import { Packr } from 'msgpackr';

interface Candidate {
  readonly name: string;
  readonly run: (index: number) => unknown;
}

const VARIANTS = 64;
const ROUND_MS = 20;
const rounds = Number(process.argv[process.argv.indexOf('--rounds') + 1]) || 15;

const VALUES: Readonly<Record<string, (i: number) => unknown>> = {
  'todo, 5 fields': (i) => ({
    id: `todo-${100_000 + i * 37}`,
    title: `Buy ${i} litres of milk on the way home`,
    done: i % 3 === 0,
    priority: i % 5,
    owner: `user-${i % 7}`,
  }),
  'nested order': (i) => ({
    id: i * 7919,
    customer: { name: `Müller & Sons ${i}`, address: { city: 'Zürich', zip: '8001', lat: 47.37 + i / 1000 } },
    lines: Array.from({ length: 4 }, (_, n) => ({ sku: `SKU-${n}`, count: n + 1, price: n * 1.25 + 0.5 })),
    placed: 1_700_000_000_000 + i * 1000,
    note: null,
  }),
  'dictionary, 20 random keys': (i) =>
    Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`u${(i * 7919 + n * 104_729) % 999_983}`, n])),
  'list of 100 numbers': (i) => Array.from({ length: 100 }, (_, n) => (n % 3 === 0 ? n * 1.1 : n * i)),
  'short string': (i) => `value ${i}`,
  'text, 2 kB': (i) => 'The quick brown fox jumps over the lazy dog. '.repeat(44) + i,
  integer: (i) => i * 1013,
};

function measure(candidates: readonly Candidate[]): Map<string, number> {
  const samples = new Map<string, number[]>(candidates.map(({ name }) => [name, []]));
  const counts = new Map(candidates.map((candidate) => [candidate.name, calibrate(candidate)]));
  for (let round = 0; round < rounds; round++) {
    for (const candidate of candidates) {
      const count = counts.get(candidate.name) ?? 1;
      samples.get(candidate.name)?.push(time(candidate, count) / count);
    }
  }
  return new Map([...samples].map(([name, list]) => [name, median(list)]));
}

/** How many calls fill a round; warms the candidate up on the way. */
function calibrate(candidate: Candidate): number {
  time(candidate, 20_000);
  const probe = 2_000;
  return Math.max(100, Math.round((ROUND_MS * 1e6 * probe) / time(candidate, probe)));
}

let sink: unknown;

/** Nanoseconds of `count` calls. */
function time({ run }: Candidate, count: number): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) sink = run(i & (VARIANTS - 1));
  return Number(process.hrtime.bigint() - start);
}

function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

function table(title: string, rows: ReadonlyMap<string, ReadonlyMap<string, number>>): void {
  console.log(`\n${title}, ns per value (median of ${rounds} interleaved rounds)`);
  for (const [name, row] of rows) {
    const cells = [...row].map(([candidate, ns]) => `${candidate} ${ns.toFixed(0)}`);
    console.log(`  ${name.padEnd(36)}${cells.map((cell) => cell.padEnd(20)).join('')}`);
  }
}

const writer = new ByteWriter(4096);

/** What callers with a buffer of their own pay: msgpackr's `pack` does likewise, its result is a view of its buffer. */
function append(value: unknown): number {
  writer.reset();
  writeValue(writer, value);
  return writer.length;
}

const packr = new Packr({ useRecords: false });
const encoding = new Map<string, ReadonlyMap<string, number>>();
const decoding = new Map<string, ReadonlyMap<string, number>>();

for (const [name, make] of Object.entries(VALUES)) {
  const values = Array.from({ length: VARIANTS }, (_, i) => make(i));
  const bytes = values.map((value) => encodeValue(value));
  const packed = values.map((value) => new Uint8Array(packr.pack(value)));
  const texts = values.map((value) => JSON.stringify(value));
  encoding.set(
    `${name} (${bytes[1]?.length} B)`,
    measure([
      { name: 'topgun', run: (i) => encodeValue(values[i]) },
      { name: 'into a writer', run: (i) => append(values[i]) },
      { name: 'msgpackr', run: (i) => packr.pack(values[i]) },
      { name: 'JSON', run: (i) => JSON.stringify(values[i]) },
    ]),
  );
  decoding.set(
    name,
    measure([
      { name: 'topgun', run: (i) => decodeValue(bytes[i] as Uint8Array) },
      { name: 'msgpackr', run: (i) => packr.unpack(packed[i] as Uint8Array) },
      { name: 'JSON', run: (i) => JSON.parse(texts[i] as string) },
      { name: 'validate', run: (i) => validateValue(bytes[i] as Uint8Array) },
      { name: 'readField', run: (i) => readField(bytes[i] as Uint8Array, 0, bytes[i]?.length ?? 0, ['priority']) },
    ]),
  );
}

table('encode', encoding);
table('decode', decoding);
if (sink === VALUES) console.log('unreachable: keeps the results alive');
