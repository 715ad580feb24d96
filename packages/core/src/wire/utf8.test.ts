import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isUtf8, isWellFormed, readUtf8, utf8Equals, utf8Length, writeUtf8 } from './utf8.js';

const reference = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Any sequence of UTF-16 units, lone surrogates included, of lengths on both sides of every fast path. */
const anyText = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 0, max: 0x7f }) },
      { weight: 1, arbitrary: fc.integer({ min: 0x80, max: 0xffff }) },
      { weight: 1, arbitrary: fc.integer({ min: 0xd800, max: 0xdfff }) },
    ),
    { maxLength: 80 },
  )
  .map((units) => String.fromCharCode(...units));

const wellFormedText = fc.string({ unit: 'binary', maxLength: 300 });

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  wellFormedText.map((text) => new TextEncoder().encode(text)),
  // Nearly right: one byte of a well-formed text replaced.
  fc.tuple(wellFormedText, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([text, at, byte]) => {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > 0) bytes[at % bytes.length] = byte;
    return bytes;
  }),
);

function write(text: string): Uint8Array | null {
  const bytes = new Uint8Array(5 + text.length * 3);
  const end = writeUtf8(bytes, 5, text);
  return end < 0 ? null : bytes.slice(5, end);
}

function decodesByReference(bytes: Uint8Array): boolean {
  try {
    reference.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

describe('writing UTF-8', () => {
  it('gives the bytes of TextEncoder, and refuses exactly the texts with a lone surrogate', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, wellFormedText), (text) => {
        const bytes = write(text);
        expect(bytes !== null).toBe(isWellFormed(text));
        if (bytes === null) return;
        expect(bytes).toEqual(new TextEncoder().encode(text));
        expect(utf8Length(text)).toBe(bytes.length);
      }),
      { numRuns: 3000 },
    );
  });

  it('refuses a lone surrogate also when there is just the room that utf8Length asks for', () => {
    const text = `${'a'.repeat(47)}é\ud800`;
    expect(writeUtf8(new Uint8Array(utf8Length(text)), 0, text)).toBe(-1);
  });

  it.each(['\ud800', '\udc00', 'a\ud800b', '\udc00\ud800', `${'x'.repeat(100)}\ud83d`, `\ude00${'x'.repeat(100)}`])(
    'refuses %j',
    (text) => {
      expect(write(text)).toBeNull();
      expect(isWellFormed(text)).toBe(false);
    },
  );
});

describe('reading UTF-8', () => {
  it('accepts what TextDecoder accepts, with the same result, and nothing else', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const valid = decodesByReference(bytes);
        expect(isUtf8(bytes, 0, bytes.length)).toBe(valid);
        expect(readUtf8(bytes, 0, bytes.length)).toBe(valid ? reference.decode(bytes) : null);
      }),
      { numRuns: 5000 },
    );
  });

  it.each([
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong three-byte form', [0xe0, 0x9f, 0xbf]],
    ['an overlong four-byte form', [0xf0, 0x8f, 0xbf, 0xbf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a continuation byte alone', [0x80]],
    ['a cut sequence', [0xe2, 0x82]],
  ])('refuses %s', (_, list) => {
    const bytes = Uint8Array.from(list);
    expect(isUtf8(bytes, 0, bytes.length)).toBe(false);
    expect(readUtf8(bytes, 0, bytes.length)).toBeNull();
  });

  it('keeps a byte-order mark, which is a character like any other', () => {
    const text = '\ufeffmark';
    const bytes = new TextEncoder().encode(text);
    expect(readUtf8(bytes, 0, bytes.length)).toBe(text);
  });

  it('keeps apart texts that only look the same', () => {
    const composed = write('é') as Uint8Array;
    const decomposed = write('e\u0301') as Uint8Array;
    expect(readUtf8(composed, 0, composed.length)).toBe('é');
    expect(readUtf8(decomposed, 0, decomposed.length)).toBe('e\u0301');
  });
});

describe('comparing UTF-8 with a string', () => {
  it('says whether the bytes spell the string', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 12 }),
        fc.string({ unit: 'binary', maxLength: 12 }),
        (a, b) => {
          const bytes = new TextEncoder().encode(a);
          expect(utf8Equals(bytes, 0, bytes.length, a)).toBe(true);
          expect(utf8Equals(bytes, 0, bytes.length, b)).toBe(a === b);
          expect(utf8Equals(bytes, 0, bytes.length, `${a}x`)).toBe(false);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
