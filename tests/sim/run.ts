/**
 * `npm run sim -- [--nodes 1|cluster|all] [--seeds N] [--from S] [--seed S [--trace]]`: runs seeds and tells which broke a
 * promise. There is one stream of seeds for a single node and one for clusters; `--seeds` is for each of them. The last
 * line is "N passed, N failed".
 */
import { parseArgs } from 'node:util';
import type { Outcome } from './play.js';
import { simulate } from './simulate.js';
import { simulateCluster } from './simulateCluster.js';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: 'all' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

interface Stream {
  readonly name: string;
  /** Seeds of a run that asks for no number. */
  readonly seeds: number;
  readonly run: (seed: number, options: { trace?: (line: string) => void }) => Promise<Outcome>;
}

const STREAMS: readonly Stream[] = [
  { name: '1', seeds: 120, run: simulate },
  { name: 'cluster', seeds: 50, run: simulateCluster },
];
const streams = STREAMS.filter(({ name }) => values.nodes === 'all' || values.nodes === name);
if (streams.length === 0) throw new Error(`--nodes is 1, cluster or all, not ${values.nodes}`);

const total = { passed: 0, failed: 0 };
for (const stream of streams) await runSeeds(stream);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;

async function runSeeds({ name, seeds, run }: Stream): Promise<void> {
  const from = Number(values.seed ?? values.from);
  const count = values.seed === undefined ? Number(values.seeds ?? seeds) : 1;
  const trace = values.trace ? { trace: (line: string) => console.log(line) } : {};
  const startedAt = Date.now();
  const faults = new Map<string, number>();
  const sums = { failed: 0, events: 0, writes: 0 };
  for (let done = 0; done < count; done++) {
    const { seed, violations, ...outcome } = await run(from + done, trace);
    sums.events += outcome.events;
    sums.writes += outcome.writes;
    for (const [fault, times] of outcome.faults) faults.set(fault, (faults.get(fault) ?? 0) + times);
    if (violations.length > 0) {
      sums.failed++;
      console.log(`seed ${seed} of --nodes ${name} broke a promise:`);
      for (const { promise, what } of violations.slice(0, 4)) console.log(`  [${promise}] ${what}`);
    }
    tellProgress(done + 1, count, sums.failed, startedAt);
  }
  const seconds = (Date.now() - startedAt) / 1000;
  const told = [...faults].sort(([a], [b]) => (a < b ? -1 : 1)).map(([fault, times]) => `${fault} ${times}`);
  console.log(`--nodes ${name}: ${count} seeds, ${(count / seconds).toFixed(1)} seeds/s`);
  console.log(`  ${sums.writes} writes, ${sums.events} events; faults: ${told.join(', ')}`);
  total.passed += count - sums.failed;
  total.failed += sums.failed;
}

function tellProgress(done: number, count: number, failed: number, startedAt: number): void {
  const isTerminal = process.stderr.isTTY;
  if (!isTerminal && done % 500 !== 0) return;
  const rate = (done * 1000) / (Date.now() - startedAt);
  const end = isTerminal && done < count ? '' : '\n';
  process.stderr.write(
    `${isTerminal ? '\r' : ''}${done}/${count} seeds, ${failed} failed, ${rate.toFixed(1)} seeds/s${end}`,
  );
}
