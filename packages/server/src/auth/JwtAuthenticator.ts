import { type Runtime, TopGunError } from '@topgunbuild/core';
import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Authenticator, Identity } from './Authenticator.js';
import type { KeySource } from './KeySource.js';

export interface JwtAuthenticatorOptions {
  readonly keys: KeySource;
  readonly runtime: Pick<Runtime, 'now'>;
  /** The `iss` that every token must carry; undefined = any. */
  readonly issuer?: string | undefined;
  /** The `aud` that every token must name; undefined = any. */
  readonly audience?: string | undefined;
  /** How far the issuer's clock may be off, in whole seconds. */
  readonly clockToleranceSeconds?: number | undefined;
}

const MAX_TOKEN_LENGTH = 16 * 1024;
const MAX_SUBJECT_LENGTH = 256;
const MAX_ROLES = 256;

/** Header parameters by which a token would bring its own key, or ask for semantics that nobody here implements. */
const FORBIDDEN_HEADERS = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64', 'zip'];

/** Verifies JSON Web Tokens (RFC 7519, RFC 8725): the algorithm belongs to the key, `sub` and `exp` are required. */
export class JwtAuthenticator implements Authenticator {
  readonly #keys: KeySource;
  readonly #runtime: Pick<Runtime, 'now'>;
  readonly #options: JWTVerifyOptions;
  readonly #toleranceMs: number;

  constructor(options: JwtAuthenticatorOptions) {
    const tolerance = options.clockToleranceSeconds ?? 0;
    this.#keys = options.keys;
    this.#runtime = options.runtime;
    this.#toleranceMs = tolerance * 1000;
    this.#options = {
      algorithms: [...options.keys.algorithms],
      requiredClaims: ['sub', 'exp'],
      clockTolerance: tolerance,
      ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
      ...(options.audience === undefined ? {} : { audience: options.audience }),
    };
  }

  async authenticate(token: string | null): Promise<Identity> {
    if (token === null || token === '') throw new TopGunError('AUTH_REQUIRED', 'This server needs a token.');
    if (token.length > MAX_TOKEN_LENGTH) throw invalid('The token is too long.');
    this.#checkHeader(token);
    return this.#identity(await this.#verify(token));
  }

  /** Before anything is verified or fetched: nothing in the header may choose the key, save `kid` among known ones. */
  #checkHeader(token: string): void {
    let header: Readonly<Record<string, unknown>>;
    try {
      header = decodeProtectedHeader(token);
    } catch (cause) {
      throw invalid('The token is not a JWT.', cause);
    }
    const { alg, kid } = header;
    if (typeof alg !== 'string' || !this.#keys.algorithms.includes(alg)) {
      throw invalid("The token's algorithm is not the one of this server's key.");
    }
    const forbidden = FORBIDDEN_HEADERS.find((name) => Object.hasOwn(header, name));
    if (forbidden !== undefined) throw invalid(`The token's header must not have ${forbidden}.`);
    if (kid !== undefined && typeof kid !== 'string') throw invalid("The token's kid must be a text.");
    if (!this.#keys.allowsKeyId(kid)) throw invalid('The token names a key that this server does not have.');
  }

  async #verify(token: string): Promise<JWTPayload> {
    const options = { ...this.#options, currentDate: new Date(this.#runtime.now()) };
    try {
      const { key } = this.#keys;
      const verified =
        typeof key === 'function' ? await jwtVerify(token, key, options) : await jwtVerify(token, key, options);
      return verified.payload;
    } catch (cause) {
      throw refusal(cause);
    }
  }

  #identity(claims: JWTPayload): Identity {
    const { sub, exp } = claims;
    if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT_LENGTH) {
      throw invalid(`The token's sub must be a text of 1 to ${MAX_SUBJECT_LENGTH} characters.`);
    }
    if (typeof exp !== 'number' || !Number.isFinite(exp)) throw invalid("The token's exp must be a number of seconds.");
    const expiresAt = Math.min(exp * 1000 + this.#toleranceMs, Number.MAX_SAFE_INTEGER);
    return { subject: sub, roles: rolesOf(claims), claims, expiresAt };
  }
}

/** The `roles` claim: a list of texts, one text, or absent. */
function rolesOf(claims: JWTPayload): readonly string[] {
  const roles = Object.hasOwn(claims, 'roles') ? claims.roles : [];
  if (typeof roles === 'string') return [roles];
  if (Array.isArray(roles) && roles.length <= MAX_ROLES && roles.every((role) => typeof role === 'string'))
    return roles;
  throw invalid(`The token's roles must be a list of at most ${MAX_ROLES} texts.`);
}

function refusal(cause: unknown): TopGunError {
  if (cause instanceof errors.JWTExpired) return new TopGunError('AUTH_EXPIRED', 'The token has expired.', { cause });
  if (cause instanceof errors.JWTClaimValidationFailed) {
    const claim = cause.claim === 'unspecified' ? 'a claim' : cause.claim;
    const missing = cause.reason === 'missing';
    return invalid(missing ? `The token has no ${claim}.` : `The token's ${claim} does not fit this server.`, cause);
  }
  if (cause instanceof errors.JWKSNoMatchingKey || cause instanceof errors.JWKSMultipleMatchingKeys) {
    return invalid('The token names a key that this server does not have.', cause);
  }
  // The bare JOSEError is what jose makes of a key set that could not be had; all its judgements of tokens have subclasses.
  const unreachable =
    !(cause instanceof errors.JOSEError) ||
    cause.constructor === errors.JOSEError ||
    cause instanceof errors.JWKSTimeout ||
    cause instanceof errors.JWKSInvalid;
  if (unreachable) {
    return new TopGunError('UNAVAILABLE', 'The keys to verify tokens with cannot be had right now.', { cause });
  }
  return invalid("The token's signature does not hold.", cause);
}

function invalid(message: string, cause?: unknown): TopGunError {
  return new TopGunError('AUTH_INVALID', message, cause === undefined ? undefined : { cause });
}
