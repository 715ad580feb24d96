/**
 * The data plane alone, without sockets: ops per second through `write` over a log in memory, and what live queries cost
 * on top. Run: `npm run build && npx tsx bench/shard.ts [--seconds 2] [--rounds 3]`
 */
import { DEFAULT_LIMITS, EntryBatch, encodeValue, type Query, systemRuntime, Tag } from '@topgunbuild/core';
import { MemoryBackbone } from '../packages/server/src/backbone/MemoryBackbone.js';
import { LocalDataPlane } from '../packages/server/src/shard/LocalDataPlane.js';

const SHARDS = 32;
const KEYS = 100_000;
/** Batches under way at a time, as many sessions would have them. */
const IN_FLIGHT = 500;

const option = (name: string, fallback: number): number =>
  Number(process.argv[process.argv.indexOf(`--${name}`) + 1]) || fallback;
const seconds = option('seconds', 2);
const rounds = option('rounds', 3);

const VALUES = Array.from({ length: 64 }, (_, i) =>
  encodeValue({
    id: i,
    title: `a todo with a text of some length, number ${i}`,
    done: i % 2 === 0,
    owner: `u${i % 8}`,
  }),
);

interface Scenario {
  readonly name: string;
  readonly opsPerBatch: number;
  readonly queries: readonly Query[];
  readonly subscribersEach: number;
}

const SCENARIOS: readonly Scenario[] = [
  { name: '1 op a batch', opsPerBatch: 1, queries: [], subscribersEach: 0 },
  { name: '10 ops a batch', opsPerBatch: 10, queries: [], subscribersEach: 0 },
  { name: '100 ops a batch', opsPerBatch: 100, queries: [], subscribersEach: 0 },
  { name: '10 ops, 1 subscriber of all', opsPerBatch: 10, queries: [{}], subscribersEach: 1 },
  { name: '10 ops, 100 subscribers of all', opsPerBatch: 10, queries: [{}], subscribersEach: 100 },
  {
    name: '10 ops, 8 filters x 10 subscribers',
    opsPerBatch: 10,
    queries: Array.from({ length: 8 }, (_, i) => ({ where: { owner: `u${i}` } })),
    subscribersEach: 10,
  },
  {
    name: '10 ops, window of 100',
    opsPerBatch: 10,
    queries: [{ sort: { id: 'asc' }, limit: 100 }],
    subscribersEach: 10,
  },
];

/** Thousands of acked ops a second: of wall time, and of processor time, which other work on the machine does not touch. */
interface Rate {
  readonly wall: number;
  readonly cpu: number;
}

async function run({ opsPerBatch, queries, subscribersEach }: Scenario): Promise<Rate> {
  const backbone = new MemoryBackbone();
  const plane = new LocalDataPlane({ backbone, runtime: systemRuntime(), limits: DEFAULT_LIMITS, shardCount: SHARDS });
  await plane.open();
  const sink = { hasRoom: true, send: () => undefined };
  for (const query of queries) {
    for (let i = 0; i < subscribersEach; i++) {
      plane.subscribe(
        {
          queryId: 1,
          map: 'todos',
          query,
          logId: null,
          cursors: [],
          restriction: null,
          shards: null,
          onMoved: () => undefined,
        },
        sink,
      );
    }
  }
  let ms = 1_760_000_000_000;
  let next = 0;
  let acked = 0;
  let underWay = 0;
  const done = (): void => {
    acked += opsPerBatch;
    underWay--;
  };
  const started = performance.now();
  const cpu = process.cpuUsage();
  while (performance.now() - started < seconds * 1000) {
    while (underWay < IN_FLIGHT) {
      underWay++;
      const batch = new EntryBatch();
      ms++;
      for (let i = 0; i < opsPerBatch; i++, next++) {
        const key = `todo-${(next * 7919) % KEYS}`;
        batch.add('todos', key, Tag.LWW_SET, ms, i, 'client-a.00000000.11111111111', 0, VALUES[next & 63]);
      }
      plane.write(batch, null, done);
    }
    await new Promise((resolve) => setImmediate(resolve));
    if (underWay === 0)
      for (const shard of Array(SHARDS).keys()) await backbone.log.trim(shard, Number.MAX_SAFE_INTEGER);
  }
  const { user, system } = process.cpuUsage(cpu);
  const result = { wall: acked / (performance.now() - started), cpu: acked / ((user + system) / 1000) };
  await plane.close();
  return result;
}

const median = (values: readonly number[]): string =>
  String(Math.round([...values].sort((a, b) => a - b)[values.length >> 1] ?? 0)).padStart(5);

for (const scenario of SCENARIOS) {
  const results: Rate[] = [];
  for (let round = 0; round < rounds; round++) results.push(await run(scenario));
  const wall = median(results.map((rate) => rate.wall));
  const cpu = median(results.map((rate) => rate.cpu));
  console.log(`${scenario.name.padEnd(40)} ${wall} k ops/s, ${cpu} k ops per second of processor time`);
}
