import { type Runtime, TopGunError } from '@topgunbuild/core';
import type { Authenticator, Identity } from '../../../packages/server/src/auth/Authenticator.js';
import type { Faults } from './Faults.js';

/** An unsigned token that the simulated authenticator believes. `expiresAt` in ms, cut down to whole seconds. */
export function makeToken(subject: string, roles: readonly string[], expiresAt: number): string {
  const payload = JSON.stringify({ sub: subject, roles, exp: Math.floor(expiresAt / 1000) });
  return `simulated.${Buffer.from(payload).toString('base64url')}.unsigned`;
}

/** Believes every token whose time has not run out. Answers without any I/O. */
export class SimAuthenticator implements Authenticator {
  readonly #runtime: Pick<Runtime, 'now'>;
  readonly #faults: Faults;

  constructor(runtime: Pick<Runtime, 'now'>, faults: Faults) {
    this.#runtime = runtime;
    this.#faults = faults;
  }

  async authenticate(token: string | null): Promise<Identity> {
    if (this.#faults.authDown) {
      this.#faults.count('authentication unavailable');
      throw new TopGunError('UNAVAILABLE', 'simulated: keys cannot be had');
    }
    if (token === null) throw new TopGunError('AUTH_REQUIRED', 'no token');
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      sub: string;
      roles: string[];
      exp: number;
    };
    if (this.#runtime.now() >= claims.exp * 1000) {
      this.#faults.count('token expired');
      throw new TopGunError('AUTH_EXPIRED', 'the token has expired');
    }
    return { subject: claims.sub, roles: claims.roles, claims, expiresAt: claims.exp * 1000 };
  }
}
