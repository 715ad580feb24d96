import { type ErrorCode, TopGunError } from '@topgunbuild/core';

/** Why an operation is refused. Constants, so that refusing costs no more than accepting; texts name no data. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

export const REFUSALS = {
  tag: { code: 'INVALID_VALUE', message: 'this is not an operation' },
  mapName: { code: 'INVALID_VALUE', message: 'the map has no name' },
  mapSize: { code: 'TOO_LARGE', message: "the map's name is too long" },
  keySize: { code: 'TOO_LARGE', message: 'the key is too long' },
  valueSize: { code: 'TOO_LARGE', message: 'the value is too large' },
  value: { code: 'INVALID_VALUE', message: 'the value is not well-formed, or nested too deeply' },
  removal: { code: 'INVALID_VALUE', message: 'a removal carries no value' },
  expiry: { code: 'INVALID_VALUE', message: 'only set takes a time to live, which ends after the write' },
  stamps: { code: 'INVALID_VALUE', message: 'the removed elements are not named correctly' },
  totals: { code: 'INVALID_VALUE', message: "the counter's totals are not in range" },
  drift: { code: 'CLOCK_DRIFT', message: 'the timestamp is too far ahead of the clock of the server' },
  replica: { code: 'FORBIDDEN', message: 'the operation was made by another client or subject' },
  denied: { code: 'FORBIDDEN', message: 'not allowed to write here' },
  rate: { code: 'RATE_LIMITED', message: 'too many operations; slow down' },
  contended: { code: 'UNAVAILABLE', message: 'another write to this key is under way; try again' },
  unavailable: { code: 'UNAVAILABLE', message: 'this part of the data cannot be reached now; try again' },
  stopping: { code: 'SHUTTING_DOWN', message: 'the node stops; try another, or again later' },
  moved: { code: 'NOT_OWNER', message: 'another node owns this part of the data; try there' },
  inFlight: { code: 'RATE_LIMITED', message: 'too much is waiting to become durable; slow down' },
} as const satisfies Record<string, Refusal>;

/** Texts may quote what the peer sent: they stay far below what a peer takes for a message. */
const MAX_MESSAGE_LENGTH = 500;

/** What may be told to the peer of an error that came up: the codes of the design, and nothing about bugs. */
export function tellable(error: unknown): Refusal {
  if (!(error instanceof TopGunError)) return { code: 'INTERNAL', message: 'the server failed; try again' };
  const { code, message } = error;
  if (message.length <= MAX_MESSAGE_LENGTH) return { code, message };
  // Half of a surrogate pair cannot be sent.
  return { code, message: `${message.slice(0, MAX_MESSAGE_LENGTH).replace(/[\uD800-\uDBFF]$/, '')}...` };
}
