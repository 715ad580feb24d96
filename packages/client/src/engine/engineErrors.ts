import { TopGunError } from '@topgunbuild/core';

export function closedError(): TopGunError {
  return new TopGunError('CLOSED', 'The client is closed; make a new one.');
}

export function asError(error: unknown): TopGunError {
  return error instanceof TopGunError ? error : new TopGunError('INTERNAL', 'A listener failed.', { cause: error });
}
