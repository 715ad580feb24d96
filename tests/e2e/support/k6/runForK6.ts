import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { Child } from '../Child.js';
import type { K6Run } from './k6Host.js';
import type { VuReport } from './VuRealm.js';

const HOST = fileURLToPath(new URL('./k6Host.ts', import.meta.url));

/** Runs a bundle in what k6 offers, in a process of its own. */
export async function runForK6(run: K6Run): Promise<readonly VuReport[]> {
  const child = new Child(['--import', 'tsx', HOST, JSON.stringify(run)]);
  onTestFinished(async () => void (await child.kill()));
  const { code } = await child.exited;
  if (code !== 0) throw new Error(`the host ended with ${code}:\n${child.stderr}`);
  return JSON.parse(child.stdout) as VuReport[];
}
