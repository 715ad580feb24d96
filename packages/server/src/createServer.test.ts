import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  EntryBatch,
  encodeMessage,
  encodeTotals,
  encodeValue,
  PARTITION_COUNT,
  subjectTag,
  Tag,
} from '@topgunbuild/core';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createServer } from './createServer.js';
import type { ServerOptions } from './ServerOptions.js';
import type { TopGunNode } from './TopGunNode.js';
import { WsClient } from './testing/gatewayHarness.js';

const SECRET = '0123456789abcdef0123456789abcdef';
const nodes: TopGunNode[] = [];
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'topgun-node-'));
});

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop({ graceful: false })));
  await rm(directory, { recursive: true, force: true });
});

async function start(options: Partial<ServerOptions> = {}): Promise<TopGunNode> {
  const node = createServer({ port: 0, auth: { secret: SECRET }, backbone: { type: 'memory' }, ...options });
  nodes.push(node);
  return node.start();
}

function token(sub: string, roles: readonly string[] = [], lifetime = '1h'): Promise<string> {
  return new SignJWT({ sub, roles })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(lifetime)
    .sign(new TextEncoder().encode(SECRET));
}

async function join_(node: TopGunNode, bearer: string | null, clientId = 'c1'): Promise<WsClient> {
  const client = new WsClient(new WebSocket(node.url));
  await client.opened();
  client.send({ type: 'AUTH', protocol: 1, token: bearer, clientId, mapVersion: 0 });
  await client.until('AUTH_ACK');
  return client;
}

const replica = (subject: string, clientId = 'c1'): string => `${clientId}.abcd1234.${subjectTag(subject)}`;

function set(map: string, key: string, value: unknown, subject: string, counter = 0): EntryBatch {
  const batch = new EntryBatch();
  batch.add(map, key, Tag.LWW_SET, Date.now(), counter, replica(subject), 0, encodeValue(value));
  return batch;
}

async function write(client: WsClient, ops: EntryBatch, batchId = 1): Promise<readonly string[]> {
  client.messages.length = 0;
  client.send({ type: 'OP_BATCH', batchId, routed: false, mapVersion: 1, ops });
  return (await client.until('OP_ACK')).rejected.map((op) => op.code);
}

const http = (node: TopGunNode, path: string, init?: RequestInit): Promise<Response> =>
  fetch(`http://127.0.0.1:${node.port}${path}`, init);

describe('a node', () => {
  it('serves writes, reads and live queries to a client with a token', async () => {
    const node = await start();
    const client = await join_(node, await token('ann'));
    expect(await write(client, set('todos', 'a', { done: false }, 'ann'))).toEqual([]);
    expect(node.read('todos', 'a')).toEqual({ done: false });
    client.send({ type: 'QUERY_SUB', queryId: 1, map: 'todos', query: {}, logId: null, cursors: [], shards: null });
    const records = await client.until('QUERY_RECORDS');
    expect(records.records.keys).toEqual(['a']);
  });

  it('tells where it is, who it is and what it owns', async () => {
    const node = await start({ nodeId: 'alpha', advertise: 'wss://public.example/topgun' });
    expect(node.nodeId).toBe('alpha');
    expect(node.port).toBeGreaterThan(0);
    expect(node.url).toBe('wss://public.example/topgun');
    expect(node.partitionMap?.nodes).toEqual([{ id: 'alpha', endpoint: 'wss://public.example/topgun' }]);
    expect(node.isOwner('anything')).toBe(true);
    expect(node.read('todos', 'nothing')).toBeUndefined();
  });

  it('lets nobody in without a token that holds', async () => {
    const node = await start();
    for (const bearer of [null, 'forged', await token('ann', [], '-1s')]) {
      const client = new WsClient(new WebSocket(node.url));
      await client.opened();
      client.send({ type: 'AUTH', protocol: 1, token: bearer, clientId: 'c1', mapVersion: 0 });
      await client.until('AUTH_FAIL');
      expect(await client.closed()).toMatchObject({ code: 4401 });
    }
  });

  it('ends a session within a second after its token', async () => {
    const node = await start();
    const client = await join_(node, await token('ann', [], '2s'));
    const { code } = await client.closed();
    expect(code).toBe(4401);
    expect(client.messages.at(-1)).toMatchObject({ type: 'ERROR', code: 'AUTH_EXPIRED' });
  });

  it('keeps to its rules, rows included, and takes rows back when rights narrow', async () => {
    const node = await start({
      permissions: [
        { roles: ['admin'], maps: '*', allow: ['read', 'write'] },
        { maps: 'todos', allow: ['read', 'write'], where: { owner: '$sub' } },
      ],
    });
    const admin = await join_(node, await token('root', ['admin']), 'c9');
    const other = new EntryBatch();
    other.add('todos', 'b', Tag.LWW_SET, Date.now(), 0, replica('root', 'c9'), 0, encodeValue({ owner: 'bob' }));
    expect(await write(admin, other)).toEqual([]);
    const ann = await join_(node, await token('ann'));
    expect(await write(ann, set('todos', 'a', { owner: 'ann' }, 'ann'))).toEqual([]);
    expect(await write(ann, set('todos', 'b', { owner: 'ann' }, 'ann', 1))).toEqual(['FORBIDDEN']);
    expect(await write(ann, set('other', 'a', 1, 'ann', 2))).toEqual(['FORBIDDEN']);
    ann.send({ type: 'QUERY_SUB', queryId: 1, map: 'todos', query: {}, logId: null, cursors: [], shards: null });
    expect((await ann.until('QUERY_RECORDS')).records.keys).toEqual(['a']);
  });

  it('counts, and refuses a slot of another replica', async () => {
    const node = await start({ auth: 'none' });
    const client = await join_(node, null);
    const batch = new EntryBatch();
    batch.add('hits', 'n', Tag.COUNTER_ADD, Date.now(), 0, replica(''), 0, encodeTotals(5, 2));
    batch.add('hits', 'n', Tag.COUNTER_ADD, Date.now(), 0, replica('', 'other'), 0, encodeTotals(99, 0));
    expect(await write(client, batch)).toEqual(['FORBIDDEN']);
    expect(node.read('hits', 'n')).toBe(3);
  });

  it('passes topic messages between clients', async () => {
    const node = await start({ auth: 'none' });
    const [one, two] = [await join_(node, null, 'c1'), await join_(node, null, 'c2')];
    one.send({ type: 'TOPIC_SUB', topic: 'news' });
    one.send({ type: 'PING', nonce: 1 });
    await one.until('PONG');
    two.send({ type: 'TOPIC_PUB', topic: 'news', payload: encodeValue('hi') });
    expect(await one.until('TOPIC_MESSAGE')).toMatchObject({ topic: 'news', publisherId: 'c2' });
  });
});

describe('stopping', () => {
  it('gracefully says goodbye, answers what is under way, closes, and refuses connections', async () => {
    const node = await start({ auth: 'none' });
    const client = await join_(node, null);
    client.send({ type: 'OP_BATCH', batchId: 1, routed: false, mapVersion: 1, ops: set('m', 'k', 1, '') });
    client.send({ type: 'PING', nonce: 1 });
    await client.until('PONG');
    const { url } = node;
    await Promise.all([node.stop(), node.stop()]);
    expect((await client.closed()).code).toBe(1001);
    expect(client.messages.filter((m) => m.type === 'OP_ACK')).toHaveLength(1);
    expect(client.messages.at(-1)?.type === 'GOODBYE' || client.messages.at(-2)?.type === 'GOODBYE').toBe(true);
    const late = new WebSocket(url);
    await new Promise((resolve) => late.once('error', resolve));
  });

  it('is quick when nobody is there, and stopping what never started is fine', async () => {
    const node = await start();
    await node.stop();
    await createServer({ auth: 'none', backbone: { type: 'memory' } }).stop();
  });

  it('keeps what was acknowledged over a restart, under another node id and the same log', async () => {
    const backbone = { type: 'embedded', path: join(directory, 'data') } as const;
    const first = await start({ auth: 'none', backbone });
    const client = await join_(first, null);
    await write(client, set('todos', 'a', { n: 1 }, ''));
    const before = first.partitionMap;
    await first.stop({ graceful: false });
    const second = await start({ auth: 'none', backbone });
    expect(second.read('todos', 'a')).toEqual({ n: 1 });
    expect(second.partitionMap?.clusterId).toBe(before?.clusterId);
    expect(second.partitionMap?.incarnation).not.toBe(before?.incarnation);
  });
});

describe('starting fails with one clear error', () => {
  it('when the port is taken, and leaves the store free for another', async () => {
    const first = await start();
    const backbone = { type: 'embedded', path: join(directory, 'data') } as const;
    await expect(start({ port: first.port, backbone })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect((await start({ backbone })).port).toBeGreaterThan(0);
  });

  it('when another node has the store', async () => {
    const backbone = { type: 'embedded', path: join(directory, 'data') } as const;
    await start({ backbone });
    await expect(start({ backbone })).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  it.each<[string, unknown, RegExp]>([
    ['no auth', {}, /auth is missing/],
    ['a short secret', { auth: { secret: 'secret' } }, /needs at least 32/],
    ['an empty auth', { auth: {} }, /exactly one of secret/],
    ['another word than none', { auth: 'off' }, /auth/],
    ['a port out of range', { auth: 'none', port: 70_000 }, /^port/],
    ['nats without servers', { auth: 'none', backbone: { type: 'nats', servers: '' } }, /^backbone.servers/],
    ['two replicas', { auth: 'none', backbone: { type: 'nats', servers: 'x', replicas: 2 } }, /^backbone.replicas/],
    [
      'a cluster of another name',
      { auth: 'none', backbone: { type: 'nats', servers: 'x', cluster: 'a.b' } },
      /^backbone.cl/,
    ],
    ['an unknown backbone', { auth: 'none', backbone: { type: 'redis' } }, /^backbone/],
    ['a misspelt option', { auth: 'none', prot: 1 }, /prot/],
    ['a misspelt limit', { auth: 'none', limits: { maxKeyByte: 1 } }, /maxKeyByte/],
    ['a limit of zero', { auth: 'none', limits: { maxSessions: 0 } }, /^limits.maxSessions/],
    ['values larger than frames', { auth: 'none', limits: { maxFrameBytes: 2_000 } }, /maxValueBytes/],
    ['an endpoint that is no WebSocket', { auth: 'none', advertise: 'http://x' }, /^advertise/],
    ['a node id with spaces', { auth: 'none', nodeId: 'a b' }, /^nodeId/],
    ['a wrong rule', { auth: 'none', permissions: [{ maps: '*', allow: ['eat'] }] }, /^permissions\[0\]/],
    ['rules that are a text', { auth: 'none', permissions: 'all' }, /^permissions/],
    ['nothing', undefined, /auth is missing/],
  ])('for %s', (_, options, message) => {
    const fail = (): TopGunNode => createServer(options as ServerOptions);
    expect(fail).toThrow(message);
    expect(fail).toThrow(expect.objectContaining({ name: 'TopGunError' }));
  });
});

describe('over HTTP', () => {
  it('is alive, and ready once it serves', async () => {
    const node = await start();
    expect((await http(node, '/healthz')).status).toBe(200);
    expect(await (await http(node, '/readyz')).text()).toBe('ready\n');
    expect((await http(node, '/readyz?verbose=1')).status).toBe(200);
    expect((await http(node, '/healthz', { method: 'HEAD' })).status).toBe(200);
  });

  it('shows the cluster that it is', async () => {
    const node = await start({ nodeId: 'alpha' });
    const cluster = (await (await http(node, '/cluster')).json()) as Record<string, unknown>;
    expect(cluster).toMatchObject({
      mapVersion: 1,
      shardCount: 32,
      partitionCount: PARTITION_COUNT,
      logId: node.partitionMap?.clusterId,
      nodes: [{ id: 'alpha', endpoint: node.url, partitions: PARTITION_COUNT, shards: 32, lag: 0, ready: true }],
    });
    expect(cluster.owners).toEqual(new Array(PARTITION_COUNT).fill('alpha'));
  });

  it('counts what happens, and names no key, value or subject', async () => {
    const node = await start();
    const client = await join_(node, await token('ann-the-subject'));
    await write(client, set('secret-map', 'secret-key', 'secret-value', 'ann-the-subject'));
    await write(client, set('secret-map', 'k', 1, 'bob'));
    const response = await http(node, '/metrics');
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('version=0.0.4');
    expect(text).toContain('\ntopgun_sessions 1\n');
    expect(text).toContain('\ntopgun_ops_acked_total 1\n');
    expect(text).toContain('\ntopgun_ops_rejected_total{code="FORBIDDEN"} 1\n');
    expect(text).toMatch(/\ntopgun_append_seconds_bucket\{le="\+Inf"\} 1\n/);
    expect(text).toContain('\ntopgun_append_seconds_count 1\n');
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"\})? [\d.e+-]+)$/);
    }
    expect(`${text}${await (await http(node, '/cluster')).text()}`).not.toMatch(/secret|ann-the-subject/);
  });

  it('keeps metrics to itself when told so', async () => {
    expect((await http(await start({ metrics: false }), '/metrics')).status).toBe(404);
  });

  it('knows no other path and no other method', async () => {
    const node = await start();
    for (const path of ['/', '/admin', '/metrics/', '/healthz/../cluster%00', '/__proto__', '/sync']) {
      expect((await http(node, path)).status).toBe(404);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const response = await http(node, '/cluster', { method });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD');
    }
    expect((await http(node, '/healthz', { method: 'POST', body: 'x'.repeat(1_000_000) })).status).toBe(405);
  });
});

it('a frame of another protocol is an error, not the end of the node', async () => {
  const node = await start({ auth: 'none' });
  const client = await join_(node, null);
  client.ws.send(encodeMessage({ type: 'PONG', nonce: 1, serverTime: 0 }));
  expect(await client.until('ERROR')).toMatchObject({ code: 'BAD_FRAME' });
  expect(await write(client, set('m', 'k', 1, ''))).toEqual([]);
});
