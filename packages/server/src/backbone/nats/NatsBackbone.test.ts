import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { systemRuntime } from '@topgunbuild/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findNatsServer } from '../../../../../scripts/nats/natsServer.js';
import { NatsServer } from '../../../../../tests/support/NatsServer.js';
import { startNatsCluster } from '../../../../../tests/support/startNatsCluster.js';
import { withFreePorts } from '../../../../../tests/support/withFreePorts.js';
import type { LogRecord } from '../Backbone.js';
import { NatsBackbone } from './NatsBackbone.js';
import type { NatsOptions } from './NatsOptions.js';

const runtime = systemRuntime();
const bytes = (length: number, fill = 1): Uint8Array => new Uint8Array(length).fill(fill);
const pause = (ms: number): Promise<void> => new Promise((resolve) => runtime.setTimer(ms, resolve));

async function until(condition: () => boolean, withinMs = 10_000): Promise<void> {
  for (const end = runtime.monotonic() + withinMs; !condition(); await pause(5)) {
    if (runtime.monotonic() > end) throw new Error(`it did not come about within ${withinMs} ms`);
  }
}

let server: NatsServer;
let clusters = 0;
let cluster = '';
const opened: NatsBackbone[] = [];

async function open(options: Partial<NatsOptions> = {}): Promise<NatsBackbone> {
  const backbone = new NatsBackbone({ servers: [server.url], cluster, ...options });
  await backbone.open();
  opened.push(backbone);
  return backbone;
}

async function append(backbone: NatsBackbone, shard: number, fill: number): Promise<number> {
  const result = await backbone.log.append(shard, bytes(3, fill), await backbone.log.head(shard));
  if (result.status === 'fenced') throw new Error('fenced');
  return result.seq;
}

async function read(backbone: NatsBackbone, shard: number): Promise<LogRecord[]> {
  const found: LogRecord[] = [];
  for await (const record of backbone.log.read(shard, 0)) found.push(record);
  return found;
}

/** A request to JetStream behind the backbone's back. */
async function ask(subject: string, body: object = {}, servers: readonly string[] = [server.url]): Promise<unknown> {
  const connection = await connect({ servers: [...servers] });
  const reply = await connection.request(`$JS.API.${subject}`, JSON.stringify(body));
  await connection.close();
  return reply.json();
}

const LOGIN = { user: 'node', pass: 'secret' };
const USER = { user: 'node', password: 'secret' };

/** Runs a server whose configuration is all its own. */
async function withOwnServer(config: Record<string, unknown>, use: (url: string) => Promise<void>): Promise<void> {
  const binary = (await findNatsServer()) ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'nats-own-'));
  await withFreePorts(1, async ([port]) => {
    const jetstream = config.jetstream === true ? { jetstream: { store_dir: folder } } : {};
    const path = join(folder, 'nats.conf');
    writeFileSync(path, JSON.stringify({ ...config, listen: `127.0.0.1:${port}`, ...jetstream }));
    const child = spawn(binary, ['--config', path], { stdio: 'ignore' });
    try {
      await use(`nats://127.0.0.1:${port}`);
    } finally {
      await Promise.all(opened.splice(0).map((backbone) => backbone.close()));
      child.kill('SIGKILL');
      await once(child, 'exit');
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

beforeAll(async () => {
  server = await NatsServer.start();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((backbone) => backbone.close()));
});

afterAll(() => server.stop());

describe('a NATS backbone whose server is killed', () => {
  it('says so, comes back by itself, and goes on where it was', async () => {
    cluster = `c${clusters++}`;
    const [a, b] = await Promise.all([open(), open()]);
    const seen: number[] = [];
    b.cluster.tails.tail(1, 0, ({ seq }) => seen.push(seq));
    const keys: string[] = [];
    await b.cluster.registry.watch('node.', (key, entry) => keys.push(`${key} ${entry?.value[0]}`));
    const heard: number[] = [];
    b.cluster.bus.serve('ping', (payload) => payload);
    b.cluster.bus.subscribe('news', (payload) => heard.push(payload[0] ?? 0));
    let interruptions = 0;
    b.cluster.bus.onInterrupted(() => interruptions++);
    const written = [await append(a, 1, 1), await append(a, 1, 2)];
    await a.cluster.registry.compareAndSet('node.a', bytes(1, 1), 0);
    await until(() => seen.length === 2 && keys.length === 1);

    await server.kill('SIGKILL');
    await until(() => a.problem !== null && b.problem !== null);
    expect(interruptions).toBe(1);
    const since = runtime.monotonic();
    await expect(a.log.append(1, bytes(1), written[1] ?? 0)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(a.cluster.registry.get('node.a')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(a.cluster.bus.request('ping', bytes(1), 60_000)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(runtime.monotonic() - since).toBeLessThan(1_000);
    a.cluster.bus.publish('news', bytes(1, 9));

    await server.restart();
    await until(() => a.problem === null && b.problem === null);
    expect(interruptions).toBe(2);
    expect((await read(a, 1)).map(({ seq }) => seq)).toEqual(written);
    written.push(await append(a, 1, 3), await append(a, 1, 4));
    await a.cluster.registry.compareAndSet('node.b', bytes(1, 2), 0);
    await until(() => seen.length === 4 && keys.length === 2);
    expect(seen).toEqual(written);
    expect(keys).toEqual(['node.a 1', 'node.b 2']);
    expect(await a.cluster.bus.request('ping', bytes(1, 5), 1_000)).toEqual(bytes(1, 5));
    a.cluster.bus.publish('news', bytes(1, 10));
    await until(() => heard.length === 1);
    expect(heard).toEqual([10]);
  });

  it('loses no record, and hands none over twice, while it is killed again and again', async () => {
    cluster = `c${clusters++}`;
    const [a, b] = await Promise.all([open(), open()]);
    const seen: LogRecord[] = [];
    b.cluster.tails.tail(0, 0, (record) => seen.push(record));
    let isOver = false;
    const written: number[] = [];
    const writing = (async () => {
      for (let head = 0; !isOver; ) {
        try {
          const result = await a.log.append(0, bytes(2_000), head);
          head = result.status === 'appended' ? result.seq : await a.log.head(0);
          if (result.status === 'appended') written.push(head);
        } catch {
          await pause(20);
        }
      }
    })();
    for (let kills = 0; kills < 3; kills++) {
      const goal = written.length + 50;
      await until(() => written.length >= goal);
      await server.kill('SIGKILL');
      await server.restart();
    }
    const goal = written.length + 50;
    await until(() => written.length >= goal);
    isOver = true;
    await writing;
    const head = await a.log.head(0);
    await until(() => seen.at(-1)?.seq === head);
    expect(seen.map(({ prev }) => prev)).toEqual([0, ...seen.slice(0, -1).map(({ seq }) => seq)]);
    const inLog = new Set(seen.map(({ seq }) => seq));
    expect(written.filter((seq) => !inLog.has(seq))).toEqual([]);
    expect((await read(a, 0)).map(({ seq }) => seq)).toEqual(seen.map(({ seq }) => seq));
  }, 60_000);
});

describe('a NATS backbone whose server stands still', () => {
  it('fails an append in time; that the record has come through shows by the fence', async () => {
    cluster = `c${clusters++}`;
    const a = await open({ timeoutMs: 300 });
    const first = await append(a, 1, 1);
    await server.kill('SIGSTOP');
    try {
      // A signal takes effect by and by.
      while (await a.log.head(1).catch(() => null));
      await expect(a.log.append(1, bytes(3, 2), first)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await expect(a.log.head(1)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    } finally {
      await server.kill('SIGCONT');
    }
    const again = a.log.append(1, bytes(3, 2), first);
    expect(await again).toEqual({ status: 'fenced' });
    const records = await read(a, 1);
    expect(records.map((record) => [record.prev, record.bytes[0]])).toEqual([
      [0, 1],
      [first, 2],
    ]);
  });

  it('notices within seconds, and says so', async () => {
    cluster = `c${clusters++}`;
    const a = await open({ timeoutMs: 300 });
    await server.kill('SIGSTOP');
    try {
      await until(() => a.problem !== null, 15_000);
    } finally {
      await server.kill('SIGCONT');
    }
    await until(() => a.problem === null, 15_000);
    await append(a, 1, 1);
  }, 40_000);
});

describe('the tail of a NATS backbone', () => {
  it('begins anew when its consumer vanishes without a word', async () => {
    cluster = `c${clusters++}`;
    const [a, b] = await Promise.all([open(), open()]);
    const seen: number[] = [];
    b.cluster.tails.tail(0, 0, ({ seq }) => seen.push(seq));
    const written = [await append(a, 0, 1)];
    await until(() => seen.length === 1);
    const stream = `TG_${cluster}_LOG_0`;
    const { consumers } = (await ask(`CONSUMER.NAMES.${stream}`)) as { consumers: string[] };
    expect(consumers.length).toBe(1);
    await ask(`CONSUMER.DELETE.${stream}.${consumers[0]}`);
    written.push(await append(a, 0, 2));
    await until(() => seen.length === 2, 15_000);
    expect(seen).toEqual(written);
  }, 30_000);

  it('leaves no consumer behind', async () => {
    cluster = `c${clusters++}`;
    const a = await open();
    const tail = a.cluster.tails.tail(0, 0, () => undefined);
    await append(a, 0, 1);
    for (let i = 0; i < 3; i++) await append(a, 0, 1);
    for await (const { seq } of a.log.read(0, 0)) if (seq > 2) break;
    tail.close();
    await a.close();
    expect(await ask(`CONSUMER.NAMES.TG_${cluster}_LOG_0`)).toMatchObject({ total: 0 });
  });
});

describe('a snapshot in NATS', () => {
  it('leaves nothing of former ones, nor of those given up in the middle', async () => {
    cluster = `c${clusters++}`;
    const a = await open();
    for (const seq of [1, 2, 3]) await a.log.saveSnapshot(4, { seq, chunks: [bytes(600_000, seq)] });
    await a.log.saveSnapshot(5, { seq: 1, chunks: [bytes(10)] });
    const connection = await connect({ servers: server.url });
    await connection.request(`tg.${cluster}.snapshot.4.abandoned.0`, bytes(10));
    await connection.close();
    await a.log.saveSnapshot(4, { seq: 4, chunks: [bytes(600_000, 4)] });
    expect(await ask(`STREAM.INFO.TG_${cluster}_SNAPSHOTS`)).toMatchObject({ state: { messages: 3 + 1 + 1 + 1 } });
  });

  it('is never replaced by an older one', async () => {
    cluster = `c${clusters++}`;
    const [a, b] = await Promise.all([open(), open()]);
    await a.log.saveSnapshot(4, { seq: 9, chunks: [bytes(10, 9)] });
    await b.log.saveSnapshot(4, { seq: 8, chunks: [bytes(10, 8)] });
    expect(await b.log.loadSnapshot(4)).toMatchObject({ seq: 9 });
  });

  it('of which a part is missing is refused', async () => {
    cluster = `c${clusters++}`;
    const a = await open();
    await a.log.saveSnapshot(4, { seq: 1, chunks: [bytes(600_000)] });
    const stream = `TG_${cluster}_SNAPSHOTS`;
    await ask(`STREAM.MSG.DELETE.${stream}`, { seq: 2 });
    await expect(a.log.loadSnapshot(4)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });
});

describe('opening a NATS backbone', () => {
  it('tells in one line that nobody is there, soon', async () => {
    const since = runtime.monotonic();
    await withFreePorts(1, async ([port]) => {
      const servers = [`nats://user:secret@127.0.0.1:${port}`];
      const error = await new NatsBackbone({ servers, connectWithinMs: 500 }).open().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'UNAVAILABLE' });
      const { message } = error as Error;
      expect(message).toContain(`NATS cannot be reached at nats://127.0.0.1:${port}`);
      expect(message).not.toContain('\n');
      expect(message).not.toContain('secret');
    });
    expect(runtime.monotonic() - since).toBeLessThan(3_000);
  });

  it('waits a while for a server that is about to start', async () => {
    cluster = `c${clusters++}`;
    await server.kill('SIGKILL');
    const opening = open();
    await server.restart();
    await opening;
  });

  it('tells that JetStream is not enabled', async () => {
    await withOwnServer({}, async (url) => {
      const backbone = new NatsBackbone({ servers: [url] });
      await expect(backbone.open()).rejects.toMatchObject({
        code: 'INVALID_VALUE',
        message: expect.stringContaining('JetStream is not enabled'),
      });
    });
  });

  it('tells that a password is wrong, or a right is missing, at once', async () => {
    const everything = ['>'];
    for (const permissions of [
      { publish: ['tg.>'], subscribe: everything },
      { publish: everything, subscribe: ['tg.>'] },
    ]) {
      await withOwnServer({ jetstream: true, authorization: { users: [{ ...USER, permissions }] } }, async (url) => {
        for (const connection of [{ ...LOGIN, pass: 'wrong' }, LOGIN]) {
          const backbone = new NatsBackbone({ servers: [url], connection });
          await expect(backbone.open()).rejects.toMatchObject({ code: 'FORBIDDEN' });
        }
      });
    }
  });

  it('takes no more rights than the README says', async () => {
    const permissions = {
      publish: ['tg.own.>', '$KV.TG_own.>', '$JS.API.>', '$JS.FC.>', '_INBOX.>'],
      subscribe: ['tg.own.>', '_INBOX.>'],
    };
    await withOwnServer({ jetstream: true, authorization: { users: [{ ...USER, permissions }] } }, async (url) => {
      const a = await open({ servers: [url], cluster: 'own', connection: LOGIN });
      const seen: number[] = [];
      a.cluster.tails.tail(0, 0, ({ seq }) => seen.push(seq));
      for (let n = 0; n < 10; n++) await append(a, 0, n);
      await until(() => seen.length === 10);
      await a.log.saveSnapshot(0, { seq: 10, chunks: [bytes(10)] });
      await a.log.trim(0, 3);
      expect((await read(a, 0)).length).toBeGreaterThan(5);
      expect(await a.log.loadSnapshot(0)).not.toBeNull();
      a.cluster.bus.serve('ping', (payload) => payload);
      expect(await a.cluster.bus.request('ping', bytes(1), 1_000)).toEqual(bytes(1));
    });
  });

  it('trims what no shard of a stream needs, and a single shard only when the others do not get on', async () => {
    cluster = `c${clusters++}`;
    const a = await open();
    // 32 shards share eight streams.
    const [one, beside] = [1, 9];
    for (let n = 0; n < 10; n++) await append(a, one, n);
    for (let n = 0; n < 4; n++) await append(a, beside, n);
    const seqs = async (shard: number): Promise<number[]> => (await read(a, shard)).map(({ seq }) => seq);
    expect([await seqs(one), await seqs(beside)]).toEqual([
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      [11, 12, 13, 14],
    ]);
    const saveAndTrim = async (shard: number, seq: number): Promise<void> => {
      await a.log.saveSnapshot(shard, { seq, chunks: [bytes(1)] });
      await a.log.trim(shard, seq);
    };
    await saveAndTrim(beside, 12);
    expect([await seqs(one), (await seqs(beside)).at(-1)]).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 14]);
    await saveAndTrim(one, 6);
    expect(await seqs(one)).toEqual([7, 8, 9, 10]);
    await saveAndTrim(beside, 13);
    await saveAndTrim(beside, 14);
    expect([await seqs(one), await seqs(beside)]).toEqual([[7, 8, 9, 10], [14]]);
    await saveAndTrim(one, 10);
    expect([await seqs(one), await seqs(beside)]).toEqual([[10], [14]]);

    for (let n = 0; n < 4; n++) await append(a, one, n);
    for (let n = 0; n < 4; n++) await append(a, beside, n);
    await saveAndTrim(one, 17);
    expect([await seqs(one), await seqs(beside)]).toEqual([
      [15, 16, 17, 18],
      [19, 20, 21, 22],
    ]);
    await saveAndTrim(one, 17);
    expect(await seqs(one)).toEqual([18]);
    await a.close();
  });

  it('refuses to go on without a stream that was there', async () => {
    cluster = `c${clusters++}`;
    const a = await open();
    await append(a, 3, 1);
    await a.close();
    await ask(`STREAM.DELETE.TG_${cluster}_LOG_3`);
    await expect(open()).rejects.toMatchObject({ code: 'STORAGE_FAILED', message: expect.stringContaining('LOG_3') });
    await ask(`STREAM.DELETE.KV_TG_${cluster}`);
  });

  it('refuses records without the configuration they were written with', async () => {
    cluster = `c${clusters++}`;
    const a = await open();
    await append(a, 3, 1);
    await a.close();
    await ask(`STREAM.DELETE.KV_TG_${cluster}`);
    await expect(open()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  it('tells that three replicas take more than one server', async () => {
    cluster = `c${clusters++}`;
    await expect(open({ replicas: 3 })).rejects.toMatchObject({
      code: 'INVALID_VALUE',
      message: expect.stringContaining('replicas 1'),
    });
  });

  it('refuses names that no subject can hold', () => {
    for (const name of ['', 'a b', 'a.b', '*', 'x'.repeat(33)]) {
      expect(() => new NatsBackbone({ servers: ['x'], cluster: name })).toThrow(
        expect.objectContaining({ code: 'INVALID_VALUE' }),
      );
    }
  });
});

it('leaves no timers and no connection behind when it is closed', async () => {
  const before = process.getActiveResourcesInfo();
  cluster = `c${clusters++}`;
  const a = await open();
  for (let shard = 0; shard < 8; shard++) a.cluster.tails.tail(shard, 0, () => undefined);
  await a.cluster.registry.watch('', () => undefined);
  a.cluster.bus.serve('never', () => bytes(1));
  await append(a, 1, 1);
  await a.close();
  await pause(1);
  const left = process.getActiveResourcesInfo();
  for (const resource of before) left.splice(left.indexOf(resource), left.includes(resource) ? 1 : 0);
  expect(left).toEqual([]);
});

describe('three NATS servers', () => {
  it('go on when the leader of a stream dies', async () => {
    const nats = await startNatsCluster(3);
    try {
      const options = { servers: nats.urls, cluster: 'three', replicas: 3 };
      const [a, b] = await Promise.all([open(options), open(options)]);
      const seen: number[] = [];
      b.cluster.tails.tail(0, 0, ({ seq }) => seen.push(seq));
      const written = [await append(a, 0, 1), await append(a, 0, 2)];
      const { cluster: raft } = (await ask('STREAM.INFO.TG_three_LOG_0', {}, nats.urls)) as {
        cluster: { leader: string };
      };
      await nats.servers[Number(raft.leader.at(-1))]?.kill('SIGKILL');
      for (const end = runtime.monotonic() + 30_000; written.length < 5; ) {
        try {
          written.push(await append(a, 0, 3));
        } catch (error) {
          if (runtime.monotonic() > end) throw error;
          await pause(50);
        }
      }
      const inLog = (await read(a, 0)).map(({ seq }) => seq);
      await until(() => seen.at(-1) === inLog.at(-1), 20_000);
      expect(seen).toEqual(inLog);
      expect(written.filter((seq) => !inLog.includes(seq))).toEqual([]);
    } finally {
      await Promise.all(opened.splice(0).map((backbone) => backbone.close()));
      await nats.stop();
    }
  }, 90_000);
});
