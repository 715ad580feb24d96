import { Tag } from '@topgunbuild/core';
import type { History } from '../history/History.js';
import { isAfter, stampId, told, type WireOp } from '../history/WireLog.js';
import type { FinalState } from './FinalState.js';

/**
 * Promises 1 and 5: every acked op is in the final state, or a later one on its key is; nothing is there that nobody
 * wrote; what was removed, and acked, is gone.
 */
export function checkDurability(history: History, state: FinalState, forgetsDeletions: boolean): void {
  const newest = new Map<string, WireOp>();
  for (const op of history.wire.ops.values()) {
    if (!op.acked) continue;
    if (op.tag === Tag.LWW_SET || op.tag === Tag.LWW_REMOVE) {
      const place = `${op.map}/${op.key}`;
      const other = newest.get(place);
      if (other === undefined || isAfter(op, other)) newest.set(place, op);
    } else if (op.tag === Tag.OR_ADD) checkAddition(history, state, op);
    else if (op.tag === Tag.OR_REMOVE) checkRemoval(history, state, op);
  }
  for (const op of newest.values()) checkNewest(history, state, op, forgetsDeletions);
  checkInvention(history, state);
}

function checkNewest(history: History, state: FinalState, op: WireOp, forgetsDeletions: boolean): void {
  const row = state.lww.get(op.map)?.get(op.key);
  if (row === undefined) {
    const isForgettable = forgetsDeletions && (op.tag === Tag.LWW_REMOVE || op.expires !== 0);
    // A deletion that was sent later, acked or not, may have been collected in its place.
    const removedLater = [...history.wire.ops.values()].some(
      (other) =>
        other.map === op.map &&
        other.key === op.key &&
        (other.tag === Tag.LWW_REMOVE || other.expires !== 0) &&
        isAfter(other, op),
    );
    if (!isForgettable && !(forgetsDeletions && removedLater)) history.violate('1', `acked and gone: ${told(op)}`);
    return;
  }
  if (isAfter(op, row)) {
    const promise = op.tag === Tag.LWW_REMOVE ? '5' : '1';
    history.violate(promise, `acked: ${told(op)}; but the node holds ${stampId(row.ms, row.counter, row.replica)}`);
  } else if (!isAfter(row, op) && (row.item?.id ?? null) !== op.valueId) {
    history.violate('1', `${told(op)} was acked, and the node has ${row.item?.id} under its name`);
  }
}

function checkAddition(history: History, state: FinalState, op: WireOp): void {
  const id = stampId(op.ms, op.counter, op.replica);
  if (state.or.get(op.key)?.elements.has(id) === true) return;
  for (const other of history.wire.ops.values()) if (other.key === op.key && other.removes.includes(id)) return;
  history.violate('1', `acked and gone: ${told(op)}`);
}

function checkRemoval(history: History, state: FinalState, op: WireOp): void {
  const elements = state.or.get(op.key)?.elements;
  for (const id of op.removes)
    if (elements?.has(id) === true) history.violate('5', `removed, acked and back: ${told(op)}`);
}

function checkInvention(history: History, state: FinalState): void {
  for (const [map, rows] of state.lww) {
    for (const [key, row] of rows) {
      const op = history.wire.ops.get(stampId(row.ms, row.counter, row.replica));
      if (op === undefined || op.map !== map || op.key !== key || op.valueId !== (row.item?.id ?? null)) {
        history.violate('1', `the node holds what nobody sent: ${map}/${key} = ${row.item?.id}`);
      }
    }
  }
  for (const [key, row] of state.or) {
    const ids = [...row.elements.values()];
    const twice = ids.find((id, index) => ids.indexOf(id) !== index);
    if (twice !== undefined) history.violate('identity', `tags/${key} holds ${twice} twice, which was added once`);
    for (const [stamp, id] of row.elements) {
      if (history.wire.ops.get(stamp)?.valueId !== id) history.violate('1', `nobody added ${id} to tags/${key}`);
    }
  }
}
