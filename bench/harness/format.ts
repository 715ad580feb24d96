import type { Goal, Row } from './Bench.js';

type Unit = 'ops/s' | 'ms' | 'ns' | 'B' | 'kB' | '%';

export function format(value: number, unit: Unit): string {
  if (unit === 'ops/s') return value >= 10_000 ? `${(value / 1000).toFixed(0)} k/s` : `${value.toFixed(0)}/s`;
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${unit}`;
}

/** A row that compares `ours` with `theirs`, both in `unit`. */
export function compare(
  what: string,
  ours: number,
  beside: string,
  theirs: number,
  unit: Unit,
  goal: Goal | null = null,
): Row {
  const text = `${beside}: ${format(theirs, unit)}`;
  return { what, measured: format(ours, unit), beside: text, ratio: ours / theirs, goal };
}

export function isMet({ ratio, goal }: Row): boolean | null {
  if (ratio === null || goal === null) return null;
  return 'atLeast' in goal ? ratio >= goal.atLeast : ratio <= goal.atMost;
}

/** The rows as lines of a Markdown table. */
export function tableOf(rows: readonly Row[]): string {
  const head = ['| what | measured | beside it | ratio | goal | met? |', '| --- | --- | --- | --- | --- | --- |'];
  const lines = rows.map((row) => {
    const ratio = row.ratio === null ? '' : row.ratio.toPrecision(row.ratio >= 100 ? 3 : 2);
    const met = isMet(row);
    return `| ${[row.what, row.measured, row.beside, ratio, goalText(row.goal), met === null ? '' : met ? 'yes' : '**no**'].join(' | ')} |`;
  });
  return [...head, ...lines].join('\n');
}

function goalText(goal: Goal | null): string {
  if (goal === null) return '';
  return 'atLeast' in goal ? `>= ${goal.atLeast}` : `<= ${goal.atMost}`;
}
