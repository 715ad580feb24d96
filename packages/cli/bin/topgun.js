#!/usr/bin/env node
import { existsSync } from 'node:fs';

if (existsSync(new URL('../dist/main.js', import.meta.url))) await import('../dist/main.js');
else {
  // A clone of the repository; a published package has it.
  console.error('topgun: this clone is not built yet; build it with: npm run build');
  process.exitCode = 1;
}
