import { SignJWT } from 'jose';

export interface TokenClaims {
  /** At least 32 bytes. */
  readonly secret: string;
  readonly subject: string;
  readonly roles: readonly string[];
  readonly expiresInMs: number;
}

/** An HS256 token as a node with this secret takes it. */
export async function mintToken({ secret, subject, roles, expiresInMs }: TokenClaims): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return await new SignJWT(roles.length === 0 ? {} : { roles: [...roles] })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(subject)
    .setIssuedAt(now)
    .setExpirationTime(now + Math.ceil(expiresInMs / 1000))
    .sign(new TextEncoder().encode(secret));
}
