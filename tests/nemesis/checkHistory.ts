import type { HistoryEvent } from './History.js';

type Invoke = Extract<HistoryEvent, { readonly type: 'invoke' }>;

/**
 * What in a history breaks a promise, one sentence each. It knows nothing of TopGun: an acked write is there or was
 * followed by a later one on its key, what is there was written and not refused, every write was answered, counters are
 * the sum of their acked increments, and all readers saw the same.
 */
export function checkHistory(events: readonly HistoryEvent[]): string[] {
  const ops = new Map<number, Invoke>();
  const outcomes = new Map<number, 'ack' | 'reject'>();
  const problems: string[] = [];
  for (const event of events) {
    if (event.type === 'invoke') ops.set(event.op, event);
    if (event.type !== 'ack' && event.type !== 'reject') continue;
    if (!ops.has(event.op)) problems.push(`op ${event.op} was answered but never invoked`);
    if (outcomes.has(event.op)) problems.push(`op ${event.op} was answered twice`);
    outcomes.set(event.op, event.type);
  }
  for (const [op, { kind, key, value }] of ops) {
    if (!outcomes.has(op)) problems.push(`op ${op} (${kind} ${key} ${value}) was never answered`);
  }
  return [...problems, ...checkReads(events, expectations(ops, outcomes))];
}

interface Expectation {
  readonly kind: 'set' | 'increment';
  /** Values of writes that may be in effect. */
  readonly possible: Set<number>;
  /** The largest acked value of a register, or the acked sum of a counter. */
  acked: number | null;
}

function expectations(
  ops: ReadonlyMap<number, Invoke>,
  outcomes: ReadonlyMap<number, string>,
): Map<string, Expectation> {
  const expected = new Map<string, Expectation>();
  for (const [op, { kind, key, value }] of ops) {
    const name = `${kind} ${key}`;
    const entry = expected.get(name) ?? { kind, possible: new Set<number>(), acked: null };
    expected.set(name, entry);
    if (outcomes.get(op) !== 'reject') entry.possible.add(value);
    if (outcomes.get(op) !== 'ack') continue;
    entry.acked = kind === 'set' ? Math.max(entry.acked ?? value, value) : (entry.acked ?? 0) + value;
  }
  return expected;
}

function checkReads(events: readonly HistoryEvent[], expected: ReadonlyMap<string, Expectation>): string[] {
  const problems: string[] = [];
  const readers = new Map<string, Set<string>>();
  for (const event of events) {
    if (event.type !== 'read') continue;
    const { reader, kind, key, value } = event;
    const name = `${kind} ${key}`;
    readers.set(reader, (readers.get(reader) ?? new Set()).add(name));
    const entry = expected.get(name);
    const problem = entry === undefined ? `was never written` : judge(entry, value);
    if (problem !== null && !(entry === undefined && value === null))
      problems.push(`${reader} read ${name} = ${value}: ${problem}`);
  }
  if (readers.size === 0) problems.push('nobody read anything');
  for (const [reader, names] of readers) {
    for (const name of expected.keys()) if (!names.has(name)) problems.push(`${reader} did not read ${name}`);
  }
  return problems;
}

/** Every write has an answer when this matters, so a counter has exactly one right value. */
function judge({ kind, possible, acked }: Expectation, value: number | null): string | null {
  if (kind === 'increment') return (value ?? 0) === (acked ?? 0) ? null : `acked increments sum up to ${acked ?? 0}`;
  if (value === null) return acked === null ? null : `${acked} was acked and is lost`;
  if (!possible.has(value)) return 'that was never written, or was refused';
  return acked !== null && value < acked ? `${acked} was acked later and is lost` : null;
}
