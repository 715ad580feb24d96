import type { Authenticator, Identity } from './Authenticator.js';

const ANYBODY: Identity = { subject: '', roles: [], claims: {}, expiresAt: 0 };

/** For `auth: 'none'`: everybody is the same anonymous subject, whatever token they bring. */
export class NoAuthenticator implements Authenticator {
  authenticate(): Promise<Identity> {
    return Promise.resolve(ANYBODY);
  }
}
