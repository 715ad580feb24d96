import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WriteRejection } from '@topgunbuild/client';
import {
  type ClientMessage,
  EntryBatch,
  type ErrorCode,
  encodeMessage,
  encodeValue,
  subjectTag,
  Tag,
} from '@topgunbuild/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openClient } from './support/openClient.js';
import { RawSession } from './support/RawSession.js';
import { type ServerProcess, spawnServer, startServer } from './support/startServer.js';
import { tempFolder } from './support/tempFolder.js';

const RULES = [
  { maps: ['open', 'n'], allow: ['read', 'write'] },
  { maps: 'read-only', allow: ['read'] },
  { topics: 'news', allow: ['subscribe'] },
];

let server: ServerProcess;
let clients = 0;

beforeAll(async () => {
  server = await spawnServer(['--memory', '--no-auth']);
});

afterAll(async () => {
  await server.child.kill();
});

/** A session that may send anything, and the replica id it must use. */
async function hostile(): Promise<{ readonly session: RawSession; readonly replica: string }> {
  const clientId = `hostile-${clients++}`;
  return {
    session: await RawSession.authenticated(server.url, null, clientId),
    replica: `${clientId}.incarnat.${subjectTag('')}`,
  };
}

/** After whatever happened, the node serves. */
async function stillServes(): Promise<void> {
  const client = await openClient({ url: server.url });
  await client.getMap('m').set('alive', Math.random()).acked;
  expect(server.child.process.exitCode).toBeNull();
}

interface OpParts {
  readonly map?: string;
  readonly key?: string;
  readonly tag?: Tag;
  readonly ms?: number;
  readonly replica?: string;
  readonly expires?: number;
  readonly value?: Uint8Array;
}

/** Each: what is wrong with the op, and the code it is refused with. */
const BAD_OPS: readonly [string, OpParts, ErrorCode][] = [
  ['a clock an hour ahead', { ms: Date.now() + 3_600_000 }, 'CLOCK_DRIFT'],
  ['a value that is none', { value: new Uint8Array([0xc1]) }, 'INVALID_VALUE'],
  ['a value that goes on after its end', { value: new Uint8Array([1, 1]) }, 'INVALID_VALUE'],
  ['a removal with a value', { tag: Tag.LWW_REMOVE, value: encodeValue(1) }, 'INVALID_VALUE'],
  ['a deadline before the write', { expires: 1 }, 'INVALID_VALUE'],
  ['a value of more than 1 MiB', { value: encodeValue(new Uint8Array(1024 * 1024 + 1)) }, 'TOO_LARGE'],
  ['a key of more than 1 KiB', { key: 'k'.repeat(1025) }, 'TOO_LARGE'],
  ['a map name of more than 256 bytes', { map: 'm'.repeat(257) }, 'TOO_LARGE'],
  ['another kind than the record has', { key: 'register', tag: Tag.OR_ADD }, 'KIND_MISMATCH'],
  ['the name of another client', { replica: `somebody.incarnat.${subjectTag('')}` }, 'FORBIDDEN'],
  ['the mark of another subject', { replica: `hostile-0.incarnat.${subjectTag('bob')}` }, 'FORBIDDEN'],
];

describe('an operation', () => {
  it.each(BAD_OPS)('with %s is refused by its code, and those around it are not', async (_what, parts, code) => {
    const { session, replica } = await hostile();
    const ops = new EntryBatch();
    const good = (key: string): unknown =>
      ops.add('m', key, Tag.LWW_SET, Date.now(), ops.count, replica, 0, encodeValue(key));
    good('register');
    session.send({ type: 'OP_BATCH', batchId: 1, routed: false, mapVersion: 1, ops });
    await session.next('OP_ACK');
    ops.clear();
    good(`before ${code}`);
    const { map = 'm', key = 'bad', tag = Tag.LWW_SET, ms = Date.now(), expires = 0, value = encodeValue(1) } = parts;
    ops.add(map, key, tag, ms, 1, parts.replica ?? replica, expires, value);
    good(`after ${code}`);
    session.send({ type: 'OP_BATCH', batchId: 2, routed: false, mapVersion: 1, ops });
    const ack = await session.next('OP_ACK');
    expect(ack.rejected).toMatchObject([{ index: 1, code }]);
    expect(ack.ranges).toEqual([0, 1, 2, 1]);
    await stillServes();
  });

  it('that is refused is undone and reported, and does not hold back those behind it', async () => {
    const rules = join(tempFolder(), 'rules.json');
    writeFileSync(rules, JSON.stringify(RULES));
    const { url } = await startServer(['--memory', '--no-auth', '--rules', rules]);
    const client = await openClient({ url });
    const rejections: WriteRejection[] = [];
    client.on('write-rejected', (rejection) => rejections.push(rejection));
    const refused = client.getMap('read-only').set('k', 'mine');
    const later = Array.from({ length: 50 }, (_, i) => client.getMap('open').set(`k${i}`, i).acked);
    await expect(refused.acked).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await Promise.all(later);
    expect(rejections).toMatchObject([
      { map: 'read-only', key: 'k', operation: 'set', value: 'mine', error: { code: 'FORBIDDEN' } },
    ]);
    expect(client.getMap('read-only').get('k')).toBeUndefined();
    expect(client.pendingWrites).toBe(0);
    await expect(client.getMap('closed').synced()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('of another kind than the record has is refused even if the client did not know the record', async () => {
    const [one, other] = [await openClient({ url: server.url }), await openClient({ url: server.url })];
    await one.getMap('kinds').set('k', 1).acked;
    await expect(other.getORMap('kinds').add('k', 'x').acked).rejects.toMatchObject({ code: 'KIND_MISMATCH' });
    await expect(other.getCounter('kinds', 'k').increment().acked).rejects.toMatchObject({ code: 'KIND_MISMATCH' });
    await other.getMap('kinds').set('k', 2).acked;
  });

  it('that is too large is refused by the client already, and nothing else suffers', async () => {
    const client = await openClient({ url: server.url });
    const map = client.getMap('m');
    const large = map.set('large', new Uint8Array(1024 * 1024 + 1));
    const small = map.set('small', 1);
    await expect(large.acked).rejects.toMatchObject({ code: 'TOO_LARGE' });
    await small.acked;
    expect(map.get('large')).toBeUndefined();
  });
});

describe('a session', () => {
  it('that floods is held to its rate, op by op, and everything else is served', { timeout: 30_000 }, async () => {
    const { session, replica } = await hostile();
    const ops = new EntryBatch();
    for (let i = 0; i < 10_000; i++) ops.add('flood', `k${i}`, Tag.LWW_SET, Date.now(), i, replica, 0, encodeValue(i));
    const frame = encodeMessage({ type: 'OP_BATCH', batchId: 1, routed: false, mapVersion: 1, ops });
    const BATCHES = 40;
    for (let i = 0; i < BATCHES; i++) session.sendBytes(frame);
    const codes = new Set<ErrorCode>();
    for (let i = 0; i < BATCHES; i++) for (const { code } of (await session.next('OP_ACK')).rejected) codes.add(code);
    expect(codes).toContain('RATE_LIMITED');
    await stillServes();
  });

  it('with a query that is wrong gets its code, and goes on', async () => {
    const { session } = await hostile();
    const query = { where: { a: { $what: 1 } } } as unknown as Extract<ClientMessage, { type: 'QUERY_SUB' }>['query'];
    session.send({ type: 'QUERY_SUB', queryId: 7, map: 'm', query, logId: null, cursors: [], shards: null });
    expect(await session.next('ERROR')).toMatchObject({ code: 'INVALID_QUERY', ref: 7 });
    session.send({ type: 'PING', nonce: 3 });
    expect(await session.next('PONG')).toMatchObject({ nonce: 3 });
  });

  it('with frames that are none is warned, then ended', async () => {
    const { session } = await hostile();
    for (const bytes of [[], [0xc1], [0x93, 0xff, 1, 2]]) session.sendBytes(new Uint8Array(bytes));
    for (let i = 0; i < 3; i++) expect((await session.next('ERROR')).code).toBe('BAD_FRAME');
    expect((await session.closed).code).toBe(1008);
    await stillServes();
  });

  it('that speaks before it is known is ended', async () => {
    const session = await RawSession.connect(server.url);
    session.send({ type: 'TOPIC_SUB', topic: 'news' });
    expect((await session.next('ERROR')).code).toBe('AUTH_REQUIRED');
    expect((await session.closed).code).toBe(1008);
  });

  it('with a frame beyond the limit is ended', async () => {
    const { session } = await hostile();
    session.sendBytes(new Uint8Array(8 * 1024 * 1024 + 1));
    expect((await session.closed).code).toBe(1009);
    await stillServes();
  });

  it('of another version of the protocol is told so', async () => {
    const session = await RawSession.connect(server.url);
    session.send({ type: 'AUTH', protocol: 99, token: null, clientId: 'c1', mapVersion: 0 });
    expect((await session.next('ERROR')).code).toBe('UNSUPPORTED_PROTOCOL');
    await session.closed;
  });
});
