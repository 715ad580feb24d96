import { Tag } from '@topgunbuild/core';
import type { History, WriteRecord } from '../history/History.js';

/**
 * Promise 2: every write that was persisted, and every write of a process that lived on, was answered in the end; and
 * what was told to be acked, was.
 */
export function checkPending(history: History): void {
  const byPlace = new Map<string, WriteRecord[]>();
  for (const write of history.writes) {
    const place = `${write.client}/${write.map}/${write.key}`;
    const others = byPlace.get(place);
    if (others === undefined) byPlace.set(place, [write]);
    else others.push(write);
  }
  const ackedRemovals = new Set<string>();
  for (const op of history.wire.ops.values()) {
    if (op.acked && op.tag === Tag.LWW_REMOVE) ackedRemovals.add(`${op.map}/${op.key}`);
  }
  for (const [place, writes] of byPlace) {
    let laterAnswered = false;
    for (const write of writes.reverse()) {
      // A write that was never sent gives way to a later one on its key, and is answered with it.
      if (isAnswered(history, write, ackedRemovals))
        laterAnswered = write.action === 'set' || write.action === 'remove';
      else if (mustBeAnswered(write) && !(laterAnswered && (write.action === 'set' || write.action === 'remove'))) {
        history.violate('2', `never answered: ${write.action} ${write.id} on ${place}, life ${write.life}`);
      }
    }
  }
}

function mustBeAnswered(write: WriteRecord): boolean {
  if (write.action === 'count') return !write.orphaned;
  return write.persisted || !write.orphaned;
}

function isAnswered(history: History, write: WriteRecord, ackedRemovals: ReadonlySet<string>): boolean {
  if (write.acked || write.rejected !== null || history.rejectedIds.has(write.id)) {
    if (write.acked && history.restores === 0) checkAcked(history, write);
    return true;
  }
  switch (write.action) {
    case 'add':
      // Taken back before anybody was told of it.
      if (history.writes.some((other) => other.action === 'drop' && other.id === write.id)) return true;
      return (history.wire.byValue.get(write.id) ?? []).some((op) => op.acked || history.restores > 0);
    case 'set':
      // The ack of a run that went back to a backup was still an answer.
      return (history.wire.byValue.get(write.id) ?? []).some((op) => op.acked || history.restores > 0);
    case 'remove':
      return (
        ackedRemovals.has(`${write.map}/${write.key}`) ||
        history.refusedRemovals.has(`${write.client}/${write.map}/${write.key}`) ||
        history.restores > 0
      );
    default:
      return write.orphaned;
  }
}

/** An ack that the application saw must have been one of the node's. */
function checkAcked(history: History, write: WriteRecord): void {
  if (write.action !== 'set' && write.action !== 'add') return;
  const ops = history.wire.byValue.get(write.id);
  // Without an operation of its own it went with a later one.
  if (ops === undefined || ops.some((op) => op.acked)) return;
  history.violate('1', `${write.client} was told that ${write.id} is acked; the node never said so`);
}
