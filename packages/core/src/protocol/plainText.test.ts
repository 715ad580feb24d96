import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isWellFormed } from '../wire/utf8.js';
import { plainText } from './plainText.js';

describe('plainText', () => {
  it('leaves ordinary texts alone', () => {
    for (const text of ['', 'no such map', '😀 ümlaut', 'x'.repeat(4096)]) expect(plainText(text)).toBe(text);
  });

  it('replaces halves of surrogate pairs, and no pairs', () => {
    expect(plainText('\udc00a\ud800😀\ud800\ud83d\ude00\udc00')).toBe('�a�😀�😀�');
  });

  it('cuts what is too long, be it in the middle of a pair', () => {
    expect(plainText('😀'.repeat(5_000))).toBe(`${'😀'.repeat(2_047)}�…`);
    expect(plainText('x'.repeat(4_097))).toBe(`${'x'.repeat(4_095)}…`);
  });

  it('makes something that can be sent of any string', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0xd700, max: 0xe000 }), { maxLength: 50 }), (units) => {
        const text = plainText(String.fromCharCode(...units));
        return isWellFormed(text) && text.length === units.length;
      }),
    );
  });
});
