/**
 * Measures TopGun beside others and writes `RESULTS.md`.
 * Run: `npm run bench -- [--only name[,name]] [--quick] [--rounds 3]`
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, release, tmpdir, type } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './benches/bundle.js';
import { capacity } from './benches/capacity.js';
import { cluster } from './benches/cluster.js';
import { clusterClients } from './benches/clusterClients.js';
import { codec } from './benches/codec.js';
import { failover } from './benches/failover.js';
import { local } from './benches/local.js';
import { memory } from './benches/memory.js';
import { observed } from './benches/observed.js';
import { propagation } from './benches/propagation.js';
import { startup } from './benches/startup.js';
import { sync } from './benches/sync.js';
import { wire } from './benches/wire.js';
import { writes } from './benches/writes.js';
import type { Bench, BenchContext } from './harness/Bench.js';
import { tableOf } from './harness/format.js';

const BENCHES: readonly Bench[] = [
  writes,
  capacity,
  cluster,
  clusterClients,
  failover,
  propagation,
  observed,
  local,
  sync,
  memory,
  startup,
  wire,
  codec,
  bundle,
];
const RESULTS = new URL('RESULTS.md', import.meta.url);

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
  },
});
const names = options.only?.split(',') ?? BENCHES.map(({ name }) => name);
const unknown = names.filter((name) => !BENCHES.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(`No bench is called ${unknown.join(', ')}. There are: ${BENCHES.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const directories: string[] = [];
const context: BenchContext = {
  rounds: Number(options.rounds ?? (options.quick ? 1 : 3)),
  scale: (full) => (options.quick ? Math.max(1, Math.ceil(full / 10)) : full),
  async directory() {
    const path = await mkdtemp(join(tmpdir(), 'topgun-bench-'));
    directories.push(path);
    return path;
  },
};

const sections: string[] = [];
const loadBefore = loadavg()[0] ?? 0;
try {
  for (const bench of BENCHES) {
    if (!names.includes(bench.name)) continue;
    const rows = await bench.run(context);
    const table = tableOf(rows);
    console.log(`\n${bench.name}\n${table}`);
    sections.push(`## ${bench.name}\n\n${bench.about}\n\n${table}\n`);
  }
} finally {
  for (const path of directories) await rm(path, { recursive: true, force: true });
}
// Only a whole run is worth keeping: figures of different days do not belong into one file.
if (options.only === undefined && !options.quick)
  await writeFile(RESULTS, `${await headline()}\n${sections.join('\n')}`);

async function headline(): Promise<string> {
  const lock = JSON.parse(await readFile(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly version?: string }>>;
  };
  const versions = ['ws', 'lmdb', 'yjs', 'y-websocket', 'msgpackr', 'ioredis']
    .map((name) => `${name} ${lock.packages[`node_modules/${name}`]?.version ?? '?'}`)
    .join(', ');
  const [cpu] = cpus();
  return [
    '# Results',
    '',
    'Written by `npm run bench`. Ratios count: candidates were measured side by side and took turns, medians of',
    `${context.rounds} rounds. Absolute figures are those of one small machine on one day.`,
    '',
    `- date: ${new Date().toISOString().slice(0, 10)}`,
    `- machine: ${cpus().length} x ${cpu?.model.trim() ?? 'unknown'}, ${type()} ${release()}, Node ${process.version}`,
    `- versions: ${versions}`,
    `- others at work: a load of ${loadBefore.toFixed(1)} before the run began, which should be near 0`,
    '',
  ].join('\n');
}
