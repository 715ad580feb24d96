/** The other side of runForK6: runs a bundle once for each VU, all at the same time, and prints a report. */
import { readFile } from 'node:fs/promises';
import { VuRealm } from './VuRealm.js';

export interface K6Run {
  readonly bundle: string;
  readonly vus: number;
  /** `__ENV` of the script. */
  readonly env: Readonly<Record<string, string>>;
}

const { bundle, vus, env } = JSON.parse(process.argv[2] ?? '{}') as K6Run;
const source = await readFile(bundle, 'utf8');
const reports = await Promise.all(
  Array.from({ length: vus }, (_, index) => new VuRealm(index + 1, env).run(source, bundle)),
);
process.stdout.write(JSON.stringify(reports));
