import type { Timer, TopGunError } from '@topgunbuild/core';
import type { PendingRecord } from './PendingRecord.js';

/** A log record on its way. It is never given up: until its fate is known nothing else can be appended. */
export interface Flight {
  readonly record: PendingRecord;
  readonly bytes: Uint8Array;
  /** The sequence that the log had when the record was first sent. */
  readonly expectedSeq: number;
  readonly startedAt: number;
}

/*
 *   idle <──> appending ──> recovering ──> (idle | appending | fenced)
 *     └── close ──> closed        └── nobody knows whether the record is in the log
 *
 * fenced: somebody else has written to the log; this writer must never answer for it again.
 */
export type WriterState =
  | { readonly name: 'idle' }
  | { readonly name: 'appending'; readonly flight: Flight }
  | {
      readonly name: 'recovering';
      readonly flight: Flight;
      readonly error: TopGunError;
      /** Monotonic time of the first failure. */
      readonly since: number;
      readonly attempt: number;
      /** Null while an attempt is under way. */
      readonly timer: Timer | null;
      /** It took too long: those who wait were refused, and so is everybody else until the log answers. */
      readonly isRefusing: boolean;
    }
  | { readonly name: 'fenced' }
  | { readonly name: 'closed' };
