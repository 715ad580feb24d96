import { fileURLToPath } from 'node:url';
import { checkLayers } from './checkLayers.js';

const problems = checkLayers(fileURLToPath(new URL('../..', import.meta.url)));
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
