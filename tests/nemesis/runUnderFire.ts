import { join } from 'node:path';
import { type Runtime, systemRuntime } from '@topgunbuild/core';
import { ROOT } from '../e2e/support/Child.js';
import { openClient } from '../e2e/support/openClient.js';
import { checkHistory } from './checkHistory.js';
import { History } from './History.js';
import { COUNTERS, MAP, Writer } from './Writer.js';

/** What is attacked. */
export interface SystemUnderFire {
  /** Where the writers connect to, one each. */
  readonly urls: readonly string[];
  /** All faults are over and all writes answered: what is read afterwards should come from where it lasts. */
  beforeReading(): Promise<void>;
}

/** Clients wait long for a node that dies again and again; here they draw short waits, so that it dies under load. */
const EAGER: Runtime = { ...systemRuntime(), random: () => Math.random() / 50 };

export interface Outcome {
  readonly problems: readonly string[];
  readonly history: History;
}

/** Runs writers while `faults` does its worst to the system, lets all become quiet, reads everything and checks. */
export async function runUnderFire(
  name: string,
  system: SystemUnderFire,
  faults: (history: History) => Promise<void>,
): Promise<Outcome> {
  const history = new History();
  const clients = await Promise.all(system.urls.map((url) => openClient({ url, runtime: EAGER })));
  const writers = clients.map((client, index) => new Writer(client, `w${index}`, history));
  for (const writer of writers) writer.start();
  await faults(history);
  for (const client of clients) await client.ready({ timeoutMs: 30_000 });
  await Promise.all(writers.map((writer) => writer.finish()));

  await system.beforeReading();
  // New clients, that know nothing but what they are sent.
  const readers = await Promise.all([...new Set(system.urls)].map((url) => openClient({ url, runtime: EAGER })));
  for (const [index, client] of [...readers, ...clients].entries()) {
    await client.ready({ timeoutMs: 30_000 });
    const map = client.getMap<number>(MAP);
    const hits = client.getCounter(COUNTERS, 'hits');
    await Promise.all([map.synced({ timeoutMs: 30_000 }), hits.synced({ timeoutMs: 30_000 })]);
    const who = index < readers.length ? `new client ${index}` : `writer ${index - readers.length}`;
    for (const key of writers.flatMap((writer) => writer.keys)) history.read(who, 'set', key, map.get(key) ?? null);
    history.read(who, 'increment', 'hits', hits.value);
  }
  const problems = checkHistory(history.events);
  if (problems.length > 0) history.save(join(ROOT, `node_modules/.cache/nemesis/${name}.jsonl`));
  return { problems, history };
}

/** Waits until this many more operations were acked, so that a fault strikes under load. */
export async function moreAcks(history: History, count: number): Promise<void> {
  const wanted = history.count('ack') + count;
  while (history.count('ack') < wanted) await new Promise((resolve) => setTimeout(resolve, 10));
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
