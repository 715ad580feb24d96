import { EntryBatch, encodeStamps, encodeTotals, encodeValue, Tag, type Timestamp } from '@topgunbuild/core';

/** An op in plain words, for tests. */
export type Op = { readonly map?: string; readonly key: string; readonly at: Timestamp } & (
  | { readonly set: unknown; readonly ttlMs?: number }
  | { readonly remove: true }
  | { readonly add: unknown }
  | { readonly drop: readonly Timestamp[] }
  | { readonly totals: readonly [added: number, removed: number] }
);

export const DEFAULT_MAP = 'todos';

export function stamp(ms: number, counter = 0, replica = 'r1'): Timestamp {
  return { ms, counter, replica };
}

export function batchOf(ops: readonly Op[]): EntryBatch {
  const batch = new EntryBatch();
  for (const op of ops) addOp(batch, op);
  return batch;
}

function addOp(batch: EntryBatch, op: Op): void {
  const { ms, counter, replica } = op.at;
  const map = op.map ?? DEFAULT_MAP;
  const add = (tag: Tag, bytes?: Uint8Array, expires = 0): void => {
    batch.add(map, op.key, tag, ms, counter, replica, expires, bytes);
  };
  if ('set' in op) add(Tag.LWW_SET, encodeValue(op.set), op.ttlMs === undefined ? 0 : ms + op.ttlMs);
  else if ('remove' in op) add(Tag.LWW_REMOVE);
  else if ('add' in op) add(Tag.OR_ADD, encodeValue(op.add));
  else if ('drop' in op) add(Tag.OR_REMOVE, encodeStamps(op.drop));
  else add(Tag.COUNTER_ADD, encodeTotals(...op.totals));
}
