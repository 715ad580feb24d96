import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { base64url, exportJWK, type JWTHeaderParameters, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestRuntime } from '../testing/TestRuntime.js';
import { type AuthOptions, createAuthenticator } from './createAuthenticator.js';

const SECRET = '0123456789abcdef0123456789abcdef';
const runtime = new TestRuntime(1_760_000_000_500);
const NOW = 1_760_000_000;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();

type Key = KeyObject | Uint8Array;
const bytes = (secret: string): Uint8Array => new TextEncoder().encode(secret);

interface TokenFields {
  readonly key?: Key;
  readonly header?: Partial<JWTHeaderParameters> & Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
}

function token({ key = bytes(SECRET), header = {}, claims = {} }: TokenFields = {}): Promise<string> {
  return new SignJWT({ sub: 'ann', exp: NOW + 60, ...claims })
    .setProtectedHeader({ alg: 'HS256', ...header })
    .sign(key, header.crit === undefined ? {} : { crit: { 'http://example.com/x': true } });
}

function raw(header: object, claims: object, signature = ''): string {
  return `${base64url.encode(JSON.stringify(header))}.${base64url.encode(JSON.stringify(claims))}.${signature}`;
}

async function outcome(options: AuthOptions, text: string | null): Promise<string> {
  try {
    return (await createAuthenticator(options, runtime).authenticate(text)).subject;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('a token that holds', () => {
  it('tells subject, roles, claims and end', async () => {
    const text = await token({ claims: { roles: ['admin', 'user'], tenant: 't1' } });
    expect(await createAuthenticator({ secret: SECRET }, runtime).authenticate(text)).toEqual({
      subject: 'ann',
      roles: ['admin', 'user'],
      claims: { sub: 'ann', exp: NOW + 60, roles: ['admin', 'user'], tenant: 't1' },
      expiresAt: (NOW + 60) * 1000,
    });
  });

  it('may name one role as a text, or none', async () => {
    const authenticator = createAuthenticator({ secret: SECRET }, runtime);
    expect((await authenticator.authenticate(await token({ claims: { roles: 'admin' } }))).roles).toEqual(['admin']);
    expect((await authenticator.authenticate(await token())).roles).toEqual([]);
  });

  it.each([
    ['RSA', rsa, 'RS256'],
    ['P-256', ec, 'ES256'],
    ['Ed25519', ed, 'EdDSA'],
  ])('is verified with a public key of %s under the algorithm that belongs to it', async (_, pair, alg) => {
    const text = await token({ key: pair.privateKey, header: { alg } });
    expect(await outcome({ publicKey: pem(pair.publicKey) }, text)).toBe('ann');
  });

  it('may be of another RSA algorithm when the operator says so, and of no second one', async () => {
    const options = { publicKey: pem(rsa.publicKey), algorithm: 'PS256' };
    expect(await outcome(options, await token({ key: rsa.privateKey, header: { alg: 'PS256' } }))).toBe('ann');
    expect(await outcome(options, await token({ key: rsa.privateKey, header: { alg: 'RS256' } }))).toBe('AUTH_INVALID');
  });

  it('holds a little longer where the issuer’s clock may be off', async () => {
    const options = { secret: SECRET, clockToleranceSeconds: 5 };
    expect(await outcome(options, await token({ claims: { exp: NOW - 3 } }))).toBe('ann');
    expect(await outcome(options, await token({ claims: { nbf: NOW + 4 } }))).toBe('ann');
    expect(await outcome(options, await token({ claims: { exp: NOW - 6 } }))).toBe('AUTH_EXPIRED');
  });

  it('may name the key id that the operator gave', async () => {
    const options = { secret: SECRET, keyId: 'k1' };
    expect(await outcome(options, await token({ header: { kid: 'k1' } }))).toBe('ann');
    expect(await outcome(options, await token({ header: { kid: 'k2' } }))).toBe('AUTH_INVALID');
  });
});

describe('refused with a secret:', () => {
  const publicPem = pem(rsa.publicKey);
  const claims = { sub: 'ann', exp: NOW + 60 };

  it.each<[string, () => Promise<string> | string | null, string]>([
    ['no token', () => null, 'AUTH_REQUIRED'],
    ['an empty token', () => '', 'AUTH_REQUIRED'],
    ['no JWT', () => 'hello', 'AUTH_INVALID'],
    ['two dots and nothing else', () => '..', 'AUTH_INVALID'],
    ['alg none', () => raw({ alg: 'none' }, claims), 'AUTH_INVALID'],
    ['alg None', () => raw({ alg: 'None' }, claims), 'AUTH_INVALID'],
    ['no alg', () => raw({}, claims), 'AUTH_INVALID'],
    ['alg as a list', () => raw({ alg: ['HS256'] }, claims), 'AUTH_INVALID'],
    ['a stripped signature', async () => (await token()).replace(/[^.]*$/, ''), 'AUTH_INVALID'],
    ['another secret', () => token({ key: bytes('f'.repeat(32)) }), 'AUTH_INVALID'],
    [
      'HS512 under the same secret',
      () => token({ header: { alg: 'HS512' }, key: bytes(SECRET.repeat(2)) }),
      'AUTH_INVALID',
    ],
    ['RS256', () => token({ header: { alg: 'RS256' }, key: rsa.privateKey }), 'AUTH_INVALID'],
    ['a changed claim', async () => swapClaims(await token(), { ...claims, sub: 'root' }), 'AUTH_INVALID'],
    ['an expired one', () => token({ claims: { exp: NOW - 1 } }), 'AUTH_EXPIRED'],
    ['one that expires now', () => token({ claims: { exp: NOW } }), 'AUTH_EXPIRED'],
    ['no exp', () => token({ claims: { exp: undefined } }), 'AUTH_INVALID'],
    ['exp as a text', () => token({ claims: { exp: '9999999999' } }), 'AUTH_INVALID'],
    ['nbf in the future', () => token({ claims: { nbf: NOW + 5 } }), 'AUTH_INVALID'],
    ['no sub', () => token({ claims: { sub: undefined } }), 'AUTH_INVALID'],
    ['an empty sub', () => token({ claims: { sub: '' } }), 'AUTH_INVALID'],
    ['sub as a number', () => token({ claims: { sub: 7 } }), 'AUTH_INVALID'],
    ['a sub of a megabyte', () => token({ claims: { sub: 'a'.repeat(1_000_000) } }), 'AUTH_INVALID'],
    ['roles as an object', () => token({ claims: { roles: { admin: true } } }), 'AUTH_INVALID'],
    ['roles of numbers', () => token({ claims: { roles: [1] } }), 'AUTH_INVALID'],
    ['kid as a path', () => token({ header: { kid: '../../dev/null' } }), 'AUTH_INVALID'],
    ['jku', () => token({ header: { jku: 'https://evil.example/jwks' } }), 'AUTH_INVALID'],
    ['x5u', () => token({ header: { x5u: 'https://evil.example/cert' } }), 'AUTH_INVALID'],
    ['jwk', () => token({ header: { jwk: { kty: 'RSA' } } }), 'AUTH_INVALID'],
    [
      'unknown crit',
      () => token({ header: { crit: ['http://example.com/x'], 'http://example.com/x': 1 } }),
      'AUTH_INVALID',
    ],
  ])('%s', async (_, make, code) => {
    expect(await outcome({ secret: SECRET }, await make())).toBe(code);
  });

  it.each([
    ['HS256 keyed with the public PEM', () => token({ key: bytes(publicPem) })],
    ['alg none', () => raw({ alg: 'none' }, claims)],
    ['ES256 of another key', () => token({ key: ec.privateKey, header: { alg: 'ES256' } })],
    ['RS512', () => token({ key: rsa.privateKey, header: { alg: 'RS512' } })],
  ])('and with a public key: %s', async (_, make) => {
    expect(await outcome({ publicKey: publicPem }, await make())).toBe('AUTH_INVALID');
  });

  it.each([
    ['a wrong iss', { iss: 'evil', aud: 'app' }],
    ['no iss', { aud: 'app' }],
    ['a wrong aud', { iss: 'good', aud: 'other' }],
    ['no aud', { iss: 'good' }],
  ])('%s where both are configured', async (_, more) => {
    const options = { secret: SECRET, issuer: 'good', audience: 'app' };
    expect(await outcome(options, await token({ claims: more }))).toBe('AUTH_INVALID');
    expect(await outcome(options, await token({ claims: { iss: 'good', aud: ['x', 'app'] } }))).toBe('ann');
  });

  function swapClaims(text: string, other: object): string {
    const [header, , signature] = text.split('.');
    return `${header}.${base64url.encode(JSON.stringify(other))}.${signature}`;
  }
});

describe('a key set', () => {
  let server: Server;
  let url: string;
  let fetches = 0;
  let answer: () => { status: number; body: string };
  const good = async (): Promise<string> =>
    JSON.stringify({ keys: [{ ...(await exportJWK(rsa.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }] });
  let jwks = '';

  beforeAll(async () => {
    jwks = await good();
    server = createServer((_, response) => {
      fetches++;
      const { status, body } = answer();
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const signed = (header: Record<string, unknown>): Promise<string> =>
    token({ key: rsa.privateKey, header: { alg: 'RS256', kid: 'k1', ...header } });

  it('is fetched once for many tokens', async () => {
    answer = () => ({ status: 200, body: jwks });
    fetches = 0;
    const authenticator = createAuthenticator({ jwksUrl: url }, runtime);
    const text = await signed({});
    await Promise.all([authenticator.authenticate(text), authenticator.authenticate(text)]);
    await authenticator.authenticate(text);
    expect(fetches).toBe(1);
  });

  it('is not fetched again for each token with an unknown key id', async () => {
    answer = () => ({ status: 200, body: jwks });
    fetches = 0;
    const authenticator = createAuthenticator({ jwksUrl: url }, runtime);
    for (let i = 0; i < 5; i++) {
      await expect(authenticator.authenticate(await signed({ kid: `x${i}` }))).rejects.toThrow('key that this server');
    }
    expect(fetches).toBe(1);
  });

  it.each([
    ['alg none', () => raw({ alg: 'none', kid: 'k1' }, { sub: 'ann', exp: NOW + 60 })],
    ['HS256 keyed with the public key', () => token({ key: bytes(pem(rsa.publicKey)), header: { kid: 'k1' } })],
    ['jku', () => signed({ jku: 'https://evil.example/jwks' })],
    ['jwk', () => signed({ jwk: { kty: 'RSA' } })],
    ['kid as a number', () => signed({ kid: 5 })],
  ])('is not even fetched for %s', async (_, make) => {
    fetches = 0;
    expect(await outcome({ jwksUrl: url }, await make())).toBe('AUTH_INVALID');
    expect(fetches).toBe(0);
  });

  it('binds each key to its own algorithm', async () => {
    answer = () => ({ status: 200, body: jwks });
    expect(await outcome({ jwksUrl: url }, await signed({ alg: 'RS512' }))).toBe('AUTH_INVALID');
  });

  it.each([
    ['fails', { status: 500, body: '' }],
    ['redirects', { status: 302, body: '' }],
    ['is no JSON', { status: 200, body: '<html>' }],
    ['is no key set', { status: 200, body: '{"keys":1}' }],
    ['is endless', { status: 200, body: `{"keys":[],"x":"${'x'.repeat(600_000)}"}` }],
  ])('that %s refuses nobody for good', async (_, response) => {
    answer = () => response;
    expect(await outcome({ jwksUrl: url }, await signed({}))).toBe('UNAVAILABLE');
  });

  it('that cannot be reached refuses nobody for good', async () => {
    expect(await outcome({ jwksUrl: 'http://127.0.0.1:1/jwks' }, await signed({}))).toBe('UNAVAILABLE');
  });
});

describe('options that would leave the door open are refused at the start:', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const privatePem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

  it.each<[string, AuthOptions]>([
    ['nothing', {}],
    ['two at once', { secret: SECRET, publicKey: pem(rsa.publicKey) }],
    ['an empty secret', { secret: '' }],
    ['a short secret', { secret: 'x'.repeat(31) }],
    ['a placeholder', { secret: 'your-256-bit-secret-your-256-bit-secret' }],
    ['another placeholder', { secret: 'please-change-me-please-change-me-please' }],
    ['no PEM', { publicKey: 'hello' }],
    ['a private key', { publicKey: privatePem }],
    ['a weak RSA key', { publicKey: pem(small.publicKey) }],
    ['an algorithm of another key', { publicKey: pem(ec.publicKey), algorithm: 'RS256' }],
    ['a symmetric algorithm for a public key', { publicKey: pem(rsa.publicKey), algorithm: 'HS256' }],
    ['keys over plain http', { jwksUrl: 'http://issuer.example/jwks' }],
    ['keys from a file', { jwksUrl: 'file:///etc/passwd' }],
  ])('%s', (_, options) => {
    expect(() => createAuthenticator(options, runtime)).toThrow(expect.objectContaining({ code: 'INVALID_VALUE' }));
  });

  it('while a secret of 32 bytes will do', () => {
    expect(() => createAuthenticator({ secret: 'ä'.repeat(16) }, runtime)).not.toThrow();
  });
});

it('without authentication everybody is the anonymous subject', async () => {
  const identity = await createAuthenticator('none', runtime).authenticate('whatever');
  expect(identity).toEqual({ subject: '', roles: [], claims: {}, expiresAt: 0 });
});
