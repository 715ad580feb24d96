import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Child, CLI } from './support/Child.js';
import { openClient } from './support/openClient.js';
import { runCli } from './support/runCli.js';
import { startServer } from './support/startServer.js';
import { tempFolder } from './support/tempFolder.js';
import { mintToken, SECRET } from './support/token.js';

/** What is wrong, the command line, the exit code, and what the one line on stderr must say. */
const MISTAKES: readonly [string, readonly string[], number, RegExp][] = [
  ['an unknown option', ['serve', '--prot', '1'], 2, /unknown option '--prot'.*--port/],
  ['an unknown command', ['serv'], 2, /unknown command 'serv'.*serve/],
  ['an argument too many', ['serve', 'here'], 2, /too many arguments/],
  ['a port that is no number', ['serve', '--port', 'http'], 2, /--port.*whole number from 0 to 65535/],
  ['a port out of range', ['serve', '--port', '65536'], 2, /--port.*whole number from 0 to 65535/],
  ['an option without its value', ['serve', '--port'], 2, /--port.*argument missing/],
  [
    'options that exclude each other',
    ['serve', '--memory', '--data', 'x'],
    2,
    /--memory and --data exclude each other/,
  ],
  ['two kinds of auth', ['serve', '--no-auth', '--jwt-secret', SECRET], 2, /--jwt-secret and --no-auth exclude/],
  ['a secret that is too short', ['serve', '--memory', '--jwt-secret', 'short'], 2, /at least 32/],
  ['a key set over plain http', ['serve', '--memory', '--jwks', 'http://id.example/keys'], 2, /https/],
  ['a wrong node id', ['serve', '--memory', '--no-auth', '--node-id', 'a b'], 2, /nodeId/],
  ['a wrong advertised URL', ['serve', '--memory', '--no-auth', '--advertise', 'tcp://x'], 2, /advertise.*ws:\/\//],
  ['an open host without auth', ['serve', '--memory', '--host', '0.0.0.0'], 2, /--jwt-secret or --jwks, or --no-auth/],
  ['rules that are not there', ['serve', '--memory', '--no-auth', '--rules', 'none.json'], 2, /none\.json.*ENOENT/],
  ['rules that are no JSON', ['serve', '--memory', '--no-auth', '--rules', 'broken.json'], 2, /broken\.json/],
  ['rules that are no list', ['serve', '--memory', '--no-auth', '--rules', 'null.json'], 2, /list of rules/],
  ['a rule that is wrong', ['serve', '--memory', '--no-auth', '--rules', 'wrong.json'], 2, /permissions.*allow/],
  [
    'a host that is not of this machine',
    ['serve', '--memory', '--no-auth', '--host', '192.0.2.1', '--port', '0'],
    1,
    /192\.0\.2\.1/,
  ],
  ['a data directory that is a file', ['serve', '--port', '0', '--no-auth', '--data', 'file'], 1, /file/],
  ['a directory for the secret that is a file', ['serve', '--port', '0', '--data', 'file'], 1, /file/],
  ['a cluster and a store of its own', ['serve', '--nats', 'nats://a', '--memory'], 2, /--memory and --nats exclude/],
  ['options of a cluster without one', ['serve', '--memory', '--replicas', '3'], 2, /--replicas .*needs --nats/],
  ['a NATS that is no URL', ['serve', '--nats', 'http://a'], 2, /--nats.*list such as nats:\/\//],
  ['a NATS of two minds', ['serve', '--nats', 'nats://a:1@b,nats://a:2@c'], 2, /--nats.*same credentials/],
  ['replicas that NATS cannot have', ['serve', '--nats', 'nats://a', '--replicas', '2'], 2, /--replicas.*1 or 3/],
  ['more shards than partitions', ['serve', '--nats', 'nats://a', '--shards', '272'], 2, /--shards.*from 1 to 271/],
  ['a name that no cluster has', ['serve', '--nats', 'nats://a', '--cluster', 'a.b'], 2, /--cluster.*A-Z/],
  ['a node of a cluster without a secret', ['serve', '--nats', 'nats://a'], 2, /same --jwt-secret .*topgun cluster/],
  ['a cluster of no nodes', ['cluster', '--nodes', '0'], 2, /--nodes.*from 1 to 32/],
  ['a cluster beyond the last port', ['cluster', '--port', '65534'], 2, /--nodes 3 from --port 65534/],
  [
    'a nats-server besides a NATS',
    ['cluster', '--nats', 'nats://a', '--nats-server', 'b'],
    2,
    /--nats and --nats-server exclude/,
  ],
  ['a cluster that others reach, without auth', ['cluster', '--host', '0.0.0.0'], 2, /--jwt-secret or --jwks/],
  [
    'a nats-server that is none',
    ['cluster', '--no-auth', '--nats-server', 'file'],
    1,
    /file is no nats-server.*2\.10\.27 or newer.*--nats URL/,
  ],
  ['a token for nobody', ['token', '--secret', SECRET], 2, /--sub/],
  [
    'a token that lasts for no time',
    ['token', '--sub', 'a', '--secret', SECRET, '--expires', '0h'],
    2,
    /--expires.*1h/,
  ],
  ['a token without a secret', ['token', '--sub', 'a', '--data', 'nothing'], 1, /no secret in .*nothing.*topgun serve/],
  ['a token of a secret that no node takes', ['token', '--sub', 'a', '--secret', 'short'], 2, /at least 32/],
  [
    'the state of a node that is not there',
    ['status', '--url', 'ws://127.0.0.1:2'],
    1,
    /cannot be reached.*ECONNREFUSED/,
  ],
  ['the state of something without a URL', ['status', '--url', 'localhost'], 2, /--url.*ws:\/\//],
  ['a batch that does not fit', ['bench', '--batch', '10', '--in-flight', '5'], 2, /--batch 10.*--in-flight 5/],
  ['a node and a cluster to measure', ['bench', '--url', 'ws://a', '--seeds', 'ws://b'], 2, /--seeds.*--url/],
  ['seeds that are none', ['bench', '--seeds', 'ws://a,b'], 2, /--seeds.*ws:\/\//],
  ['no clients', ['bench', '--clients', '0'], 2, /--clients.*whole number from 1/],
];

describe('the command line', () => {
  it.each(MISTAKES)('answers %s with one line and an exit code', async (_what, args, code, says) => {
    const cwd = tempFolder();
    writeFileSync(join(cwd, 'file'), '');
    writeFileSync(join(cwd, 'broken.json'), '[{');
    writeFileSync(join(cwd, 'null.json'), 'null');
    writeFileSync(join(cwd, 'wrong.json'), '[{"maps":"*","allow":["everything"]}]');
    const result = await runCli(args, { cwd });
    expect(result.stderr).toMatch(says);
    expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(result).toMatchObject({ code, stdout: '' });
  });

  it('says what it can do, with examples, for every command', async () => {
    for (const args of [
      ['--help'],
      ['serve', '--help'],
      ['cluster', '--help'],
      ['token', '--help'],
      ['status', '--help'],
      ['bench', '--help'],
    ]) {
      const { code, stdout } = await runCli(args);
      expect(code).toBe(0);
      expect(stdout).toContain('Examples:');
    }
    expect((await runCli([])).code).toBe(2);
    expect(await runCli(['--version'])).toMatchObject({ code: 0, stdout: '0.1.0\n' });
  });

  it('refuses a port that is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await new Promise((resolve) => other.once('listening', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? String(address.port) : '';
    const result = await runCli(['serve', '--memory', '--no-auth', '--port', port]);
    expect(result).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(`port ${port} .*in use`) });
  });

  it('says so when whatever has the port of a node hangs up without a word', async () => {
    const other = createServer((socket) => void socket.on('error', () => undefined).end()).listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await new Promise((resolve) => other.once('listening', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? String(address.port) : '';
    const result = await runCli(['status', '--url', `ws://127.0.0.1:${port}`]);
    expect(result).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(`${port} cannot be reached`) });
  });

  it('says how to build it when it runs from a clone that is not built', async () => {
    const clone = tempFolder();
    mkdirSync(join(clone, 'bin'));
    writeFileSync(join(clone, 'package.json'), '{"type":"module"}');
    copyFileSync(CLI, join(clone, 'bin', 'topgun.js'));
    const child = new Child([join(clone, 'bin', 'topgun.js'), 'status']);
    expect(await child.exited).toMatchObject({ code: 1 });
    expect(child.stderr).toBe('topgun: this clone is not built yet; build it with: npm run build\n');
  });

  it('refuses a data directory that another node uses', async () => {
    const data = join(tempFolder(), 'data');
    await startServer(['--data', data, '--no-auth']);
    const result = await runCli(['serve', '--data', data, '--no-auth', '--port', '0']);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(/in use by another process/);
  });

  it('takes every option from the environment as well, and the command line first', async () => {
    const env = { TOPGUN_MEMORY: '1', TOPGUN_NO_AUTH: 'true', TOPGUN_NODE_ID: 'from-env', TOPGUN_JWKS: '' };
    const { child } = await startServer([], { env });
    expect(child.stdout).toMatch(/^topgun ready url=ws:\/\/127\.0\.0\.1:\d+ node=from-env backbone=memory\n$/);
    const other = await startServer(['--node-id', 'from-line'], { env: { ...env, TOPGUN_NO_AUTH: 'false' } });
    expect(other.nodeId).toBe('from-line');
    await other.child.prints(/token for subject dev/);
  });

  it('makes up a secret once, keeps it to itself, and mints tokens with it', async () => {
    const data = join(tempFolder(), 'data');
    const { url, child } = await startServer(['--data', data]);
    await child.prints(/topgun token --sub me --data/);
    const file = join(data, 'jwt-secret');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const secret = readFileSync(file, 'utf8');
    expect(child.stderr).not.toContain(secret.trim());
    const { stdout } = await runCli(['token', '--sub', 'ann', '--roles', 'a, b', '--data', data]);
    const client = await openClient({ url, auth: stdout.trim() });
    expect(client.status).toBe('online');
    const [, claims = ''] = stdout.split('.');
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({ sub: 'ann', roles: ['a', 'b'] });

    child.signal('SIGTERM');
    await child.exited;
    await startServer(['--data', data]);
    expect(readFileSync(file, 'utf8')).toBe(secret);
  });

  it('gives a token on stderr when nothing is kept', async () => {
    const { url, child } = await startServer(['--memory']);
    const [, token = ''] = await child.prints(/token for subject dev, good for 24 h: (\S+)/);
    expect((await openClient({ url, auth: token })).status).toBe('online');
  });

  it('tells the state of a node as text and as JSON', async () => {
    const { url, nodeId } = await startServer(['--memory', '--no-auth', '--node-id', 'n1']);
    const text = await runCli(['status', '--url', url]);
    expect(text).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^ready\n[\s\S]*n1 +ws:\/\/\S+ +ready +271 /),
    });
    const { stdout } = await runCli(['status', '--url', url, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      ready: true,
      problem: null,
      mapVersion: 1,
      nodes: [{ id: nodeId, partitions: 271, lag: 0 }],
    });
  });

  it('measures acknowledged writes', async () => {
    const { url } = await startServer(['--memory', '--jwt-secret', SECRET]);
    const args = ['bench', '--url', url, '--clients', '2', '--duration', '0.5', '--json'];
    const refused = await runCli(args);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/--token/) });
    const { code, stdout } = await runCli([...args, '--token', mintToken('bench'), '--batch', '20']);
    const report: unknown = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(report).toMatchObject({ rejected: 0, routing: null, errors: {} });
    const { issued, acked, ackedOpsPerSecond, p50Ms, p99Ms, durationMs } = report as Record<string, number>;
    expect(issued).toBe(acked);
    expect(acked).toBeGreaterThan(40);
    expect(ackedOpsPerSecond).toBeGreaterThan(0);
    expect(p99Ms).toBeGreaterThanOrEqual(p50Ms ?? Number.NaN);
    expect(durationMs).toBeGreaterThanOrEqual(499);
  });

  it('measures what the command line names, whatever the environment says', async () => {
    const { url } = await startServer(['--memory', '--no-auth']);
    const args = ['bench', '--clients', '1', '--duration', '0.2', '--json'];
    const cluster = await runCli([...args, '--seeds', url], { env: { TOPGUN_URL: 'ws://127.0.0.1:1' } });
    expect(cluster).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(cluster.stdout)).toMatchObject({ routing: { fallbackRoutes: 0 } });
    const single = await runCli([...args, '--url', url], { env: { TOPGUN_SEEDS: 'ws://127.0.0.1:1' } });
    expect(single).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(single.stdout)).toMatchObject({ routing: null });
  });

  it('prints nothing but the ready line on stdout', async () => {
    const folder = tempFolder();
    mkdirSync(join(folder, 'data'));
    const { child } = await startServer(['--data', 'data', '--log-level', 'debug', '--hints'], { cwd: folder });
    await child.prints(/Talk to it/);
    expect(child.stdout.trimEnd().split('\n')).toHaveLength(1);
  });
});
