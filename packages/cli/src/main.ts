import { readFileSync } from 'node:fs';
import { program } from './program.js';
import { run } from './run.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

// Whoever read our output may be gone; that is no reason to end a node.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

process.exitCode = await run(program(version), process.argv.slice(2));
