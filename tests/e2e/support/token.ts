import { createHmac } from 'node:crypto';

export const SECRET = 'a-secret-of-the-tests-with-more-than-32-bytes';

export interface TokenOptions {
  readonly secret?: string;
  readonly roles?: readonly string[];
  /** From now; negative: it has ended. */
  readonly expiresInMs?: number;
}

/** A token, made by hand and not by the code under test. */
export function mintToken(sub: string, { secret = SECRET, roles, expiresInMs = 3_600_000 }: TokenOptions = {}): string {
  const claims = { sub, exp: Math.floor((Date.now() + expiresInMs) / 1000), ...(roles === undefined ? {} : { roles }) };
  const signed = `${base64({ alg: 'HS256', typ: 'JWT' })}.${base64(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function base64(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
