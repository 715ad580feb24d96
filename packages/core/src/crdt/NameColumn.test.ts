import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader } from '../wire/ByteReader.js';
import { ByteWriter } from '../wire/ByteWriter.js';
import { NameColumn, readNames, writeNames } from './NameColumn.js';

const name = fc.oneof(
  fc.constantFrom('', 'a', 'ab', 'b', 'client.01234567.0iuhae31w4n', 'é', 'éa', '\uffff', '😀', '😀a', '\u{10ffff}'),
  fc.string({ maxLength: 5, unit: 'grapheme' }),
);
const names = fc.uniqueArray(name, { maxLength: 12 }).map((texts) => texts.sort());

function encoded(texts: readonly string[]): Uint8Array {
  const writer = new ByteWriter();
  writer.writeU8(0xff);
  writeNames(writer, texts);
  return writer.toBytes();
}

describe('NameColumn', () => {
  it('finds each text, and the place of each that is missing, by the order of UTF-16', () => {
    fc.assert(
      fc.property(names, name, (texts, other) => {
        const bytes = encoded(texts);
        const column = new NameColumn(bytes, 1, texts.length);
        expect(column.end).toBe(bytes.length);
        expect(texts.map((text) => column.find(text))).toEqual(texts.map((_, number) => number));
        if (!texts.includes(other)) expect(column.find(other)).toBe(-1 - texts.filter((text) => text < other).length);
      }),
    );
  });

  it('is the column of all texts after an insertion', () => {
    fc.assert(
      fc.property(names, names, (texts, more) => {
        const column = new NameColumn(encoded(texts), 1, texts.length);
        const missing = more.filter((text) => column.find(text) < 0);
        const writer = new ByteWriter(16);
        writer.writeU8(0xff);
        column.writeWith(
          writer,
          missing.map((text) => -1 - column.find(text)),
          missing,
        );
        expect(writer.toBytes()).toEqual(encoded([...texts, ...missing].sort()));
      }),
    );
  });
});

describe('readNames', () => {
  it('reads what writeNames wrote', () => {
    fc.assert(
      fc.property(names, (texts) => {
        const reader = new ByteReader(encoded(texts), 1);
        expect(readNames(reader, texts.length)).toEqual(texts);
        reader.expectEnd();
      }),
    );
  });

  it('refuses texts out of order, twice, not UTF-8, with ends that go back or beyond', () => {
    const bad = [
      [0, 0, 0, 1, 0, 0, 0, 2, 0x62, 0x61],
      [0, 0, 0, 1, 0, 0, 0, 2, 0x61, 0x61],
      [0, 0, 0, 1, 0, 0, 0, 2, 0x61, 0xff],
      [0, 0, 0, 2, 0, 0, 0, 1, 0x61, 0x62],
      [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x61, 0x62],
      [0, 0, 0, 1],
    ];
    for (const bytes of bad) {
      expect(() => readNames(new ByteReader(new Uint8Array(bytes)), 2)).toThrow(
        expect.objectContaining({ code: 'BAD_FRAME' }),
      );
    }
  });
});
