import { type Runtime, TopGunError } from '@topgunbuild/core';
import { jwtSubject } from '../connection/jwtSubject.js';
import { withTimeout } from './withTimeout.js';

/** A fixed token, or a function that gives the one to use now. */
export type Auth = string | null | (() => Promise<string>);

const PROVIDER_TIMEOUT_MS = 10_000;

/** The one owner of the token, and of what is known of its subject. */
export class TokenSource {
  readonly #runtime: Runtime;
  #auth: Auth;

  constructor(runtime: Runtime, auth: Auth) {
    this.#runtime = runtime;
    this.#auth = auth;
  }

  set(auth: Auth): void {
    this.#auth = auth;
  }

  /** Asking again may give a newer token. */
  get isRenewable(): boolean {
    return typeof this.#auth === 'function';
  }

  /** The token to use now. @throws TopGunError AUTH_REQUIRED when the application's provider fails or takes too long */
  async token(): Promise<string | null> {
    const auth = this.#auth;
    if (typeof auth !== 'function') return auth;
    try {
      return await withTimeout(this.#runtime, auth(), { timeoutMs: PROVIDER_TIMEOUT_MS });
    } catch (cause) {
      throw new TopGunError('AUTH_REQUIRED', 'The auth provider gave no token; it is asked again.', { cause });
    }
  }
}

/** The subject that a token speaks for; '' without a token. A token that is no JWT is a subject of its own. */
export function subjectOf(token: string | null): string {
  return token === null ? '' : (jwtSubject(token)?.sub ?? '');
}
