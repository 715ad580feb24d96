import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntryBatch } from '../crdt/EntryBatch.js';
import { TopGunError } from '../errors.js';
import { DEFAULT_LIMITS } from '../limits.js';
import { rowsOf } from '../testing/batches.js';
import { cpuMs } from '../testing/cpuMs.js';
import { clientMessages, serverMessages } from '../testing/messages.js';
import { damaged, damages } from '../testing/mutations.js';
import { decodeValue } from '../value/decodeValue.js';
import { encodeValue } from '../value/encodeValue.js';
import { decodeClientMessage, decodeServerMessage, encodeMessage } from './codec.js';
import type { ClientMessage, OpBatchMessage, ServerMessage } from './messages.js';
import { WIRE_TYPES } from './wireTypes.js';

type Message = ClientMessage | ServerMessage;

interface Case {
  readonly type: string;
  readonly message: fc.Arbitrary<Message>;
  readonly decode: (frame: Uint8Array) => Message;
}

const all: readonly Case[] = [
  ...Object.entries(clientMessages).map(([type, message]) => caseOf(type, message, decodeClientMessage)),
  ...Object.entries(serverMessages).map(([type, message]) => caseOf(type, message, decodeServerMessage)),
];

function caseOf(type: string, message: fc.Arbitrary<Message>, decode: (frame: Uint8Array) => Message): Case {
  return { type, message, decode: (frame) => decode(frame) };
}

/** A message, its batches replaced by rows that can be compared. */
function comparable(message: Message): unknown {
  return Object.fromEntries(
    Object.entries(message).map(([name, value]) => [name, value instanceof EntryBatch ? rowsOf(value) : value]),
  );
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'ok';
  } catch (error) {
    if (!(error instanceof TopGunError)) throw error;
    return error.code;
  }
}

const ANSWERS: ReadonlySet<string> = new Set(['ok', 'BAD_FRAME', 'TOO_LARGE']);

it('knows every type of message', () => {
  expect(all.map(({ type }) => type).sort()).toEqual(Object.keys(WIRE_TYPES).sort());
});

describe.each(all)('$type', ({ type, message, decode }) => {
  it('arrives as it was sent', () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(comparable(decode(encodeMessage(sent)))).toEqual(comparable(sent));
      }),
    );
  });

  it('is an array of its type and its fields, and nothing may be missing or follow', () => {
    fc.assert(
      fc.property(message, (sent) => {
        const fields = fieldsOf(sent);
        expect(fields[0]).toBe(WIRE_TYPES[sent.type]);
        expect(codeOf(() => decode(encodeValue([...fields, 0])))).toBe('BAD_FRAME');
        expect(codeOf(() => decode(encodeValue(fields.slice(0, -1))))).toBe('BAD_FRAME');
        expect(codeOf(() => decode(new Uint8Array([...encodeValue(fields), 0])))).toBe('BAD_FRAME');
      }),
    );
  });

  it('is not taken from the wrong side', () => {
    fc.assert(
      fc.property(message, (sent) => {
        const other = type in clientMessages ? decodeServerMessage : decodeClientMessage;
        expect(codeOf(() => other(encodeMessage(sent)))).toBe('BAD_FRAME');
      }),
      { numRuns: 10 },
    );
  });

  it('is refused when any field, at any depth, is of a wrong type', () => {
    fc.assert(
      fc.property(message, (sent) => {
        const fields = fieldsOf(sent);
        for (const path of pathsOf(sent.type, fields)) {
          for (const wrong of wrongFor(sent.type, path, at(fields, path))) {
            const code = codeOf(() => decode(encodeValue(replaced(fields, path, wrong))));
            if (code !== 'BAD_FRAME') expect.fail(`field ${path} may be ${String(wrong)}: ${code}`);
          }
        }
      }),
      { numRuns: 15 },
    );
  });

  it('is taken or refused by code, however its bytes are damaged', () => {
    fc.assert(
      fc.property(message, damages, (sent, dealt) => {
        const frame = damaged(encodeMessage(sent), dealt);
        for (const read of [decodeClientMessage, decodeServerMessage]) {
          if (!ANSWERS.has(codeOf(() => read(frame)))) return false;
        }
        return true;
      }),
      { numRuns: 1_000 },
    );
  });
});

// --- wrong types ---------------------------------------------------------------------------------------------------

type Path = readonly number[];

/** Everything that a field may be mistaken for. */
const STRANGERS: readonly unknown[] = [
  null,
  true,
  'text',
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  7n,
  new Date(0),
  new Uint8Array([1]),
  [],
  [[[]]],
  {},
];

function fieldsOf(message: Message): unknown[] {
  return decodeValue(encodeMessage(message)) as unknown[];
}

/** The paths of all fields, also those of arrays within arrays; an object or bytes are one field. Of long lists, some. */
function pathsOf(type: string, value: unknown, path: Path = []): Path[] {
  const own = path.length === 0 ? [] : [path];
  if (!Array.isArray(value)) return own;
  const isChosen = (i: number): boolean => (path.length === 0 ? i > 0 : i < 4 || i >= value.length - 4);
  return [...own, ...value.flatMap((item, i) => (isChosen(i) ? pathsOf(type, item, [...path, i]) : []))];
}

function at(value: unknown, path: Path): unknown {
  return path.reduce((item, i) => (item as readonly unknown[])[i], value);
}

function replaced(value: unknown, path: Path, wrong: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return wrong;
  return (value as readonly unknown[]).map((item, i) => (i === first ? replaced(item, rest, wrong) : item));
}

const NULLABLE = new Set(['AUTH 2', 'QUERY_SUB 4', 'QUERY_SUB 6', 'AUTH_ACK 5', 'ERROR 3']);
/** Fields that are any finite number, not just whole ones from 0 on. */
const NUMBERS = new Set(['AUTH_REQUIRED 5', 'AUTH_ACK 3', 'AUTH_ACK 4', 'PONG 2', 'TOPIC_MESSAGE 4']);
/** Lists of any length: an empty one is right. */
const LISTS = new Set([
  'QUERY_SUB 5',
  'QUERY_SUB 6',
  'NOT_OWNER 2',
  'PARTITION_MAP_DELTA 4',
  'PARTITION_MAP_DELTA 5',
  'OP_ACK 2',
  'OP_ACK 3',
  'OP_ACK 4',
  'QUERY_RECORDS 2',
  'QUERY_RESET 3',
  'AUTH_ACK 5.4',
  'PARTITION_MAP 1.4',
]);
/** The version: any other one is read, and nothing after it. */
const VERSIONS = new Set(['AUTH 1', 'AUTH_REQUIRED 1']);

function wrongFor(type: string, path: Path, right: unknown): unknown[] {
  const field = `${type} ${path.join('.')}`;
  return STRANGERS.filter((stranger) => {
    if (stranger === null) return !NULLABLE.has(field);
    if (NULLABLE.has(field) && right === null) return !isRightFor(field, stranger);
    if (NUMBERS.has(field) && typeof stranger === 'number') return !Number.isFinite(stranger);
    if (VERSIONS.has(field) && typeof stranger === 'number') return !(Number.isSafeInteger(stranger) && stranger >= 0);
    if (Array.isArray(stranger) && stranger.length === 0 && LISTS.has(field)) return false;
    if (typeof right === 'number')
      return typeof stranger !== 'number' || !(Number.isSafeInteger(stranger) && stranger >= 0);
    if (typeof right === 'string') return typeof stranger !== 'string' || isCode(field);
    if (typeof right === 'boolean') return typeof stranger !== 'boolean';
    if (right instanceof Uint8Array) return !(stranger instanceof Uint8Array) || !isPayload(field);
    if (Array.isArray(right)) return true;
    return Object.prototype.toString.call(stranger) !== '[object Object]';
  });
}

/** What fields may be that are null in the message at hand. */
function isRightFor(field: string, stranger: unknown): boolean {
  if (field === 'ERROR 3') return typeof stranger === 'number' && Number.isSafeInteger(stranger) && stranger >= 0;
  if (field === 'QUERY_SUB 6') return Array.isArray(stranger) && stranger.length === 0;
  return field !== 'AUTH_ACK 5' && typeof stranger === 'string';
}

function isCode(field: string): boolean {
  return /^(AUTH_FAIL 1|ERROR 1|OP_ACK 3\.\d+\.1)$/.test(field);
}

function isPayload(field: string): boolean {
  return field === 'TOPIC_PUB 2' || field === 'TOPIC_MESSAGE 2';
}

// --- frames --------------------------------------------------------------------------------------------------------

describe('a frame', () => {
  it('of noise is taken or refused by code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(...Object.values(WIRE_TYPES)), (noise, type) => {
        for (const frame of [noise, new Uint8Array([0x95, type, ...noise])]) {
          for (const read of [decodeClientMessage, decodeServerMessage]) {
            if (!ANSWERS.has(codeOf(() => read(frame)))) return false;
          }
        }
        return true;
      }),
      { numRuns: 20_000 },
    );
  });

  it.each([
    ['empty', []],
    ['no array', [0x01]],
    ['an empty array', [0x90]],
    ['an array that claims 2^32 - 1 fields', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['an array whose header is cut off', [0xdc, 0x00]],
    ['of no known type', [0x92, 0x7f, 0x00]],
    ['of a type that is a text', [0x92, 0xa1, 0x61, 0x00]],
    ['a PING that claims a text of 2^32 - 1 bytes', [0x92, 2, 0xdb, 0xff, 0xff, 0xff, 0xff]],
    ['a TOPIC_SUB that claims a text of 2^32 - 1 bytes', [0x92, 30, 0xdb, 0xff, 0xff, 0xff, 0xff]],
    ['a TOPIC_PUB that claims 2^32 - 1 bytes', [0x93, 32, 0xa1, 0x61, 0xc6, 0xff, 0xff, 0xff, 0xff]],
    ['a QUERY_SUB that claims 2^32 - 1 cursors', [0x96, 20, 1, 0xa1, 0x61, 0x80, 0xc0, 0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a QUERY_SUB whose query claims 2^32 - 1 fields', [0x96, 20, 1, 0xa1, 0x61, 0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['an odd number of cursors', [0x96, 20, 1, 0xa1, 0x61, 0x80, 0xc0, 0x93, 1, 1, 1]],
    ['the cursor of a shard that cannot be', [0x96, 20, 1, 0xa1, 0x61, 0x80, 0xc0, 0x92, 0xcd, 0x01, 0x0f, 1]],
  ])('that is %s is refused as BAD_FRAME', (_, bytes) => {
    expect(codeOf(() => decodeClientMessage(new Uint8Array(bytes)))).toBe('BAD_FRAME');
  });

  it('of 8 MiB is refused in a moment, whatever it nests or repeats', () => {
    const size = 8 * 1024 * 1024;
    const frames = [
      new Uint8Array(size).fill(0x91),
      new Uint8Array(size).fill(0x90).fill(0xdd, 0, 1),
      frameOf(size, [0x96, 20, 1, 0xa1, 0x61, 0xdf, 0, 0x3f, 0xff, 0xff], 0x90),
      frameOf(size, [0x96, 20, 1, 0xa1, 0x61, 0x80, 0xc0, 0xdd, 0, 0x7f, 0xff, 0x00], 1),
      frameOf(size, [0x92, 30, 0xdb, 0, 0x7f, 0xff, 0x00], 0x61),
      frameOf(size, [0x95, 10, 1, 0xc2, 0, 0xc6, 0, 0x7f, 0xff, 0xf0, 4, 0xff, 0xff, 0x7f], 1),
    ];
    for (const frame of frames) {
      const started = cpuMs();
      expect(['BAD_FRAME', 'TOO_LARGE']).toContain(codeOf(() => decodeClientMessage(frame)));
      expect(cpuMs() - started).toBeLessThan(500);
    }
  });

  it('that nests deeper than any value may is refused, and overflows no stack', () => {
    for (const opening of [0x91, 0x81]) {
      const frame = frameOf(200_000, [0x96, 20, 1, 0xa1, 0x61, 0x81, 0xa1, 0x61], opening);
      expect(codeOf(() => decodeClientMessage(frame))).toBe('BAD_FRAME');
    }
  });
});

function frameOf(size: number, head: readonly number[], fill: number): Uint8Array {
  const frame = new Uint8Array(size).fill(fill);
  frame.set(head);
  return frame;
}

describe('messages', () => {
  it('of operations take as many as the server allows', () => {
    const ops = new EntryBatch();
    for (let i = 0; i <= DEFAULT_LIMITS.maxBatchOps; i++) ops.add('m', 'k', 1, i, 0, 'r', 0);
    const message: OpBatchMessage = { type: 'OP_BATCH', batchId: 1, routed: false, mapVersion: 0, ops };
    const frame = encodeMessage(message);
    expect(codeOf(() => decodeClientMessage(frame))).toBe('TOO_LARGE');
    expect(codeOf(() => decodeClientMessage(frame, ops.count))).toBe('ok');
  });

  it('hold no query that is larger than any sensible one', () => {
    const sub = (size: number): Uint8Array =>
      encodeMessage({
        type: 'QUERY_SUB',
        queryId: 1,
        map: 'm',
        query: { where: { data: new Uint8Array(size) } },
        logId: null,
        cursors: [],
        shards: null,
      });
    expect(codeOf(() => decodeClientMessage(sub(2_000_000)))).toBe('ok');
    expect(codeOf(() => decodeClientMessage(sub(2_200_000)))).toBe('TOO_LARGE');
  });

  it('of another protocol version tell the version and nothing else, whatever their fields', () => {
    const frame = encodeValue([WIRE_TYPES.AUTH, 2, { anything: ['new'] }]);
    const expected = { type: 'AUTH', protocol: 2, token: null, clientId: '', mapVersion: 0 };
    expect(decodeClientMessage(frame)).toEqual(expected);
    const hello = decodeServerMessage(encodeValue([WIRE_TYPES.AUTH_REQUIRED, 9, 1, 2, 3, 4, 5, 6, 7, 8]));
    expect(hello).toMatchObject({ type: 'AUTH_REQUIRED', protocol: 9, limits: DEFAULT_LIMITS });
  });

  it('carry error texts whatever was quoted in them', () => {
    const message = `no map ${'\ud83d'.repeat(5_000)}`;
    const frame = encodeMessage({ type: 'ERROR', code: 'FORBIDDEN', message, ref: null });
    expect(decodeServerMessage(frame)).toMatchObject({ code: 'FORBIDDEN', ref: null });
  });

  it('ignore limits that they do not know or that make no sense, and keep defaults for those that are missing', () => {
    const limits = { maxKeyBytes: 7, maxNameBytes: -1, maxValueBytes: 'x', unheardOf: 3 };
    const frame = encodeValue([WIRE_TYPES.AUTH_REQUIRED, 1, 'n', 'c', 'l', 0, limits]);
    expect(decodeServerMessage(frame)).toMatchObject({ limits: { ...DEFAULT_LIMITS, maxKeyBytes: 7 } });
  });

  it('do not share memory with the frame where they are kept for long', () => {
    const query = { where: { bytes: new Uint8Array([1, 2, 3]) } };
    const frame = encodeMessage({
      type: 'QUERY_SUB',
      queryId: 1,
      map: 'm',
      query,
      logId: null,
      cursors: [],
      shards: null,
    });
    const message = decodeClientMessage(frame);
    frame.fill(0);
    expect(message).toMatchObject({ query });
  });

  it('keep fields such as __proto__ apart from the objects they are in', () => {
    const query = JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}') as Record<string, unknown>;
    const sent: ClientMessage = {
      type: 'QUERY_SUB',
      queryId: 1,
      map: '__proto__',
      query,
      logId: null,
      cursors: [],
      shards: null,
    };
    const message = decodeClientMessage(encodeMessage(sent));
    expect(message).toEqual(sent);
    expect('a' in (message as { query: object }).query).toBe(false);
  });

  it('reset no shard that cannot be', () => {
    const reset = (shard: number): Uint8Array => encodeValue([WIRE_TYPES.QUERY_RESET, 1, 'log', [0, shard]]);
    expect(decodeServerMessage(reset(270))).toMatchObject({ shards: [0, 270] });
    expect(codeOf(() => decodeServerMessage(reset(271)))).toBe('BAD_FRAME');
  });

  it('give a partition map that agrees with itself', () => {
    const map = ['c', 'i', 1, 2, [['n', 'ws://n']], [1, 0], [1, 1]];
    const frame = (...changed: [number, unknown][]) => {
      const fields = map.map((field, i) => changed.find(([at]) => at === i)?.[1] ?? field);
      return encodeValue([WIRE_TYPES.PARTITION_MAP, fields]);
    };
    expect(decodeServerMessage(frame())).toMatchObject({ map: { owners: [0, -1], epochs: [1, 1], shardCount: 2 } });
    for (const bad of [
      frame([3, 0]),
      frame([3, 0], [5, []], [6, []]),
      frame([3, 3]),
      frame([3, 272]),
      frame([5, [1]]),
      frame([5, [2, 0]]),
      frame([6, []]),
    ]) {
      expect(codeOf(() => decodeServerMessage(bad))).toBe('BAD_FRAME');
    }
  });
});
