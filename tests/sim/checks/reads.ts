import type { History, Sighting } from '../history/History.js';
import { isAfter, told, type WireOp } from '../history/WireLog.js';

/** Promises 5 and 6: no reader sees a key go back to an older value, nor a removed value come back. */
export function checkReads(history: History): void {
  const withTtl = new Set(history.writes.filter((write) => write.ttl).map((write) => write.id));
  const refusedDeadlines = new Set(
    history.writes
      .filter(({ id, ttl }) => ttl && history.rejectedIds.has(id))
      .map(({ client, map, key }) => `${client}/${map}/${key}`),
  );
  for (const [reader, sightings] of history.sightings)
    checkReader(history, reader, sightings, withTtl, refusedDeadlines);
}

function checkReader(
  history: History,
  reader: string,
  sightings: readonly Sighting[],
  withTtl: ReadonlySet<string>,
  refusedDeadlines: ReadonlySet<string>,
): void {
  let last: { readonly id: string; readonly op: WireOp } | null = null;
  let gone = false;
  /** Something of its own was shown since, and taken back: what was there before is there again. */
  let tookBack = false;
  for (const { at, id } of sightings) {
    if (id === null) {
      gone = true;
      continue;
    }
    // What was refused was shown and taken back, as it must be; what was never sent gave way to something later.
    const op = history.rejectedIds.has(id) ? undefined : history.wire.byValue.get(id)?.at(-1);
    if (op === undefined) {
      tookBack = true;
      continue;
    }
    const [, map, key] = reader.split('/');
    const [client] = reader.split('.');
    const place = `${client}/${map}/${key}`;
    const removalRefused = history.refusedRemovals.has(place);
    // A write whose deadline has come before it was refused hid what was there, and that is there again, as after any
    // refusal. After a restart it may never have been seen itself.
    const mayReturn = withTtl.has(id) || removalRefused || refusedDeadlines.has(place);
    if (last !== null && last.id !== id && !isAfter(op, last.op) && !removalRefused) {
      history.violate('6', `${reader} at ${at.toFixed(0)} went back from ${told(last.op)} to ${told(op)}`);
    }
    if (last !== null && last.id === id && gone && !tookBack && !mayReturn) {
      history.violate('5', `${reader} at ${at.toFixed(0)} sees ${told(op)} again after it was gone`);
    }
    last = { id, op };
    gone = false;
    tookBack = false;
  }
}
