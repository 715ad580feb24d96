import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TopGunError } from '../errors.js';
import { ByteReader } from './ByteReader.js';
import { ByteWriter } from './ByteWriter.js';

type Item =
  | { readonly kind: 'u8' | 'varuint' | 'varint' | 'f64'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: Uint8Array };

const naturals = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.integer({ min: 0, max: 53 }).map((bits) => Math.min(2 ** bits, Number.MAX_SAFE_INTEGER)),
);
const integers = fc.oneof(fc.integer({ min: -300, max: 300 }), fc.integer({ min: -(2 ** 52) + 1, max: 2 ** 52 - 1 }));

const item: fc.Arbitrary<Item> = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant('varuint' as const), value: naturals }),
  fc.record({ kind: fc.constant('varint' as const), value: integers }),
  fc.record({ kind: fc.constant('f64' as const), value: fc.double() }),
  fc.record({ kind: fc.constant('string' as const), value: fc.string({ unit: 'binary', maxLength: 200 }) }),
  fc.record({ kind: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 200 }) }),
);

function write(writer: ByteWriter, { kind, value }: Item): void {
  if (kind === 'string') writer.writeString(value);
  else if (kind === 'bytes') writer.writeBytes(value);
  else if (kind === 'u8') writer.writeU8(value);
  else if (kind === 'varuint') writer.writeVaruint(value);
  else if (kind === 'varint') writer.writeVarint(value);
  else writer.writeF64(value);
}

function read(reader: ByteReader, kind: Item['kind']): unknown {
  if (kind === 'string') return reader.readString();
  if (kind === 'bytes') return reader.readBytes();
  if (kind === 'u8') return reader.readU8();
  if (kind === 'varuint') return reader.readVaruint();
  if (kind === 'varint') return reader.readVarint();
  return reader.readF64();
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof TopGunError) return error.code;
    throw error;
  }
  return 'none';
}

describe('ByteWriter and ByteReader', () => {
  it('give back every sequence of items as it was written, also after a reset', () => {
    const writer = new ByteWriter(16);
    fc.assert(
      fc.property(fc.array(item, { maxLength: 30 }), (items) => {
        writer.reset();
        for (const each of items) write(writer, each);
        const reader = new ByteReader(writer.toBytes());
        for (const each of items) expect(read(reader, each.kind)).toEqual(each.value);
        reader.expectEnd();
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [300, 'ac02'],
    [2 ** 31, '8080808008'],
    [Number.MAX_SAFE_INTEGER, 'ffffffffffffff0f'],
  ])('spell the varuint %d as %s', (value, hex) => {
    const writer = new ByteWriter();
    writer.writeVaruint(value);
    expect(Buffer.from(writer.toBytes()).toString('hex')).toBe(hex);
  });

  it('hand out copies', () => {
    const writer = new ByteWriter();
    writer.writeU8(1);
    const first = writer.toBytes();
    writer.reset();
    writer.writeU8(2);
    expect([...first]).toEqual([1]);
  });

  it('write parts of other bytes', () => {
    const writer = new ByteWriter(16);
    const source = Uint8Array.from({ length: 100 }, (_, i) => i);
    writer.writeRaw(source, 10, 13);
    writer.writeBytes(source, 20, 70);
    const bytes = writer.toBytes();
    expect([...bytes.subarray(0, 4)]).toEqual([10, 11, 12, 50]);
    expect([...bytes.subarray(4)]).toEqual([...source.subarray(20, 70)]);
  });
});

describe('ByteWriter', () => {
  it.each([-1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d as a varuint', (value) => {
    expect(codeOf(() => new ByteWriter().writeVaruint(value))).toBe('INTERNAL');
  });

  it('refuses a lone surrogate and leaves nothing of it behind', () => {
    const writer = new ByteWriter();
    writer.writeU8(7);
    expect(codeOf(() => writer.writeString('a\ud800'))).toBe('INVALID_VALUE');
    expect([...writer.toBytes()]).toEqual([7]);
  });

  it('refuses to grow beyond its limit, but uses every byte up to it', () => {
    const writer = new ByteWriter(16, 100);
    writer.writeString('x'.repeat(90));
    expect(writer.length).toBe(91);
    for (let i = 0; i < 9; i++) writer.writeU8(i);
    expect(codeOf(() => writer.writeU8(9))).toBe('TOO_LARGE');
    expect(writer.length).toBe(100);
  });
});

describe('ByteReader', () => {
  it('gives views that are plain Uint8Arrays, whatever the input is', () => {
    const bytes = new ByteReader(Buffer.from([2, 5, 6])).readBytes();
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    expect([...bytes]).toEqual([5, 6]);
  });

  it.each([
    ['a length beyond the end', [0xff, 0xff, 0xff, 0xff, 0x0f], (r: ByteReader) => r.readString()],
    ['bytes beyond the end', [3, 1, 2], (r: ByteReader) => r.readBytes()],
    ['a count that cannot be', [100, 0, 0], (r: ByteReader) => r.readCount(1)],
    ['a varuint beyond 2^53', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], (r: ByteReader) => r.readVaruint()],
    ['a varuint without end', new Array<number>(20).fill(0x80), (r: ByteReader) => r.readVaruint()],
    ['a varuint spelled too long', [0x80, 0x00], (r: ByteReader) => r.readVaruint()],
    ['a cut varuint', [0x80], (r: ByteReader) => r.readVaruint()],
    ['a cut float', [1, 2, 3], (r: ByteReader) => r.readF64()],
    ['a text that is not UTF-8', [2, 0xc0, 0x80], (r: ByteReader) => r.readString()],
    ['leftovers', [1], (r: ByteReader) => r.expectEnd()],
    ['a step of no length', [1, 2], (r: ByteReader) => r.skip(Number.NaN)],
  ])('refuses %s with BAD_FRAME', (_, bytes, use) => {
    expect(codeOf(() => use(new ByteReader(Uint8Array.from(bytes))))).toBe('BAD_FRAME');
  });

  it('throws nothing but BAD_FRAME on random bytes', () => {
    const kinds: readonly Item['kind'][] = ['u8', 'varuint', 'varint', 'f64', 'string', 'bytes'];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.array(fc.constantFrom(...kinds)), (bytes, reads) => {
        const reader = new ByteReader(bytes);
        const code = codeOf(() => {
          for (const kind of reads) read(reader, kind);
        });
        expect(['none', 'BAD_FRAME']).toContain(code);
        expect(reader.position).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 5000 },
    );
  });
});
