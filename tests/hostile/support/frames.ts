import {
  ByteWriter,
  type ClientMessage,
  EntryBatch,
  encodeMessage,
  encodeStamps,
  encodeTotals,
  encodeValue,
  PROTOCOL_VERSION,
  subjectTag,
  Tag,
  WIRE_TYPES,
} from '@topgunbuild/core';
import type { Random } from './Random.js';

/*
 * Frames as an attacker makes them. Some are right in every byte (or nothing behind the decoder would ever be
 * reached), some are right but for a few bytes, and some lie in their structure: counts, lengths, indexes, types.
 */

const NAMES = [
  'todos',
  'm',
  '__proto__',
  'constructor',
  'toString',
  'a/../b',
  '*',
  '>',
  ' ',
  'é',
  'e\u0301',
  '\u0000',
  '\n',
];
const NUMBERS = [
  0,
  1,
  -1,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  2 ** 31,
  2 ** 32,
  2 ** 48,
  2 ** 53 - 1,
  2 ** 53,
  1.5,
  -0,
];
const WALL = 1_760_000_000_000;

/** A frame for the session of `subject` under `clientId`. */
export function hostileFrame(random: Random, clientId: string, subject: string): Uint8Array {
  switch (random.below(10)) {
    case 0:
      return random.bytes(random.below(random.chance(0.1) ? 2_000 : 64));
    case 1:
    case 2:
    case 3:
      return damaged(random, encodeMessage(validMessage(random, clientId, subject)));
    case 4:
      return looseMessage(random);
    case 5:
    case 6:
      return lyingBatch(random, clientId, subject);
    case 7:
      return nested(random);
    default:
      return encodeMessage(validMessage(random, clientId, subject));
  }
}

export function validMessage(random: Random, clientId: string, subject: string): ClientMessage {
  switch (random.below(14)) {
    case 0:
      return { type: 'AUTH', protocol: PROTOCOL_VERSION, token: subject, clientId, mapVersion: random.below(3) };
    case 1:
      return { type: 'PING', nonce: random.below(1_000) };
    case 2:
    case 3:
      return {
        type: 'QUERY_SUB',
        queryId: random.below(6),
        map: name(random),
        query: query(random),
        ...cursors(random),
        shards: random.chance(0.7) ? null : Array.from({ length: random.below(5) }, () => random.below(6)),
      };
    case 4:
      return { type: 'QUERY_UNSUB', queryId: random.below(6) };
    case 5:
      return { type: 'TOPIC_SUB', topic: name(random) };
    case 6:
      return { type: 'TOPIC_UNSUB', topic: name(random) };
    case 7:
      return { type: 'TOPIC_PUB', topic: name(random), payload: payload(random) };
    case 8:
      return { type: 'PARTITION_MAP_REQUEST', version: random.below(3) };
    default:
      return {
        type: 'OP_BATCH',
        batchId: random.below(1_000),
        routed: random.chance(0.5),
        mapVersion: random.below(3),
        ops: batch(random, clientId, subject),
      };
  }
}

function name(random: Random): string {
  return random.chance(0.5) ? 'todos' : random.pick(NAMES);
}

function cursors(random: Random): { logId: string | null; cursors: number[] } {
  if (random.chance(0.5)) return { logId: null, cursors: [] };
  const pairs = Array.from({ length: random.below(6) }, () => [
    random.below(random.chance(0.9) ? 5 : 271),
    number(random),
  ]);
  return { logId: random.pick(['log-1', '', 'other']), cursors: pairs.flat() };
}

function number(random: Random): number {
  return Math.max(0, Math.floor(random.chance(0.7) ? random.below(50) : Math.min(random.pick(NUMBERS), 2 ** 53 - 1)));
}

function query(random: Random): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  if (random.chance(0.7)) made.where = where(random, 0);
  if (random.chance(0.4)) made.sort = { [name(random)]: random.pick(['asc', 'desc', 'up', 1]) };
  if (random.chance(0.3)) made.limit = random.pick([1, 2, 10, 10_000, 0, -1, 1.5, 10_001, '1']);
  if (random.chance(0.2)) made.offset = random.pick([0, 1, 100_000, -1]);
  if (random.chance(0.05)) made[name(random)] = 1;
  return made;
}

function where(random: Random, level: number): unknown {
  const operator = random.pick([
    '$eq',
    '$ne',
    '$gt',
    '$lte',
    '$in',
    '$nin',
    '$exists',
    '$startsWith',
    '$contains',
    '$not',
    '$bad',
  ]);
  switch (random.below(level > 3 ? 3 : 5)) {
    case 0:
      return { [path(random)]: value(random, 0) };
    case 1:
      return { [path(random)]: { [operator]: random.chance(0.5) ? value(random, 0) : [value(random, 0)] } };
    case 2:
      return {};
    case 3:
      return { [random.pick(['$and', '$or'])]: [where(random, level + 1), where(random, level + 1)] };
    default:
      return { $not: where(random, level + 1) };
  }
}

function path(random: Random): string {
  return random.pick([
    'a',
    'a.b',
    '_key',
    '_key.length',
    '__proto__',
    '__proto__.polluted',
    'constructor.name',
    '',
    '.',
    '0',
    ...NAMES,
  ]);
}

function value(random: Random, level: number): unknown {
  switch (random.below(level > 2 ? 6 : 9)) {
    case 0:
      return random.pick(NUMBERS);
    case 1:
      return random.pick([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324]);
    case 2:
      return random.pick(NAMES);
    case 3:
      return random.pick([null, true, false]);
    case 4:
      return random.pick([0n, 2n ** 63n, -(2n ** 70n)]);
    case 5:
      return random.chance(0.5) ? new Date(random.below(1_000)) : random.bytes(random.below(5));
    case 6:
      return Array.from({ length: random.below(4) }, () => value(random, level + 1));
    default: {
      const made: Record<string, unknown> = {};
      for (let i = random.below(4); i > 0; i--) {
        Object.defineProperty(made, random.chance(0.5) ? 'a' : random.pick(NAMES), {
          value: value(random, level + 1),
          enumerable: true,
          configurable: true,
          writable: true,
        });
      }
      return made;
    }
  }
}

function payload(random: Random): Uint8Array {
  return random.chance(0.1) ? random.bytes(random.below(20)) : encodeValue(value(random, 0));
}

export function replica(random: Random, clientId: string, subject: string): string {
  const incarnation = random.chance(0.9)
    ? 'abcd1234'
    : random.pick(['zzzzzzzz', '00000000', 'ABCD1234', '', 'abcd12345']);
  if (random.chance(0.93)) return `${clientId}.${incarnation}.${subjectTag(subject)}`;
  return random.pick([
    '',
    '.',
    `${clientId}.`,
    `other.abcd1234.${subjectTag(subject)}`,
    `${clientId}.abcd1234.${subjectTag('eve')}`,
  ]);
}

function batch(random: Random, clientId: string, subject: string): EntryBatch {
  const made = new EntryBatch();
  const rows = random.below(random.chance(0.05) ? 60 : 5);
  for (let i = 0; i < rows; i++) {
    const tag = random.chance(0.95) ? random.pick([0, 0, 0, 1, 2, 3, 4] as const) : random.pick(Object.values(Tag));
    const ms = random.chance(0.9) ? WALL + random.below(50) : Math.min(number(random), 2 ** 48 - 1);
    const expires = random.chance(0.9) ? 0 : ms + random.below(3) * 1_000;
    made.add(
      name(random),
      key(random, tag),
      tag,
      ms,
      random.below(random.chance(0.9) ? 8 : 65_536),
      replica(random, clientId, subject),
      expires,
      bytesFor(random, tag, clientId, subject),
    );
  }
  return made;
}

/** Kinds mostly have keys of their own, or every record would be a mismatch. */
function key(random: Random, tag: number): string {
  return random.chance(0.8)
    ? `${tag < 2 ? 'r' : tag < 4 ? 's' : 'c'}${random.below(20)}`
    : random.pick([...NAMES, '', 'k'.repeat(1_025)]);
}

function bytesFor(random: Random, tag: number, clientId: string, subject: string): Uint8Array {
  if (random.chance(0.05)) return random.bytes(random.below(12));
  if (tag === Tag.LWW_REMOVE) return new Uint8Array(0);
  if (tag === Tag.COUNTER_ADD) return encodeTotals(number(random), number(random));
  if (tag !== Tag.OR_REMOVE) return payload(random);
  const stamps = Array.from({ length: 1 + random.below(4) }, () => ({
    ms: WALL + random.below(50),
    counter: random.below(8),
    replica: replica(random, clientId, subject),
  }));
  return damagedSometimes(random, encodeStamps(stamps));
}

function damagedSometimes(random: Random, bytes: Uint8Array): Uint8Array {
  return random.chance(0.1) ? damaged(random, bytes) : bytes;
}

/** Up to four bytes changed, added or taken away, or a piece of the frame cut off or doubled. */
export function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  let result: Uint8Array = bytes.slice();
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(result.length + 1);
    const byte = random.chance(0.5)
      ? random.below(256)
      : random.pick([0, 1, 0x7f, 0x80, 0xc1, 0xc6, 0xdb, 0xdd, 0xdf, 0xff]);
    switch (random.below(6)) {
      case 0:
        if (at < result.length) result[at] = (result[at] as number) ^ (1 << (byte & 7));
        break;
      case 1:
        if (at < result.length) result[at] = byte;
        break;
      case 2:
        result = result.subarray(0, at);
        break;
      case 3:
        result = concat(result.subarray(0, at), Uint8Array.of(byte), result.subarray(at));
        break;
      case 4:
        result = concat(result.subarray(0, at), result.subarray(at + 1));
        break;
      default:
        result = concat(result.subarray(0, at), result.subarray(Math.max(0, at - (byte & 15))));
    }
  }
  return result.slice();
}

/** A known type with fields of any type and any number, or claims of up to 4 GiB in a few bytes. */
function looseMessage(random: Random): Uint8Array {
  const writer = new ByteWriter(64);
  const fields = random.below(8);
  if (random.chance(0.9)) writer.writeU8(0x90 | (fields + 1));
  else
    for (const byte of random.pick([
      [0xdc, 0xff, 0xff],
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xdf, 0, 0, 0, 9],
    ]))
      writer.writeU8(byte);
  const type = random.chance(0.9) ? random.pick(Object.values(WIRE_TYPES)) : random.below(300);
  raw(writer, encodeValue(type));
  for (let i = 0; i < fields; i++) raw(writer, field(random));
  return writer.toBytes();
}

const CLAIMS = [
  [0xc6, 0xff, 0xff, 0xff, 0xff],
  [0xdb, 0xff, 0xff, 0xff, 0xff],
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdf, 0xff, 0xff, 0xff, 0xff],
  [0xc9, 0xff, 0xff, 0xff, 0xff, 1],
  [0xd4, 1, 0],
  [0xd6, 0xff, 0, 0, 0, 0],
  [0xc7, 3, 5, 1, 2, 3],
  [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
  [0xc1],
];

function field(random: Random): Uint8Array {
  if (random.chance(0.3)) return Uint8Array.from(random.pick(CLAIMS));
  return encodeValue(random.chance(0.2) ? query(random) : value(random, 0));
}

/** 100 to 100,000 levels of lists or maps, closed or not, as a whole frame or within a query or payload. */
function nested(random: Random): Uint8Array {
  const depth = random.chance(0.02) ? 100_000 : 100 + random.below(200);
  const level = random.pick([[0x91], [0x81, 0xa1, 0x61], [0xdc, 0, 1], [0x81, 0xa4, 0x24, 0x6e, 0x6f, 0x74]]);
  const deep = new Uint8Array(depth * level.length + 1);
  for (let i = 0; i < depth; i++) deep.set(level, i * level.length);
  deep[deep.length - 1] = 0xc0;
  switch (random.below(4)) {
    case 0:
      return deep;
    case 1:
      return concat(Uint8Array.of(0x96, 20, 1, 0xa1, 0x6d), deep, Uint8Array.of(0xc0, 0x90));
    case 2:
      return concat(
        Uint8Array.of(0x96, 20, 1, 0xa1, 0x6d, 0x81, 0xa5, 0x77, 0x68, 0x65, 0x72, 0x65),
        deep,
        Uint8Array.of(0xc0, 0x90),
      );
    default:
      return encodeMessage({ type: 'TOPIC_PUB', topic: 'todos', payload: deep });
  }
}

/** The columns of a batch, written by hand, each of which may lie. */
function lyingBatch(random: Random, clientId: string, subject: string): Uint8Array {
  const lie = random.below(9);
  const count = 1 + random.below(4);
  const writer = new ByteWriter(128);
  writer.writeU8(lie === 0 ? random.below(256) : random.pick([0, 1, 4, 5]));
  const flags = writer.bytes[0] as number;
  writer.writeVaruint(lie === 1 ? Math.floor(random.pick([0, count + 1, 255, 2 ** 21, 2 ** 32, 2 ** 53 - 1])) : count);
  dictionary(writer, random, count, [name(random), name(random)], lie === 2);
  dictionary(writer, random, count, [replica(random, clientId, subject)], lie === 3);
  for (let i = 0; i < ((flags & 4) !== 0 ? 1 : count); i++)
    writer.writeU8(lie === 4 ? random.below(256) : random.below(5));
  writer.writeVaruint(lie === 5 ? Math.floor(Math.abs(random.pick(NUMBERS))) % 2 ** 53 : WALL);
  for (let i = 1; i < count; i++) writer.writeVarint(lie === 5 ? -(2 ** 48) : random.below(3));
  for (let i = 0; i < count; i++)
    writer.writeVarint(lie === 6 ? random.pick([-1, 65_536, 2 ** 40]) : i === 0 ? random.below(9) : 1);
  if ((flags & 1) !== 0) for (let i = 0; i < count; i++) writer.writeVaruint(random.pick([0, 1, 1_001, 2 ** 51]));
  const keys = Array.from({ length: count }, () => encodeValue(`r${random.below(9)}`).subarray(1));
  for (const bytes of keys) writer.writeVaruint(lie === 7 ? random.pick([0, 3, 2 ** 32]) : bytes.length);
  for (const bytes of keys) raw(writer, lie === 7 && random.chance(0.3) ? Uint8Array.of(0xff, 0xc0) : bytes);
  const values = Array.from({ length: count }, () => payload(random));
  for (const bytes of values)
    writer.writeVaruint(lie === 8 ? random.pick([0, bytes.length + 1, 2 ** 31, 2 ** 52]) : bytes.length);
  for (const bytes of values) raw(writer, bytes);
  const header = Uint8Array.of(
    0x95,
    10,
    random.below(100),
    random.pick([0xc2, 0xc3]),
    1,
    0xc5,
    writer.length >> 8,
    writer.length & 0xff,
  );
  return concat(header, writer.toBytes());
}

function dictionary(writer: ByteWriter, random: Random, count: number, texts: readonly string[], lies: boolean): void {
  const size = Math.min(texts.length, count);
  writer.writeVaruint(lies ? Math.floor(random.pick([0, size + 1, count + 1, 2 ** 32])) : size);
  for (const text of texts.slice(0, size)) writer.writeString(text);
  if (size > 1)
    for (let i = 0; i < count; i++)
      writer.writeVaruint(lies && random.chance(0.5) ? random.pick([size, 2 ** 32]) : random.below(size));
}

function raw(writer: ByteWriter, bytes: Uint8Array): void {
  writer.writeRaw(bytes, 0, bytes.length);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
