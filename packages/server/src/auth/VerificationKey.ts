import { createPublicKey, type KeyObject } from 'node:crypto';
import { TopGunError } from '@topgunbuild/core';

/** A key and the one algorithm that it may be used with. */
export interface VerificationKey {
  readonly key: Uint8Array | KeyObject;
  readonly algorithm: string;
}

const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2048;

/** What documentation and templates print where a secret belongs. */
const PLACEHOLDER = /change[-_ ]?me|replace[-_ ]?me|your[-_ ].*secret|placeholder/i;

const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];

const CURVE_ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['prime256v1', 'ES256'],
  ['secp384r1', 'ES384'],
  ['secp521r1', 'ES512'],
]);

/** The key of a shared secret: HS256 over its UTF-8 bytes. @throws TopGunError INVALID_VALUE for one that can be guessed */
export function secretKey(secret: string): VerificationKey {
  const key = new TextEncoder().encode(secret);
  if (key.length < MIN_SECRET_BYTES) {
    throw new TopGunError(
      'INVALID_VALUE',
      `auth.secret has ${key.length} bytes and needs at least ${MIN_SECRET_BYTES}; make one with: openssl rand -hex 32`,
    );
  }
  if (PLACEHOLDER.test(secret)) {
    throw new TopGunError('INVALID_VALUE', 'auth.secret is a placeholder; make a real one with: openssl rand -hex 32');
  }
  return { key, algorithm: 'HS256' };
}

/**
 * The key in a PEM (SPKI or X.509). The algorithm follows from the key, so no token can choose another; RSA keys take
 * RS256 unless `algorithm` names another RSA algorithm.
 * @throws TopGunError INVALID_VALUE
 */
export function publicKey(pem: string, algorithm?: string): VerificationKey {
  if (/PRIVATE KEY/.test(pem)) {
    throw new TopGunError('INVALID_VALUE', 'auth.publicKey holds a private key; give the node the public key only');
  }
  const key = parsePem(pem);
  const fitting = algorithmsOf(key);
  const [usual] = fitting;
  if (usual === undefined) {
    throw new TopGunError(
      'INVALID_VALUE',
      'auth.publicKey must be RSA of at least 2048 bits, P-256, P-384, P-521 or Ed25519',
    );
  }
  if (algorithm !== undefined && !fitting.includes(algorithm)) {
    throw new TopGunError(
      'INVALID_VALUE',
      `auth.algorithm ${algorithm} does not fit the public key; use ${fitting.join(', ')}`,
    );
  }
  return { key, algorithm: algorithm ?? usual };
}

function parsePem(pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new TopGunError('INVALID_VALUE', 'auth.publicKey is not a PEM public key or certificate', { cause });
  }
}

/** The algorithms that fit `key`, the usual one first; none for a key that should not be used. */
function algorithmsOf(key: KeyObject): readonly string[] {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return (details?.modulusLength ?? 0) >= MIN_RSA_BITS ? RSA_ALGORITHMS : [];
    case 'ec': {
      const algorithm = CURVE_ALGORITHMS.get(details?.namedCurve ?? '');
      return algorithm === undefined ? [] : [algorithm];
    }
    case 'ed25519':
      return ['EdDSA'];
    default:
      return [];
  }
}
