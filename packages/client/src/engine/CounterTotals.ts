import { decodeTotals, encodeTotals, TopGunError } from '@topgunbuild/core';
import type { PendingOp } from './PendingOp.js';

interface Totals {
  added: number;
  removed: number;
}

interface Slot {
  /** With every operation so far. */
  readonly current: Totals;
  /** With every operation that a server accepted. */
  readonly accepted: Totals;
}

/**
 * This client's totals in counters. A counter operation carries the new total of its replica's slot and so includes
 * every operation before it; what a server refuses must be taken out of those behind it.
 */
export class CounterTotals {
  readonly #slots = new Map<string, Slot>();

  /** Adds `delta`, negative to take away, and returns the payload that says so. @throws TopGunError INVALID_VALUE */
  add(replica: string, map: string, key: string, delta: number): Uint8Array {
    const { current } = this.#slot(replica, map, key);
    const added = current.added + Math.max(0, delta);
    const removed = current.removed + Math.max(0, -delta);
    if (!Number.isSafeInteger(added) || !Number.isSafeInteger(removed)) {
      throw new TopGunError('INVALID_VALUE', 'Counters count in whole numbers, up to 2^53 - 1 in each direction.');
    }
    current.added = added;
    current.removed = removed;
    return encodeTotals(added, removed);
  }

  clear(): void {
    this.#slots.clear();
  }

  /** Takes over an operation from storage, in order; `accepted` is what the stored record has of its slot. */
  restore(op: PendingOp, accepted: Totals): void {
    const slot = this.#slot(op.replica, op.map, op.key);
    Object.assign(slot.accepted, accepted);
    Object.assign(slot.current, decodeTotals(op.value));
  }

  accepted(op: PendingOp): void {
    Object.assign(this.#slot(op.replica, op.map, op.key).accepted, decodeTotals(op.value));
  }

  /**
   * Takes out what `op`, refused, added to the accepted total, and returns how to take it out of the payloads of
   * operations behind it.
   */
  rollBack(op: PendingOp): (payload: Uint8Array) => Uint8Array {
    const { current, accepted } = this.#slot(op.replica, op.map, op.key);
    const refused = decodeTotals(op.value);
    const added = refused.added - accepted.added;
    const removed = refused.removed - accepted.removed;
    current.added -= added;
    current.removed -= removed;
    return (payload) => {
      const totals = decodeTotals(payload);
      return encodeTotals(totals.added - added, totals.removed - removed);
    };
  }

  #slot(replica: string, map: string, key: string): Slot {
    const name = `${replica}\u0000${map}\u0000${key}`;
    let slot = this.#slots.get(name);
    if (slot === undefined) {
      slot = { current: { added: 0, removed: 0 }, accepted: { added: 0, removed: 0 } };
      this.#slots.set(name, slot);
    }
    return slot;
  }
}
