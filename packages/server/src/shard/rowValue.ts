import { counterValue, decodeCounterState, decodeOrState, decodeValue, type RecordTable, Tag } from '@topgunbuild/core';

/** Stands for the value of a record that is not there: deleted, past its deadline, or without elements. */
export const ABSENT: unique symbol = Symbol('absent');

/**
 * The value that queries and readers see: the value itself (LWW), the array of elements in the order of their
 * addition (OR), the number (counter); or ABSENT.
 */
export function decodeRowValue(tag: Tag | null, expires: number, bytes: Uint8Array, now: number): unknown {
  if (expires !== 0 && expires <= now) return ABSENT;
  try {
    switch (tag) {
      case Tag.LWW_SET:
        return decodeValue(bytes);
      case Tag.OR_STATE: {
        const { elements } = decodeOrState(bytes);
        return elements.length === 0 ? ABSENT : elements.map((element) => decodeValue(element.value));
      }
      case Tag.COUNTER_STATE:
        return counterValue(decodeCounterState(bytes));
      default:
        return ABSENT;
    }
  } catch {
    // Values are checked before they are logged. Should one be damaged all the same, it is in nobody's result.
    return ABSENT;
  }
}

export function rowValue(table: RecordTable, slot: number, now: number): unknown {
  return decodeRowValue(table.tag(slot), table.expires(slot), table.bytes(slot), now);
}
