import { MAX_COUNTER, Tag } from '@topgunbuild/core';
import type { Replica } from '../replica/Replica.js';
import type { PendingOp } from './PendingOp.js';
import type { ReplicaClock } from './ServerClock.js';

/**
 * Gives operations that no server has seen, in the order in which they were made, timestamps of the server's time. They
 * were made `behindMs` later than the device thought, but not after `now`; each stays later than what it was made on (the
 * record, and operations of an earlier process that servers may have seen), and than the one before it.
 */
export function restamp(
  ops: readonly PendingOp[],
  behindMs: number,
  now: number,
  replica: Replica,
  clock: ReplicaClock,
): void {
  // A clock that is right enough needs no correction: timestamps are left as the application saw them.
  const shift = Math.abs(behindMs) < TOLERANCE_MS ? 0 : behindMs;
  let lastMs = -1;
  let lastCounter = 0;
  for (const op of ops) {
    let ms = Math.max(0, Math.floor(Math.min(op.ms + shift, now)));
    let counter = shift === 0 && ms === op.ms ? op.counter : 0;
    for (const below of whatIsBelow(op, replica)) {
      if (isNotAfter(ms, counter, below.ms, below.counter)) [ms, counter] = after(below.ms, below.counter);
    }
    if (isNotAfter(ms, counter, lastMs, lastCounter)) [ms, counter] = after(lastMs, lastCounter);
    if (op.expires !== 0) op.expires += ms - op.ms;
    op.ms = ms;
    op.counter = counter;
    // The slot of a counter is named by its replica and stays; everything else is now an operation of this replica.
    if (op.tag !== Tag.COUNTER_ADD) op.replica = clock.hlc.replica;
    op.trusted = true;
    op.revision++;
    lastMs = ms;
    lastCounter = counter;
  }
  if (lastMs >= 0) clock.observe(lastMs, lastCounter);
}

/** Gives an operation, whose timestamp a server has refused, the next one of the clock. */
export function stampAnew(op: PendingOp, replica: Replica, clock: ReplicaClock): void {
  const base = replica.map(op.map).baseStamp(op.key);
  if (base !== null) clock.observe(base.ms, base.counter);
  clock.advance(true);
  const { ms, counter } = clock.hlc;
  if (op.expires !== 0) op.expires += ms - op.ms;
  op.ms = ms;
  op.counter = counter;
  if (op.tag !== Tag.COUNTER_ADD) op.replica = clock.hlc.replica;
  op.revision++;
}

const TOLERANCE_MS = 500;

/** The timestamps of what an operation was made on: the record, and the older pending operations on its key. */
function* whatIsBelow(op: PendingOp, replica: Replica): Iterable<{ readonly ms: number; readonly counter: number }> {
  const base = replica.map(op.map).baseStamp(op.key);
  if (base !== null) yield base;
  for (let older = op.older; older !== null; older = older.older) yield older;
}

function isNotAfter(ms: number, counter: number, otherMs: number, otherCounter: number): boolean {
  return ms < otherMs || (ms === otherMs && counter <= otherCounter);
}

function after(ms: number, counter: number): [number, number] {
  return counter < MAX_COUNTER ? [ms, counter + 1] : [ms + 1, 0];
}
