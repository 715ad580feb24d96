/**
 * `npm start [-- serve options]`: builds what is stale and runs one node with the embedded store in ./topgun-data.
 * Says what the compiler says, and how to talk
 * to the node, on stderr: stdout belongs to the node's ready line.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b'], {
  cwd: root,
  stdio: ['ignore', process.stderr, process.stderr],
});
if (build.status !== 0) process.exit(1);

const options = process.argv.slice(2);
const choosesStore = options.some((option) => /^--(data|memory|help)\b/.test(option));
process.argv.splice(
  2,
  options.length,
  'serve',
  '--hints',
  ...(choosesStore ? [] : ['--data', './topgun-data']),
  ...options,
);
// In this process, so that signals reach the node itself.
await import('../packages/cli/bin/topgun.js');
