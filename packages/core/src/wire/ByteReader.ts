import { TopGunError } from '../errors.js';
import { viewBytes } from './sliceBytes.js';
import { readUtf8 } from './utf8.js';

const MAX_VARUINT_BYTES = 8;
const scratch = new DataView(new ArrayBuffer(8));

/**
 * Reads what ByteWriter wrote, from bytes nobody vouches for: whatever they hold, a read gives a value in range or
 * throws `TopGunError('BAD_FRAME')`, and no length is believed before that many bytes are seen to be there.
 */
export class ByteReader {
  bytes: Uint8Array;
  position: number;
  end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = Math.min(end, bytes.length);
  }

  get remaining(): number {
    return this.end - this.position;
  }

  readU8(): number {
    if (this.position >= this.end) throw tooShort();
    return this.bytes[this.position++] as number;
  }

  readVaruint(): number {
    const first = this.readU8();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let weight = 0x80;
    for (let count = 1; count < MAX_VARUINT_BYTES; count++) {
      const byte = this.readU8();
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) {
        // One spelling a number: no zeros in front, and nothing that a double cannot hold.
        if (byte === 0 || value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      weight *= 0x80;
    }
    throw new TopGunError('BAD_FRAME', 'an integer is spelled wrongly or beyond 2^53');
  }

  readVarint(): number {
    const folded = this.readVaruint();
    return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
  }

  /** How many items follow, each of at least `minBytes` bytes: a count that cannot be true is refused here. */
  readCount(minBytes: number): number {
    const count = this.readVaruint();
    if (count * minBytes > this.remaining) throw tooShort();
    return count;
  }

  readF64(): number {
    const at = this.skip(8);
    for (let i = 0; i < 8; i++) scratch.setUint8(i, this.bytes[at + i] as number);
    return scratch.getFloat64(0);
  }

  readString(): string {
    const size = this.readVaruint();
    const at = this.skip(size);
    const text = readUtf8(this.bytes, at, at + size);
    if (text === null) throw new TopGunError('BAD_FRAME', 'a text is not UTF-8');
    return text;
  }

  /** Length, then bytes: as a view of the input, which shares its memory. */
  readBytes(): Uint8Array {
    return this.readRaw(this.readVaruint());
  }

  /** `size` bytes as a view of the input, which shares its memory. */
  readRaw(size: number): Uint8Array {
    const at = this.skip(size);
    return viewBytes(this.bytes, at, at + size);
  }

  /** Steps over `size` bytes and returns where they begin: for those who want offsets instead of views. */
  skip(size: number): number {
    if (!(size <= this.end - this.position)) throw tooShort();
    const at = this.position;
    this.position = at + size;
    return at;
  }

  /** For the end of a message: bytes left over mean that the two sides disagree about its shape. */
  expectEnd(): void {
    if (this.position !== this.end) throw new TopGunError('BAD_FRAME', `${this.remaining} bytes follow the end`);
  }
}

function tooShort(): TopGunError {
  return new TopGunError('BAD_FRAME', 'the frame ends before what it announces');
}
