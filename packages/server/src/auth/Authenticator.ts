/** Who is on the other end of a session, as its token says. */
export interface Identity {
  /** The token's `sub`; '' without authentication. */
  readonly subject: string;
  readonly roles: readonly string[];
  /** All claims of the token, for permission rules. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** When the token ends, ms since 1970; 0 = never. */
  readonly expiresAt: number;
}

/** Turns a token into an identity. */
export interface Authenticator {
  /**
   * @throws TopGunError AUTH_REQUIRED without a token where one is needed, AUTH_EXPIRED or AUTH_INVALID for a token that
   * does not hold, UNAVAILABLE when nobody can tell right now.
   */
  authenticate(token: string | null): Promise<Identity>;
}
