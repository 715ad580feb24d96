import { type Runtime, TopGunError } from '@topgunbuild/core';
import type { Authenticator } from './Authenticator.js';
import { JwtAuthenticator } from './JwtAuthenticator.js';
import { fixedKey, jwksKeys, type KeySource } from './KeySource.js';
import { NoAuthenticator } from './NoAuthenticator.js';
import { publicKey, secretKey } from './VerificationKey.js';

/** How a node tells who its clients are. Exactly one of `secret`, `jwksUrl` and `publicKey`. */
export interface AuthOptions {
  /** Shared secret of HS256 tokens, at least 32 bytes. */
  readonly secret?: string | undefined;
  /** Where the issuer publishes its keys (https). */
  readonly jwksUrl?: string | undefined;
  /** A PEM public key or certificate. */
  readonly publicKey?: string | undefined;
  /** With an RSA `publicKey`: another RSA algorithm than RS256. */
  readonly algorithm?: string | undefined;
  /** With `secret` or `publicKey`: the `kid` that tokens may name. Others are refused. */
  readonly keyId?: string | undefined;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** How far the issuer's clock may be off, in seconds; default 0. */
  readonly clockToleranceSeconds?: number | undefined;
}

/** @throws TopGunError INVALID_VALUE for options that would leave the door open, or shut for everybody. */
export function createAuthenticator(options: AuthOptions | 'none', runtime: Pick<Runtime, 'now'>): Authenticator {
  if (options === 'none') return new NoAuthenticator();
  const { issuer, audience, clockToleranceSeconds } = options;
  return new JwtAuthenticator({ keys: keySource(options), runtime, issuer, audience, clockToleranceSeconds });
}

function keySource(options: AuthOptions): KeySource {
  const { secret, jwksUrl, publicKey: pem } = options;
  const given = [secret, jwksUrl, pem].filter((key) => key !== undefined).length;
  if (given !== 1) {
    throw new TopGunError('INVALID_VALUE', "auth needs exactly one of secret, jwksUrl and publicKey, or is 'none'");
  }
  if (secret !== undefined) return fixedKey(secretKey(secret), options.keyId);
  if (pem !== undefined) return fixedKey(publicKey(pem, options.algorithm), options.keyId);
  return jwksKeys(jwksUrl as string);
}
