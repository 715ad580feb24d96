import type { RoutingMetrics, TopGunClient } from '@topgunbuild/client';
import { type BenchReport, benchReport } from './BenchReport.js';
import { LoadClient, type LoadShape } from './LoadClient.js';
import { closeClients, openClients, type Target } from './openClients.js';
import { Progress } from './Progress.js';
import { Tally } from './Tally.js';

export interface BenchPlan extends Target, LoadShape {
  /** How long to write, in seconds. */
  readonly duration: number;
}

/** How long answers may take once nothing new is written. */
const DRAIN_MS = 10_000;

/** Loads a node as planned, or until SIGINT. @throws CliError when the node cannot be used */
export async function runBench(plan: BenchPlan): Promise<BenchReport> {
  const tally = new Tally();
  const clients = await openClients(plan, tally);
  const run = Date.now().toString(36);
  const loads = clients.map((client, index) => new LoadClient(client, `${run}-${index}`, plan, tally));
  const progress = new Progress(tally);
  const stop = new AbortController();
  let giveUp = (): void => undefined;
  const givenUp = new Promise<void>((resolve) => {
    giveUp = resolve;
  });
  const end = (): void => {
    stop.abort();
    setTimeout(giveUp, DRAIN_MS).unref();
  };
  const timer = setTimeout(end, plan.duration * 1000);
  process.once('SIGINT', end);
  const startedAt = performance.now();
  await Promise.race([givenUp, Promise.all(loads.map((load) => load.run(stop.signal)))]);
  const durationMs = performance.now() - startedAt;
  process.off('SIGINT', end);
  clearTimeout(timer);
  progress.close();
  const routing = plan.seeds === undefined ? null : routingOf(clients);
  await closeClients(clients);
  return benchReport(tally, clients.length, durationMs, routing);
}

function routingOf(clients: readonly TopGunClient[]): RoutingMetrics {
  const sum = { directRoutes: 0, fallbackRoutes: 0, partitionMisses: 0, notOwnerRetries: 0, totalRoutes: 0 };
  for (const client of clients) {
    const metrics = client.getRoutingMetrics();
    for (const name of Object.keys(sum) as (keyof RoutingMetrics)[]) sum[name] += metrics[name];
  }
  return sum;
}
