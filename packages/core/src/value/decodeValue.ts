import type { ByteReader } from '../wire/ByteReader.js';
import { copyBytes, viewBytes } from '../wire/sliceBytes.js';
import { readUtf8 } from '../wire/utf8.js';
import { isWideBigint, readTimestamp, readWideBigint } from './extensions.js';
import { EXT_BIGINT, EXT_TIMESTAMP, MAX_VALUE_DEPTH, malformed, readU16, readU32 } from './format.js';
import { isInherited, type KeyNode, KeyTrie } from './KeyTrie.js';

export interface DecodeOptions {
  /** False: a `Uint8Array` in the result is a view of the input and shares its memory. Default true. */
  readonly copyBytes?: boolean;
}

// An array's claimed length is believed up to this size; longer ones grow as their items turn up. Otherwise 64 arrays
// within each other could each claim the whole rest of the input.
const MAX_PRESIZED = 256;
// A DataView over the input costs as much as reading this many floats without one.
const FEW_FLOATS = 8;
const NO_BYTES = new Uint8Array(0);
const scratch = new DataView(new ArrayBuffer(8));

/**
 * The value that `bytes[start, end)` encodes, all of it. Throws `TopGunError('INVALID_VALUE')` for anything that is not
 * exactly one well-formed value (README.md tells the rules).
 */
export function decodeValue(bytes: Uint8Array, start = 0, end = bytes.length, options?: DecodeOptions): unknown {
  return decoder.decode(bytes, start, end, options?.copyBytes !== false);
}

/** Reads one value at the reader's position and moves behind it. Throws as `decodeValue` does. */
export function readValue(reader: ByteReader, options?: DecodeOptions): unknown {
  return decoder.decodeNext(reader, options?.copyBytes !== false);
}

class ValueDecoder {
  private bytes: Uint8Array = NO_BYTES;
  private pos = 0;
  private end = 0;
  private copyBytes = true;
  private floats = 0;
  private view: DataView | null = null;
  private readonly keys = new KeyTrie();

  decode(bytes: Uint8Array, start: number, end: number, copyBytes: boolean): unknown {
    this.open(bytes, start, end, copyBytes);
    try {
      const value = this.read(MAX_VALUE_DEPTH);
      if (this.pos !== this.end) throw malformed(`${this.end - this.pos} bytes follow its end`);
      return value;
    } finally {
      this.close();
    }
  }

  decodeNext(reader: ByteReader, copyBytes: boolean): unknown {
    this.open(reader.bytes, reader.position, reader.end, copyBytes);
    try {
      const value = this.read(MAX_VALUE_DEPTH);
      reader.position = this.pos;
      return value;
    } finally {
      this.close();
    }
  }

  private open(bytes: Uint8Array, start: number, end: number, copyBytes: boolean): void {
    this.bytes = bytes;
    this.pos = start;
    this.end = Math.min(end, bytes.length);
    this.copyBytes = copyBytes;
    this.floats = 0;
  }

  /** The input may be a part of a large frame: do not keep it alive. */
  private close(): void {
    this.bytes = NO_BYTES;
    this.view = null;
  }

  /** `depth` is how many levels may still open. */
  private read(depth: number): unknown {
    const pos = this.pos;
    if (pos >= this.end) throw tooShort();
    this.pos = pos + 1;
    const token = this.bytes[pos] as number;
    if (token < 0x80) return token;
    if (token < 0x90) return this.readMap(token & 0x0f, depth);
    if (token < 0xa0) return this.readArray(token & 0x0f, depth);
    if (token < 0xc0) return this.readText(token & 0x1f);
    if (token >= 0xe0) return token - 0x100;
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.readBytes(this.u8());
      case 0xc5:
        return this.readBytes(this.u16());
      case 0xc6:
        return this.readBytes(this.u32());
      case 0xc7:
        return this.readExtension(this.u8());
      case 0xc8:
        return this.readExtension(this.u16());
      case 0xc9:
        return this.readExtension(this.u32());
      case 0xca:
        scratch.setUint32(0, this.u32());
        return scratch.getFloat32(0);
      case 0xcb:
        return this.f64();
      case 0xcc:
        return this.u8();
      case 0xcd:
        return this.u16();
      case 0xce:
        return this.u32();
      case 0xcf:
        this.loadEight();
        return scratch.getBigUint64(0);
      case 0xd0:
        return (this.u8() << 24) >> 24;
      case 0xd1:
        return (this.u16() << 16) >> 16;
      case 0xd2:
        return this.u32() | 0;
      case 0xd3:
        this.loadEight();
        return scratch.getBigInt64(0);
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.readExtension(1 << (token - 0xd4));
      case 0xd9:
        return this.readText(this.u8());
      case 0xda:
        return this.readText(this.u16());
      case 0xdb:
        return this.readText(this.u32());
      case 0xdc:
        return this.readArray(this.u16(), depth);
      case 0xdd:
        return this.readArray(this.u32(), depth);
      case 0xde:
        return this.readMap(this.u16(), depth);
      case 0xdf:
        return this.readMap(this.u32(), depth);
      default:
        throw malformed('0xc1 begins no value');
    }
  }

  /** Steps over `size` bytes, which must be there, and returns where they begin. */
  private take(size: number): number {
    const pos = this.pos;
    if (!(size <= this.end - pos)) throw tooShort();
    this.pos = pos + size;
    return pos;
  }

  private u8(): number {
    return this.bytes[this.take(1)] as number;
  }

  private u16(): number {
    return readU16(this.bytes, this.take(2));
  }

  private u32(): number {
    return readU32(this.bytes, this.take(4));
  }

  private f64(): number {
    if (this.view === null) {
      if (this.floats++ < FEW_FLOATS) {
        this.loadEight();
        return scratch.getFloat64(0);
      }
      this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
    }
    return this.view.getFloat64(this.take(8));
  }

  private loadEight(): void {
    const pos = this.take(8);
    scratch.setUint32(0, readU32(this.bytes, pos));
    scratch.setUint32(4, readU32(this.bytes, pos + 4));
  }

  private readText(size: number): string {
    const pos = this.take(size);
    const text = readUtf8(this.bytes, pos, pos + size);
    if (text === null) throw malformed('a text is not UTF-8');
    return text;
  }

  private readBytes(size: number): Uint8Array {
    const pos = this.take(size);
    return this.copyBytes ? copyBytes(this.bytes, pos, pos + size) : viewBytes(this.bytes, pos, pos + size);
  }

  private readArray(count: number, depth: number): unknown[] {
    if (depth === 0) throw malformed(`it lies deeper than ${MAX_VALUE_DEPTH} levels`);
    if (count > this.end - this.pos) throw malformed('an array claims more items than there are bytes');
    if (count > MAX_PRESIZED) {
      const items: unknown[] = [];
      for (let i = 0; i < count; i++) items.push(this.read(depth - 1));
      return items;
    }
    const items = new Array<unknown>(count);
    for (let i = 0; i < count; i++) items[i] = this.read(depth - 1);
    return items;
  }

  private readMap(count: number, depth: number): Record<string, unknown> {
    if (depth === 0) throw malformed(`it lies deeper than ${MAX_VALUE_DEPTH} levels`);
    if (count * 2 > this.end - this.pos) throw malformed('a map claims more fields than there are bytes');
    const object: Record<string, unknown> = {};
    const keys = this.keys;
    let node: KeyNode | null = keys.root;
    for (let i = 0; i < count; i++) {
      const size = this.keySize();
      const pos = this.take(size);
      if (node !== null) node = keys.step(node, this.bytes, pos, pos + size);
      const key = node !== null ? node.text : this.unknownKey(object, pos, pos + size);
      const value = this.read(depth - 1);
      if (node !== null ? node.inherited : isInherited(key)) define(object, key, value);
      else object[key] = value;
    }
    return object;
  }

  private keySize(): number {
    const token = this.bytes[this.take(1)] as number;
    if ((token & 0xe0) === 0xa0) return token & 0x1f;
    if (token === 0xd9) return this.u8();
    if (token === 0xda) return this.u16();
    if (token === 0xdb) return this.u32();
    throw malformed('a map has a key that is no text');
  }

  private unknownKey(object: object, start: number, end: number): string {
    const key = readUtf8(this.bytes, start, end);
    if (key === null) throw malformed('a key is not UTF-8');
    if (Object.hasOwn(object, key)) throw malformed('a map has the same key twice');
    return key;
  }

  private readExtension(size: number): bigint | Date {
    const type = this.u8();
    const pos = this.take(size);
    if (type === EXT_TIMESTAMP) {
      const ms = readTimestamp(this.bytes, pos, size);
      if (Number.isNaN(ms)) throw malformed('a timestamp is outside the range of Date');
      return new Date(ms);
    }
    if (type !== EXT_BIGINT) throw malformed(`extension type ${(type << 24) >> 24} is unknown`);
    if (!isWideBigint(this.bytes, pos, size)) throw malformed('a bigint is spelled wrongly');
    return readWideBigint(this.bytes, pos, size);
  }
}

function tooShort(): Error {
  return malformed('it ends too soon');
}

/** Assignment to `__proto__` would change the prototype, and to others fail where Object.prototype is frozen. */
function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

// What it remembers between calls makes decoding faster, never different.
const decoder = new ValueDecoder();
