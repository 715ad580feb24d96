import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LocalNats } from '../../packages/cli/src/cluster/LocalNats.js';
import { readPorts } from '../../packages/cli/src/cluster/runningServer.js';
import { ensureNatsServer } from '../../scripts/nats/natsServer.js';
import { ChildScript } from '../support/ChildScript.js';
import { eventually } from './support/eventually.js';
import { alive } from './support/ProcessTree.js';
import { tempFolder } from './support/tempFolder.js';

const HOLDER = new URL('./support/natsHolder.ts', import.meta.url);

interface Local {
  readonly nats: LocalNats;
  readonly said: string[];
}

async function localNats(directory: string, servers: 1 | 3): Promise<Local> {
  const said: string[] = [];
  const nats = new LocalNats({
    binary: await ensureNatsServer(),
    directory,
    servers,
    say: (line) => said.push(line),
  });
  onTestFinished(() => nats.stop());
  return { nats, said };
}

const start = (nats: LocalNats): Promise<string> => nats.start(new AbortController().signal);

function pidsOf(directory: string, servers: number): readonly number[] {
  return Array.from({ length: servers }, (_, n) => readPorts(join(directory, String(n + 1)))?.pid ?? -1);
}

const isAlive = (pid: number): boolean => alive([pid]).length === 1;

function connectTo(urls: string): ReturnType<typeof connect> {
  const { username, password, host } = new URL(urls.split(',')[0] ?? '');
  return connect({ servers: host, user: username, pass: password, reconnect: false });
}

describe('the nats-server of a cluster', () => {
  it('is for those who know its password, and flushes each write', async () => {
    const directory = tempFolder();
    const { nats, said } = await localNats(directory, 1);
    const urls = await start(nats);
    await expect(connect({ servers: new URL(urls).host, reconnect: false })).rejects.toThrow(/uthoriz/);
    const connection = await connectTo(urls);
    const { max_payload } = connection.info ?? {};
    expect(max_payload).toBe(16 * 1024 * 1024);
    const answer = await connection.request('$JS.API.INFO', '', { timeout: 5_000 });
    expect(answer.json()).not.toHaveProperty('error');
    await connection.close();
    expect(said.join()).not.toContain(new URL(urls).password);

    const [pid = -1] = pidsOf(directory, 1);
    expect(isAlive(pid)).toBe(true);
    await nats.stop();
    expect(isAlive(pid)).toBe(false);
    // Again, where it was.
    await (await connectTo(await start(nats))).close();
  });

  it('is three servers that agree, where three are to keep each write', { timeout: 60_000 }, async () => {
    const directory = tempFolder();
    const { nats, said } = await localNats(directory, 3);
    const connection = await connectTo(await start(nats));
    const stream = { name: 'S', subjects: ['s'], storage: 'file', num_replicas: 3 };
    const create = async () => {
      const answer = (await connection.request('$JS.API.STREAM.CREATE.S', JSON.stringify(stream))).json<{
        error?: unknown;
        cluster?: { replicas?: unknown[] };
      }>();
      return answer.error === undefined && answer;
    };
    // The leader hears of the room that the others have by their statistics; when it missed the first, ten seconds later.
    const created = await eventually('the stream is there', create, 30_000);
    expect(created.cluster?.replicas).toHaveLength(2);
    await connection.close();

    const pids = pidsOf(directory, 3);
    process.kill(pids[2] ?? -1, 'SIGKILL');
    await eventually('its end is told', () => said.some((line) => /nats-server 3 .*SIGKILL; 2 of 3 go on/.test(line)));
    await nats.stop();
    expect(pids.filter(isAlive)).toEqual([]);

    const { nats: other } = await localNats(directory, 1);
    await expect(start(other)).rejects.toThrow('holds a cluster of --replicas 3');
  });

  it('says why it does not start', async () => {
    const nats = new LocalNats({
      binary: '/bin/false',
      directory: tempFolder(),
      servers: 1,
      say: () => undefined,
    });
    await expect(start(nats)).rejects.toThrow(/nats-server did not start: exit code 1/);
    await nats.stop();
  });

  it('ends when the last of those who need it has ended, even by force', async () => {
    const directory = tempFolder();
    const holder = new ChildScript(HOLDER, [await ensureNatsServer(), directory]);
    onTestFinished(() => holder.kill());
    const heir = Number(await holder.line());
    const [pid = -1] = pidsOf(directory, 1);
    await holder.kill();
    // What the holder started, as a cluster starts nodes, still works.
    expect(isAlive(heir)).toBe(true);
    const { nats } = await localNats(directory, 1);
    const another = start(nats);
    expect(isAlive(pid)).toBe(true);
    process.kill(heir, 'SIGKILL');
    await eventually('the server has ended', () => !isAlive(pid));
    // Whoever wanted the directory meanwhile gets it.
    await another;
    expect(pidsOf(directory, 1)).not.toEqual([pid]);
  });
});
