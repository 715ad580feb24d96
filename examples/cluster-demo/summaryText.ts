import type { Summary } from './Demo.js';
import { count, ms, type Paint, pad, seconds } from './paint.js';

/** What is left on the terminal. */
export function summaryText(summary: Summary, paint: Paint): string {
  const { acked, lost, rejected, unanswered, readBack, routes } = summary;
  const { direct, fallback, notOwner } = routes;
  const isGood = lost === 0 && rejected === 0 && unanswered === 0;
  const total = Math.max(1, direct + fallback);
  const row = (label: string, text: string): string => `  ${paint.dim(pad(label, 22))}${text}`;
  const verdict = isGood ? paint.green('✔') : paint.red('✖');
  const problems = [
    ...(rejected === 0 ? [] : [`rejected: ${count(rejected)}`]),
    ...(unanswered === 0 ? [] : [`unanswered: ${count(unanswered)}`]),
  ];
  return [
    '',
    `${verdict} ${paint.bold(['', `ops acked: ${count(acked)}`, `lost: ${count(lost)}`, `longest gap: ${ms(summary.longestGapMs)}`, ...problems].slice(1).join('   '))}`,
    '',
    row('read back', `${count(readBack)} orders by a client that had seen nothing before`),
    row(
      'gap, dead node’s keys',
      `${ms(summary.longestGapMs)} from kill -9 to the next ack of a write to one of its keys`,
    ),
    row('gap, all other keys', `${ms(summary.longestOtherMs)} at most`),
    row('write to durable ack', `p50 ${ms(summary.p50Ms)}, p99 ${ms(summary.p99Ms)}, slowest ${ms(summary.slowestMs)}`),
    row(
      'routes',
      `${((direct / total) * 100).toFixed(2)} % straight to the owner, ${count(fallback)} by another node, ${count(notOwner)} sent again`,
    ),
    row(
      'rebalanced',
      `${seconds(summary.rebalancedMs)} after the dead node was started again; map v${summary.mapVersion}`,
    ),
    '',
    `  ${paint.dim('The application called set() all the time, and knows of no node.')}`,
    `  ${paint.dim('Your own cluster: npx topgun cluster      A client of it:')} new TopGunClient({ cluster: { seeds: [...] } })`,
    '',
  ].join('\n');
}
