import type { History } from '../history/History.js';
import type { FinalState } from './FinalState.js';

const MAX_SUMS = 20_000;

/**
 * Promise 4: a counter is the sum of what was acked. Writes whose process died before the answer may be in or not, so
 * the sums that are possible are worked out, and the counter must be one of them.
 */
export function checkCounters(
  history: History,
  state: FinalState,
  keys: readonly string[],
  mayCount: (client: string) => boolean,
): void {
  for (const key of keys) {
    let sums = new Set([0]);
    let isBounded = true;
    for (const write of history.writes) {
      if (write.action !== 'count' || write.key !== key || !mayCount(write.client)) continue;
      if (write.rejected !== null && !write.acked) continue;
      const isSure = write.acked || write.persisted || !write.orphaned;
      if (isSure) {
        sums = new Set([...sums].map((sum) => sum + write.delta));
      } else {
        sums = new Set([...sums, ...[...sums].map((sum) => sum + write.delta)]);
      }
      if (sums.size > MAX_SUMS) isBounded = false;
      if (!isBounded) break;
    }
    const value = (state.counters.get(key) ?? []).reduce((sum, slot) => sum + slot.added - slot.removed, 0);
    if (isBounded && !sums.has(value)) {
      const some = [...sums].slice(0, 8).join(' or ');
      history.violate('4', `hits/${key} is ${value}; its acked writes make ${some}`);
    }
  }
  for (const op of history.wire.ops.values()) {
    if (op.totals === null || !op.acked) continue;
    const slot = state.counters.get(op.key)?.find(({ replica }) => replica === op.replica);
    if (slot === undefined || slot.added < op.totals.added || slot.removed < op.totals.removed) {
      history.violate('1', `acked and gone: totals of ${op.replica} in hits/${op.key}`);
    }
  }
}
