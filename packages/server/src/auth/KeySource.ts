import { TopGunError } from '@topgunbuild/core';
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import type { VerificationKey } from './VerificationKey.js';

/** Where the key of a token comes from, and which algorithms and key ids tokens may name. */
export interface KeySource {
  readonly algorithms: readonly string[];
  readonly key: VerificationKey['key'] | JWTVerifyGetKey;
  /** Whether a token's header may carry this `kid`. */
  allowsKeyId(keyId: string | undefined): boolean;
}

/** One fixed key. A `kid` has nothing to choose, so only the configured one is allowed. */
export function fixedKey(key: VerificationKey, keyId?: string): KeySource {
  return {
    algorithms: [key.algorithm],
    key: key.key,
    allowsKeyId: (told) => told === undefined || told === keyId,
  };
}

const FETCH_TIMEOUT_MS = 5_000;
/** Tokens with unknown key ids cause at most one fetch in this time. */
const COOLDOWN_MS = 30_000;
const MAX_AGE_MS = 600_000;
const MAX_JWKS_BYTES = 512 * 1024;

/** Never a symmetric one: the set is public, and a public key must not serve as a secret. */
const JWKS_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

/** The keys published at `url`: fetched when first needed, kept for ten minutes, bounded in time and size. */
export function jwksKeys(url: string): KeySource {
  const parsed = parseUrl(url);
  const key = createRemoteJWKSet(parsed, {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cooldownDuration: COOLDOWN_MS,
    cacheMaxAge: MAX_AGE_MS,
    [customFetch]: fetchBounded,
  });
  return { algorithms: JWKS_ALGORITHMS, key, allowsKeyId: () => true };
}

function parseUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const loopback = parsed !== null && ['localhost', '127.0.0.1', '[::1]'].includes(parsed.hostname);
  if (parsed === null || !(parsed.protocol === 'https:' || (parsed.protocol === 'http:' && loopback))) {
    throw new TopGunError('INVALID_VALUE', 'auth.jwksUrl must be an https URL (http is for loopback hosts only)');
  }
  return parsed;
}

async function fetchBounded(url: string, options: RequestInit): Promise<Response> {
  const response = await fetch(url, options);
  if (response.body === null || !response.ok) return response;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_JWKS_BYTES)
      throw new TopGunError('TOO_LARGE', `the key set at ${url} exceeds ${MAX_JWKS_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status, headers: response.headers });
}
