/**
 * A reading of a hybrid logical clock: wall time, a counter for readings within one ms, and the replica that took it.
 * Source: Kulkarni et al., "Logical Physical Clocks" (2014).
 */
export interface Timestamp {
  /** Milliseconds since 1970, below 2^48. */
  readonly ms: number;
  /** 0..65535. */
  readonly counter: number;
  readonly replica: string;
}

export const MAX_MS = 2 ** 48 - 1;
export const MAX_COUNTER = 0xffff;

/** Total order by (ms, counter, replica); replicas compare by UTF-16 code units. Negative: the first is older. */
export function compareStamps(
  ms: number,
  counter: number,
  replica: string,
  otherMs: number,
  otherCounter: number,
  otherReplica: string,
): number {
  if (ms !== otherMs) return ms < otherMs ? -1 : 1;
  if (counter !== otherCounter) return counter < otherCounter ? -1 : 1;
  if (replica === otherReplica) return 0;
  return replica < otherReplica ? -1 : 1;
}

export function compareTimestamps(a: Timestamp, b: Timestamp): number {
  return compareStamps(a.ms, a.counter, a.replica, b.ms, b.counter, b.replica);
}
