import { describe, expect, it } from 'vitest';
import { jwtSubject } from './jwtSubject.js';

const encode = (payload: unknown): string =>
  `e30.${Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)).toString('base64url')}.c2ln`;

describe('jwtSubject', () => {
  it('reads the subject and the end of a token', () => {
    expect(jwtSubject(encode({ sub: 'alice', exp: 1_700_000_000 }))).toEqual({
      sub: 'alice',
      expiresAt: 1_700_000_000_000,
    });
  });

  it('reads a token that has no end', () => {
    expect(jwtSubject(encode({ sub: 'alice' }))).toEqual({ sub: 'alice', expiresAt: null });
    expect(jwtSubject(encode({ sub: 'alice', exp: 'soon' }))).toEqual({ sub: 'alice', expiresAt: null });
  });

  it.each(['Zoë', '日本語', '👩‍👩‍👧 family', '', 'a', 'ab', 'abc', 'ÿ'.repeat(99), '?>?>~~'])(
    'reads the subject %j',
    (sub) => {
      expect(jwtSubject(encode({ sub }))?.sub).toBe(sub);
    },
  );

  it('reads ordinary base64 with padding as well', () => {
    for (const sub of ['a', 'ab', 'abc', '??>>~~ÿÿ']) {
      const payload = Buffer.from(JSON.stringify({ sub })).toString('base64');
      expect(jwtSubject(`e30.${payload}.x`)?.sub).toBe(sub);
    }
  });

  it.each([
    '',
    'opaque-token',
    'a.b',
    'a.b.c.d',
    '..',
    'e30.e30.e30',
    `e30.${Buffer.from('{"sub":"').toString('base64url')}.x`,
    `e30.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.x`,
    'e30.%%%%.x',
    'e30.A.x',
    'e30.AAAAA.x',
    'e30.日本.x',
    encode(null),
    encode('7'),
    encode([]),
    encode({ sub: 7 }),
    encode({ sub: null }),
  ])('knows nothing of %j', (token) => {
    expect(jwtSubject(token)).toBeNull();
  });

  it('takes a key named __proto__ for data', () => {
    expect(jwtSubject(encode('{"__proto__":{"sub":"mallory"}}'))).toBeNull();
  });
});
