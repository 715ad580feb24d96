import {
  decodeStamps,
  decodeTotals,
  type EntryBatch,
  isOperationTag,
  type Limits,
  Tag,
  TopGunError,
  utf8Length,
  validateValue,
} from '@topgunbuild/core';
import { REFUSALS, type Refusal } from './Refusal.js';

/** Replica ids have 64 + 1 + 8 + 1 + 11 characters at most. */
const MAX_REPLICA_LENGTH = 85;

/** Totals stay a factor below 2^53, so that the sum over replicas stays exact for any counter that was honestly reached. */
const MAX_TOTAL = 2 ** 50;

/**
 * Whether row `index` is an operation that the limits allow and every replica can apply; null = it is. Who may do it is
 * another question. `latestMs`: the latest time that a timestamp may have.
 */
export function checkOp(batch: EntryBatch, index: number, limits: Limits, latestMs: number): Refusal | null {
  const tag = batch.tags[index] as number;
  if (!isOperationTag(tag)) return REFUSALS.tag;
  const map = batch.maps[index] as string;
  if (map === '') return REFUSALS.mapName;
  if (exceeds(map, limits.maxNameBytes)) return REFUSALS.mapSize;
  if (exceeds(batch.keys[index] as string, limits.maxKeyBytes)) return REFUSALS.keySize;
  const size = (batch.ends[index] as number) - (batch.starts[index] as number);
  if (size > limits.maxValueBytes) return REFUSALS.valueSize;
  const ms = batch.ms[index] as number;
  if (ms > latestMs) return REFUSALS.drift;
  const expires = batch.expires[index] as number;
  if (expires !== 0 && (tag !== Tag.LWW_SET || expires <= ms || !Number.isSafeInteger(expires))) return REFUSALS.expiry;
  return checkPayload(batch, index, tag as Tag, limits, latestMs);
}

function exceeds(text: string, maxBytes: number): boolean {
  // Each UTF-16 unit takes at most three bytes.
  return text.length * 3 > maxBytes && utf8Length(text) > maxBytes;
}

function checkPayload(batch: EntryBatch, index: number, tag: Tag, limits: Limits, latestMs: number): Refusal | null {
  const start = batch.starts[index] as number;
  const end = batch.ends[index] as number;
  switch (tag) {
    case Tag.LWW_SET:
    case Tag.OR_ADD: {
      const source = batch.sources[index] as Uint8Array;
      return validateValue(source, start, end, limits.maxValueDepth) ? null : REFUSALS.value;
    }
    case Tag.LWW_REMOVE:
      return start === end ? null : REFUSALS.removal;
    case Tag.OR_REMOVE:
      return areStamps(batch.bytes(index), limits, latestMs) ? null : REFUSALS.stamps;
    case Tag.COUNTER_ADD:
      return areTotals(batch.bytes(index)) ? null : REFUSALS.totals;
    default:
      return REFUSALS.tag;
  }
}

/** Elements that nobody can have added yet cannot be removed: such a removal would only fill the record with tombstones. */
function areStamps(bytes: Uint8Array, limits: Limits, latestMs: number): boolean {
  return holds(() => {
    const stamps = decodeStamps(bytes);
    if (stamps.length === 0 || stamps.length > limits.maxElementsPerKey) return false;
    return stamps.every((stamp) => stamp.ms <= latestMs && stamp.replica.length <= MAX_REPLICA_LENGTH);
  });
}

function areTotals(bytes: Uint8Array): boolean {
  return holds(() => {
    const { added, removed } = decodeTotals(bytes);
    return added <= MAX_TOTAL && removed <= MAX_TOTAL;
  });
}

/** Bytes that cannot be decoded are no reason to fail. */
function holds(check: () => boolean): boolean {
  try {
    return check();
  } catch (error) {
    if (error instanceof TopGunError) return false;
    throw error;
  }
}
