/**
 * `npm run sim -- --seeds N [--from S] [--seed S [--trace]]`: runs seeds and tells which broke a promise. The last line
 * is "N passed, N failed".
 */
import { parseArgs } from 'node:util';
import { simulate } from './simulate.js';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const trace = values.trace ? { trace: (line: string) => console.log(line) } : {};
const startedAt = Date.now();
const faults = new Map<string, number>();
let failed = 0;
let events = 0;
let writes = 0;

for (let done = 0; done < count; done++) {
  const outcome = await simulate(from + done, trace);
  events += outcome.events;
  writes += outcome.writes;
  for (const [fault, times] of outcome.faults) faults.set(fault, (faults.get(fault) ?? 0) + times);
  if (outcome.violations.length > 0) {
    failed++;
    console.log(`seed ${outcome.seed} broke a promise:`);
    for (const { promise, what } of outcome.violations.slice(0, 4)) console.log(`  [${promise}] ${what}`);
  }
  if (process.stderr.isTTY || (done + 1) % 500 === 0) {
    const rate = ((done + 1) * 1000) / (Date.now() - startedAt);
    process.stderr.write(
      `${process.stderr.isTTY ? '\r' : ''}${done + 1}/${count} seeds, ${failed} failed, ${rate.toFixed(1)} seeds/s`,
    );
    if (!process.stderr.isTTY) process.stderr.write('\n');
  }
}
if (process.stderr.isTTY) process.stderr.write('\n');

const seconds = (Date.now() - startedAt) / 1000;
const told = [...faults].sort(([a], [b]) => (a < b ? -1 : 1)).map(([fault, times]) => `${fault} ${times}`);
console.log(`faults: ${told.join(', ')}`);
console.log(`${writes} writes, ${events} events, ${(count / seconds).toFixed(1)} seeds/s`);
console.log(`${count - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
