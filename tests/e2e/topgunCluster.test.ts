import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ensureNatsServer } from '../../scripts/nats/natsServer.js';
import { NatsServer } from '../support/NatsServer.js';
import { Child, CLI } from './support/Child.js';
import { eventually } from './support/eventually.js';
import { openClient } from './support/openClient.js';
import { alive, descendantsOf } from './support/ProcessTree.js';
import { runCli } from './support/runCli.js';
import { tempFolder } from './support/tempFolder.js';
import { SECRET } from './support/token.js';

interface Cluster {
  readonly child: Child;
  readonly urls: readonly string[];
  /** Of everything that it started. */
  readonly pids: readonly number[];
  /** The processes of its nodes, by name. */
  readonly nodes: ReadonlyMap<string, number>;
}

async function spawnCluster(args: readonly string[]): Promise<Child> {
  const child = new Child([CLI, 'cluster', ...args], { env: { TOPGUN_NATS_SERVER: await ensureNatsServer() } });
  onTestFinished(async () => {
    const left = descendantsOf(child.pid).map(({ pid }) => pid);
    await child.kill();
    for (const pid of alive(left)) process.kill(pid, 'SIGKILL');
  });
  return child;
}

async function startCluster(args: readonly string[]): Promise<Cluster> {
  const child = await spawnCluster(['--port', '0', ...args]);
  const [, urls = ''] = await child.prints(/^topgun cluster ready nodes=\d+ urls=(\S+)\n/m, 60_000);
  const started = descendantsOf(child.pid);
  const nodes = started.flatMap(({ pid, command }): [string, number][] => {
    const [, name] = / serve .*--node-id (\S+)/.exec(command) ?? [];
    return name === undefined ? [] : [[name, pid]];
  });
  return { child, urls: urls.split(','), pids: started.map(({ pid }) => pid), nodes: new Map(nodes) };
}

describe('topgun cluster', { timeout: 120_000 }, () => {
  it('runs nodes that share the data, keeps it over a restart, and leaves nothing behind', async () => {
    const data = join(tempFolder(), 'data');
    const first = await startCluster(['--data', data]);
    const ready = [...first.child.stdout.matchAll(/^topgun ready url=(\S+) node=(\S+) backbone=nats$/gm)];
    expect(ready.map(([, , node]) => node).sort()).toEqual(['node-1', 'node-2', 'node-3']);
    expect(ready.map(([, url]) => url).sort()).toEqual([...first.urls].sort());

    const status = await runCli(['status', '--url', first.urls[1] ?? '']);
    expect(status).toMatchObject({ code: 0, stderr: '' });
    expect(status.stdout).toMatch(/^ready\n.* shards 32 {2}leader node-\d/);
    for (const name of first.nodes.keys())
      expect(status.stdout).toMatch(new RegExp(`^${name} +\\S+ +ready +\\d+`, 'm'));

    const auth = (await runCli(['token', '--sub', 'ann', '--data', data])).stdout.trim();
    const writer = await openClient({ url: first.urls[0] ?? '', auth });
    const map = writer.getMap<number>('kept');
    for (let n = 0; n < 50; n++) map.set(`key-${n}`, n);
    await writer.flush({ timeoutMs: 20_000 });
    await writer.close();

    first.child.signal('SIGTERM');
    expect(await first.child.exited).toEqual({ code: 0, signal: null });
    expect(alive(first.pids)).toEqual([]);

    const second = await startCluster(['--data', data, '--nodes', '2']);
    const reader = await openClient({ url: second.urls[1] ?? '', auth });
    const kept = reader.getMap<number>('kept');
    await kept.synced({ timeoutMs: 20_000 });
    expect(kept.size).toBe(50);
    second.child.signal('SIGINT');
    expect((await second.child.exited).code).toBe(0);
    expect(alive(second.pids)).toEqual([]);
  });

  it('says so when a node is gone; the others go on', async () => {
    const { child, urls, nodes, pids } = await startCluster(['--no-auth', '--data', join(tempFolder(), 'data')]);
    const pid = nodes.get('node-2') ?? -1;
    process.kill(pid, 'SIGKILL');
    await child.prints(new RegExp(`^topgun: node-2 \\(process ${pid}\\) was ended by SIGKILL; the others go on$`, 'm'));
    const url = urls[0] ?? '';
    await eventually('the others own everything', async () => {
      const { code, stdout } = await runCli(['status', '--url', url, '--json']);
      return code === 0 && (JSON.parse(stdout) as { nodes: unknown[] }).nodes.length === 2;
    });
    const client = await openClient({ url });
    for (let n = 0; n < 20; n++) client.getMap('m').set(`k${n}`, n);
    await client.flush({ timeoutMs: 20_000 });

    // The second signal is the one that does not wait.
    child.signal('SIGINT');
    child.signal('SIGINT');
    await child.exited;
    await eventually('nothing is left', () => alive(pids).length === 0);
  });

  it('ends with the process that runs it, even when that is killed', async () => {
    const data = join(tempFolder(), 'data');
    const { child, pids } = await startCluster(['--no-auth', '--data', data]);
    expect(pids).toHaveLength(5);
    await child.kill();
    await eventually('nothing is left', () => alive(pids).length === 0, 30_000);
  });

  it('does not start where a port is taken, and says which', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await new Promise((resolve) => other.once('listening', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const child = await spawnCluster(['--no-auth', '--nodes', '1', '--port', String(port), '--data', tempFolder()]);
    expect((await child.exited).code).toBe(1);
    expect(child.stderr).toMatch(new RegExp(`topgun: node-1: .*port ${port} .*in use`));
    expect(child.stdout).toBe('');
  });

  it('says once what is wrong with an option that all nodes have', async () => {
    const child = await spawnCluster(['--port', '0', '--jwt-secret', 'short', '--data', tempFolder()]);
    expect((await child.exited).code).toBe(2);
    expect(child.stderr.match(/at least 32/g)).toHaveLength(1);
  });

  it('adds nodes to a cluster over a NATS that runs already', async () => {
    const nats = await NatsServer.start();
    onTestFinished(() => nats.stop());
    const args = ['--nats', nats.url, '--nodes', '1', '--jwt-secret', SECRET, '--cluster', 'one', '--shards', '8'];
    const first = await startCluster(args);
    const second = await startCluster(args);
    expect([...second.nodes.keys()]).not.toEqual([...first.nodes.keys()]);
    const { stdout } = await runCli(['status', '--url', first.urls[0] ?? '', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ shardCount: 8, nodes: [{ shards: 4 }, { shards: 4 }] });

    const stranger = await runCli(['serve', '--port', '0', '--no-auth', '--nats', nats.url, '--cluster', 'one']);
    expect(stranger).toMatchObject({ code: 1, stdout: '' });
    expect(stranger.stderr).toMatch(/topgun: .*created with .* 8.*\n$/);
  });
});

describe('topgun serve --nats', () => {
  it('says in one line that there is no NATS', async () => {
    const args = [
      'serve',
      '--nats',
      'nats://me:hidden@127.0.0.1:2',
      '--no-auth',
      '--port',
      '0',
      '--log-level',
      'silent',
    ];
    const { code, stdout, stderr } = await runCli(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^topgun: NATS cannot be reached at nats:\/\/127\.0\.0\.1:2: .*\n$/);
    expect(stderr).not.toContain('hidden');
  });
});
