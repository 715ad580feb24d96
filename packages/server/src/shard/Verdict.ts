import { type ErrorCode, Outcome } from '@topgunbuild/core';

/** What became of an op at its shard: the outcomes of a merge, and the two refusals that a shard adds. */
export const Verdict = {
  ...Outcome,
  /** Older than the tombstone horizon: what it would have lost against may be forgotten. */
  STALE: 6,
  /** A payload that cannot be decoded. */
  MALFORMED: 7,
} as const;

export type Verdict = (typeof Verdict)[keyof typeof Verdict];

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

const REFUSALS: ReadonlyMap<Verdict, Refusal> = new Map<Verdict, Refusal>([
  [
    Verdict.KIND_MISMATCH,
    {
      code: 'KIND_MISMATCH',
      message: 'The key holds a record of another kind. Use another key, or the kind it was created with.',
    },
  ],
  [
    Verdict.CONFLICT,
    {
      code: 'INVALID_VALUE',
      message: 'An operation of this identity was seen with another payload; the first one stays.',
    },
  ],
  [
    Verdict.LIMIT,
    { code: 'LIMIT_EXCEEDED', message: 'The key holds as many elements as it may. Spread them over more keys.' },
  ],
  [
    Verdict.STALE,
    {
      code: 'STALE_OP',
      message: 'The operation is older than the deletions that are remembered. Write the value anew.',
    },
  ],
  [Verdict.MALFORMED, { code: 'INVALID_VALUE', message: 'The payload is not what the kind of operation asks for.' }],
]);

/** Null when the op is to be acked: it was applied, or nothing durable is missing without it. */
export function refusalOf(verdict: Verdict): Refusal | null {
  return REFUSALS.get(verdict) ?? null;
}
