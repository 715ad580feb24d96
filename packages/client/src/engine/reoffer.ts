import {
  decodeCounterState,
  decodeOrState,
  EntryBatch,
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
 * The operations of this client (its replica ids begin with `prefix`) that are part of what servers have said of `map`,
 * under their own timestamps. A server that was restored from a backup, or created anew, gets them again; one that has
 * them answers without any change. What is pending is no part of it: it is sent anyway, perhaps under another timestamp.
 */
export function operationsOf(map: ReplicaMap, prefix: string): OfferedOp[] {
  const ops: OfferedOp[] = [];
  const record = new EntryBatch();
  for (const key of map.table.keys()) {
    record.clear();
    if (map.addBaseTo(record, key)) ops.push(...operationsIn(record, prefix));
  }
  return ops;
}

function operationsIn(record: EntryBatch, prefix: string): OfferedOp[] {
  const key = record.keys[0] as string;
  const tag = record.tags[0] as Tag;
  const expires = record.expires[0] as number;
  const stamp = {
    ms: record.ms[0] as number,
    counter: record.counters[0] as number,
    replica: record.replicas[0] as string,
  };
  const bytes = record.bytes(0).slice();
  switch (tag) {
    case Tag.LWW_SET:
    case Tag.LWW_REMOVE:
      return stamp.replica.startsWith(prefix) ? [{ key, tag, stamp, expires, value: bytes }] : [];
    case Tag.OR_STATE: {
      const { elements, removed } = decodeOrState(bytes);
      // Each removal on its own: were they one, it would have another content under its name the next time.
      return [
        ...elements
          .filter(({ stamp }) => stamp.replica.startsWith(prefix))
          .map(({ stamp, value }) => ({ key, tag: Tag.OR_ADD, stamp, expires: 0, value })),
        ...removed
          .filter(({ replica }) => replica.startsWith(prefix))
          .map((stamp) => ({ key, tag: Tag.OR_REMOVE, stamp, expires: 0, value: encodeStamps([stamp]) })),
      ];
    }
    case Tag.COUNTER_STATE:
      return decodeCounterState(bytes)
        .filter(({ replica }) => replica.startsWith(prefix))
        .map(({ replica, added, removed }) => {
          const value = encodeTotals(added, removed);
          return { key, tag: Tag.COUNTER_ADD, stamp: { ...stamp, replica }, expires: 0, value };
        });
    default:
      return [];
  }
}
