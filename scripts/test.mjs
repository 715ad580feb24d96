/**
 * `npm test`: build, checks, a nats-server, every Vitest test, the simulation's seeds. Ends with the line "N passed, N
 * failed", where a step that broke without naming a test counts as one failure. Succeeds only if something ran and nothing
 * failed.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { resolve as absolute, delimiter, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

process.env.PATH = [absolute('node_modules/.bin'), process.env.PATH].join(delimiter);

const REPORT = 'node_modules/.cache/vitest/report.json';
const SIMULATION = 'tests/sim/run.ts';

const NOTHING = { passed: 0, failed: 0, skipped: 0 };
const total = { ...NOTHING };

if (await step('build', 'tsc', ['-b'])) {
  await step('check', 'npm', ['run', '--silent', 'check']);
  await provideNatsServer();
  await runVitest('tests', ['--exclude', 'tests/nemesis/**']);
  // One at a time: they hold processes to their times, and should have the machine to themselves.
  await runVitest('faults', ['--no-file-parallelism', 'tests/nemesis']);
  if (existsSync(SIMULATION)) await runSimulation();
} else {
  console.error('The build failed, so nothing was tested.');
}

const { passed, failed, skipped } = total;
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);

/** Runs a step that counts only when it breaks. */
async function step(name, command, args) {
  const { code } = await run(name, command, args);
  if (code !== 0) total.failed += 1;
  return code === 0;
}

/** Fetched once, before the tests: those that need one fail without it, and this step says why. */
async function provideNatsServer() {
  const { code, output } = await run('nats-server', 'tsx', ['scripts/nats/main.ts']);
  if (code === 0) process.env.TOPGUN_NATS_SERVER = output.trim();
  else total.failed += 1;
}

async function runVitest(name, selection) {
  rmSync(REPORT, { force: true });
  mkdirSync(dirname(REPORT), { recursive: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`];
  const { code } = await run(name, 'vitest', ['run', ...selection, ...reporters]);
  const counts = existsSync(REPORT) ? countTests(JSON.parse(readFileSync(REPORT, 'utf8'))) : NOTHING;
  add(counts, code);
}

/** A file that could not be loaded holds no failed test, and counts as one. */
function countTests({ numPassedTests, numPendingTests, numTodoTests, numFailedTests, testResults }) {
  const broken = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  );
  return {
    passed: numPassedTests,
    failed: numFailedTests + broken.length,
    skipped: numPendingTests + numTodoTests,
  };
}

/** The simulation closes with the same kind of line: a seed that held its promises is a pass. */
async function runSimulation() {
  const { code, output } = await run('simulation', 'npm', ['run', '--silent', 'sim']);
  const closing = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1);
  add(closing ? { passed: Number(closing[1]), failed: Number(closing[2]), skipped: 0 } : NOTHING, code);
}

function add(counts, code) {
  total.passed += counts.passed;
  total.skipped += counts.skipped;
  total.failed += counts.failed === 0 && code !== 0 ? 1 : counts.failed;
}

/** Runs a command of node_modules/.bin or the PATH, showing its output while keeping it. */
function run(name, command, args) {
  console.log(`\n> ${name}: ${command} ${args.join(' ')}`);
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const chunks = [];
    child.stdout.on('data', (chunk) => {
      chunks.push(chunk);
      process.stdout.write(chunk);
    });
    child.on('error', (error) => {
      console.error(error.message);
      resolve({ code: 1, output: '' });
    });
    child.on('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}
