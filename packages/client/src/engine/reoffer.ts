import {
  compareTimestamps,
  decodeCounterState,
  decodeOrState,
  encodeStamps,
  encodeTotals,
  Tag,
  type Timestamp,
} from '@topgunbuild/core';
import type { ReplicaMap } from '../replica/ReplicaMap.js';

/** An operation of this client that a server may have lost. */
export interface OfferedOp {
  readonly key: string;
  readonly tag: Tag;
  readonly stamp: Timestamp;
  readonly expires: number;
  readonly value: Uint8Array;
}

/**
 * The operations of this client (its replica ids begin with `prefix`) that are part of what `map` holds, under their own
 * timestamps. A server that was restored from a backup, or created anew, gets them again; one that has them answers
 * without any change.
 */
export function operationsOf(map: ReplicaMap, prefix: string): OfferedOp[] {
  const ops: OfferedOp[] = [];
  const { table } = map;
  for (const slot of table.slots()) {
    const key = table.key(slot);
    switch (table.tag(slot)) {
      case Tag.LWW_SET:
      case Tag.LWW_REMOVE: {
        const stamp = { ms: table.ms(slot), counter: table.counter(slot), replica: table.replica(slot) };
        if (!stamp.replica.startsWith(prefix)) break;
        ops.push({ key, tag: table.tag(slot), stamp, expires: table.expires(slot), value: table.bytes(slot).slice() });
        break;
      }
      case Tag.OR_STATE: {
        const state = decodeOrState(table.bytes(slot).slice());
        for (const { stamp, value } of state.elements) {
          if (stamp.replica.startsWith(prefix)) ops.push({ key, tag: Tag.OR_ADD, stamp, expires: 0, value });
        }
        const removed = state.removed.filter((stamp) => stamp.replica.startsWith(prefix)).sort(compareTimestamps);
        const last = removed.at(-1);
        if (last !== undefined) {
          ops.push({ key, tag: Tag.OR_REMOVE, stamp: last, expires: 0, value: encodeStamps(removed) });
        }
        break;
      }
      case Tag.COUNTER_STATE: {
        const record = { ms: table.ms(slot), counter: table.counter(slot) };
        for (const own of decodeCounterState(table.bytes(slot))) {
          if (!own.replica.startsWith(prefix)) continue;
          const value = encodeTotals(own.added, own.removed);
          ops.push({ key, tag: Tag.COUNTER_ADD, stamp: { ...record, replica: own.replica }, expires: 0, value });
        }
        break;
      }
    }
  }
  return ops;
}
