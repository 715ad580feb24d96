import type { RoutingMetrics } from '@topgunbuild/client';
import type { Tally } from './Tally.js';

/** What `topgun bench --json` prints. */
export interface BenchReport {
  readonly ackedOpsPerSecond: number;
  readonly issued: number;
  readonly acked: number;
  readonly rejected: number;
  /** From the write to its ack; null without acks. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** From the first write to the last answer. */
  readonly durationMs: number;
  readonly clients: number;
  /** How often which error came. */
  readonly errors: Readonly<Record<string, number>>;
  /** Of all clients together; null: one server, nothing to route. */
  readonly routing: RoutingMetrics | null;
}

export function benchReport(
  tally: Tally,
  clients: number,
  durationMs: number,
  routing: RoutingMetrics | null,
): BenchReport {
  return {
    ackedOpsPerSecond: durationMs > 0 ? Math.round((tally.acked * 1000) / durationMs) : 0,
    issued: tally.issued,
    acked: tally.acked,
    rejected: tally.rejected,
    p50Ms: rounded(tally.latencies.quantile(0.5)),
    p99Ms: rounded(tally.latencies.quantile(0.99)),
    durationMs: Math.round(durationMs),
    clients,
    errors: Object.fromEntries(tally.errors),
    routing,
  };
}

export function benchText(report: BenchReport): string {
  const errors = Object.entries(report.errors).map(([code, count]) => `${code} ${count}`);
  const unanswered = report.issued - report.acked - report.rejected;
  return [
    `acked      ${report.ackedOpsPerSecond.toLocaleString('en')} ops/s from ${report.clients} clients in ${(report.durationMs / 1000).toFixed(1)} s`,
    `latency    p50 ${show(report.p50Ms)}, p99 ${show(report.p99Ms)} from write to ack`,
    `operations ${report.issued} issued, ${report.acked} acked, ${report.rejected} rejected, ${unanswered} unanswered`,
    `errors     ${errors.length === 0 ? 'none' : errors.join(', ')}`,
    ...(report.routing === null ? [] : [routingText(report.routing)]),
  ].join('\n');
}

function routingText({ directRoutes, totalRoutes, fallbackRoutes, notOwnerRetries }: RoutingMetrics): string {
  const share = totalRoutes === 0 ? 0 : (directRoutes / totalRoutes) * 100;
  return `routing    ${share.toFixed(2)} % direct, ${fallbackRoutes} forwarded, ${notOwnerRetries} sent again for another owner`;
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Number(ms.toPrecision(3));
}

function show(ms: number | null): string {
  return ms === null ? '-' : `${ms} ms`;
}
