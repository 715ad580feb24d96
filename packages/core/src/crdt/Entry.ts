/**
 * One row of TopGun's columnar format. The same row serves as an operation, as a row of a shard's log, as a record of a
 * stream and as a row of a snapshot: for LWW a record's state *is* its winning operation; OR sets and counters travel
 * as small operations and rest as states.
 */
export const Tag = {
  /** value = the encoded value */
  LWW_SET: 0,
  /** no value; a tombstone once merged */
  LWW_REMOVE: 1,
  /** value = the encoded element; the row's timestamp names the element */
  OR_ADD: 2,
  /** value = the timestamps of the removed elements, see `encodeStamps` */
  OR_REMOVE: 3,
  /** value = the new totals of the row's replica, see `encodeTotals` */
  COUNTER_ADD: 4,
  /** value = all elements and removed timestamps, see `OrState` */
  OR_STATE: 5,
  /** value = the totals of every replica, see `CounterState` */
  COUNTER_STATE: 6,
  /** Streams only: the row is no longer part of the query. Carries no timestamp. */
  LEFT: 7,
} as const;

export type Tag = (typeof Tag)[keyof typeof Tag];

/** The data type of a record, fixed by the operation that creates it. */
export const Kind = { LWW: 0, OR: 1, COUNTER: 2 } as const;

export type Kind = (typeof Kind)[keyof typeof Kind];

const KIND_OF_TAG: readonly Kind[] = [Kind.LWW, Kind.LWW, Kind.OR, Kind.OR, Kind.COUNTER, Kind.OR, Kind.COUNTER];

/** The kind that rows of `tag` belong to. LEFT belongs to none and counts as LWW. */
export function kindOfTag(tag: number): Kind {
  return KIND_OF_TAG[tag] ?? Kind.LWW;
}

/** True for the tags that clients may send. */
export function isOperationTag(tag: number): boolean {
  return tag <= Tag.COUNTER_ADD;
}
