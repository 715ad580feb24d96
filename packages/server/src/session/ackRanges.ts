import type { RejectedOp } from '@topgunbuild/core';

/** The rows 0..count-1 without the rejected ones and those not taken, as flat pairs: first index, number of rows, ... */
export function ackRanges(
  count: number,
  rejected: readonly RejectedOp[],
  notTaken: readonly number[] = [],
): readonly number[] {
  if (rejected.length === 0 && notTaken.length === 0) return count === 0 ? [] : [0, count];
  const refused = [...rejected.map((op) => op.index), ...notTaken].sort((a, b) => a - b);
  const ranges: number[] = [];
  let from = 0;
  for (const index of refused) {
    if (index > from) ranges.push(from, index - from);
    from = index + 1;
  }
  if (from < count) ranges.push(from, count - from);
  return ranges;
}
