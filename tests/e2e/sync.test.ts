import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Child, ROOT } from './support/Child.js';
import { ClientProcess } from './support/ClientProcess.js';
import { eventually } from './support/eventually.js';
import { openClient } from './support/openClient.js';
import { runCli } from './support/runCli.js';
import { startCluster } from './support/startCluster.js';
import { startServer } from './support/startServer.js';
import { tempFolder } from './support/tempFolder.js';

describe('clients in processes of their own', () => {
  it('see each other’s writes live', { timeout: 40_000 }, async () => {
    const { url } = await startServer(['--memory', '--no-auth']);
    const [ann, bob] = await Promise.all([ClientProcess.open({ url }), ClientProcess.open({ url })]);
    const seen = bob.call({ type: 'see', map: 'm', key: 'from ann' });
    await ann.call({ type: 'set', map: 'm', key: 'from ann', value: { at: new Date(0) }, until: 'acked' });
    expect(await seen).toEqual({ at: new Date(0) });
    const answer = ann.call({ type: 'see', map: 'm', key: 'from bob' });
    await bob.call({ type: 'set', map: 'm', key: 'from bob', value: 7n, until: 'acked' });
    expect(await answer).toBe(7n);
  });

  it('sends what was persisted before the client was killed, once it is back', { timeout: 60_000 }, async () => {
    const folder = tempFolder();
    const server = await startServer(['--data', join(folder, 'server'), '--no-auth']);
    const { url, port } = server;
    const data = join(folder, 'client');
    const first = await ClientProcess.open({ url, data });
    await first.call({ type: 'set', map: 'm', key: 'online', value: 1, until: 'acked' });
    await server.child.kill();
    await first.call({ type: 'set', map: 'm', key: 'offline', value: 2, until: 'persisted' });
    await first.call({ type: 'increment', map: 'hits', until: 'persisted' });
    await first.kill();

    const again = await startServer(['--data', join(folder, 'server'), '--no-auth', '--port', String(port)]);
    const second = await ClientProcess.open({ url: again.url, data });
    await second.call({ type: 'flush' });
    const reader = await ClientProcess.open({ url: again.url });
    expect(await reader.call({ type: 'see', map: 'm', key: 'offline' })).toBe(2);
    expect(await reader.call({ type: 'see', map: 'm', key: 'online' })).toBe(1);
    expect(await second.call({ type: 'pending' })).toBe(0);
  });
});

describe('a client that is killed again and again', () => {
  it('loses nothing that was persisted', { timeout: 90_000 }, async () => {
    const folder = tempFolder();
    const { url } = await startServer(['--data', join(folder, 'server'), '--no-auth']);
    const data = join(folder, 'client');
    const persisted = new Set<string>();
    for (let life = 0; life < 5; life++) {
      const client = await ClientProcess.open({ url, data });
      const writes = Array.from({ length: 400 }, async (_, i) => {
        const key = `${life}/${i}`;
        await client.call({ type: 'set', map: 'm', key, value: i, until: 'persisted' });
        persisted.add(key);
        // In the midst of the others.
        if (i === 150) await client.kill();
      });
      await Promise.allSettled(writes);
    }
    const last = await ClientProcess.open({ url, data });
    await last.call({ type: 'flush' });
    const reader = await openClient({ url });
    const map = reader.getMap('m');
    await map.synced();
    expect(persisted.size).toBeGreaterThan(500);
    expect([...persisted].filter((key) => !map.has(key))).toEqual([]);
  });
});

describe('the README', () => {
  it('has an example that runs as pasted', { timeout: 60_000 }, async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const [, example = ''] = /as `hello\.mjs`[\s\S]*?```js\n([\s\S]*?)```/.exec(readme) ?? [];
    const data = join(tempFolder(), 'data');
    const { url } = await startServer(['--data', data]);
    // As pasted, but for the port, which may be taken on this machine. It imports packages, so it must be in the repository.
    const file = join(ROOT, `node_modules/.cache/hello-${process.pid}.mjs`);
    onTestFinished(() => rmSync(file, { force: true }));
    writeFileSync(file, example.replace('ws://127.0.0.1:8080', url));
    const token = (await runCli(['token', '--sub', 'me', '--data', data])).stdout.trim();
    const start = (): Child => {
      const child = new Child([file], { env: { TOKEN: token } });
      onTestFinished(async () => void (await child.kill()));
      return child;
    };
    const first = start();
    await first.prints(/durable/);
    const second = start();
    await second.prints(/durable/);
    // Each writes its own process id to the same key, and sees that of the other.
    await first.prints(new RegExp(`by: ${second.pid}`));
  });

  it('has a line that makes a client of a cluster of that example, and changes nothing else', {
    timeout: 60_000,
  }, async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const [, example = ''] = /as `hello\.mjs`[\s\S]*?```js\n([\s\S]*?)```/.exec(readme) ?? [];
    const [line = ''] = /^const client = new TopGunClient\(\{ cluster: .*$/m.exec(readme) ?? [];
    const { nodes } = await startCluster({ nodes: 2 });
    const [first, second] = nodes.map(({ url }) => url) as [string, string];
    const file = join(ROOT, `node_modules/.cache/hello-cluster-${process.pid}.mjs`);
    onTestFinished(() => rmSync(file, { force: true }));
    const own = line.replace('ws://127.0.0.1:8080', first).replace('ws://127.0.0.1:8081', second);
    expect(own).not.toBe(line);
    writeFileSync(file, example.replace(/^const client = .*$/m, own));
    const child = new Child([file]);
    onTestFinished(async () => void (await child.kill()));
    await child.prints(/durable/);
    const reader = await openClient({ url: second });
    await eventually('the write', () => reader.getMap<{ by: number }>('todos').get('milk')?.by === child.pid);
  });
});

describe('the hints of npm start', () => {
  it('hold an example that runs as pasted', { timeout: 60_000 }, async () => {
    const data = join(tempFolder(), 'data');
    const { child } = await startServer(['--data', data, '--hints']);
    const [text] = await child.prints(/^export TOKEN[\s\S]*?^'\n/m);
    const shell = new Child([
      '-e',
      `process.exitCode = require('node:child_process').spawnSync('bash', ['-c', ${JSON.stringify(text)}], { stdio: 'inherit' }).status`,
    ]);
    expect(await shell.exited).toMatchObject({ code: 0 });
    expect(shell.stdout).toContain('try TopGun');
  });
});

describe('the chat', () => {
  it('works for two who meet, and for one who writes while the server is away', { timeout: 90_000 }, async () => {
    const folder = tempFolder();
    const server = await startServer(['--data', join(folder, 'server'), '--no-auth']);
    const { url, port } = server;
    const chat = (name: string): Child => {
      const child = new Child([
        join(ROOT, 'examples/node-chat/chat.js'),
        '--name',
        name,
        '--url',
        url,
        '--data',
        join(folder, name),
      ]);
      onTestFinished(async () => void (await child.kill()));
      return child;
    };
    const ann = chat('ann');
    await ann.prints(/online · 0 pending/);
    const bob = chat('bob');
    await bob.prints(/online/);
    await ann.prints(/\* bob is here/);
    ann.type('hello bob');
    await bob.prints(/^ann: hello bob$/m);
    bob.type('hello ann');
    await ann.prints(/^bob: hello ann$/m);

    await server.child.kill();
    await ann.prints(/offline|connecting/);
    ann.type('are you there?');
    await ann.prints(/kept on this machine/);
    await ann.kill();
    const annAgain = chat('ann');
    await annAgain.prints(/^ann: are you there\?$/m);
    await startServer(['--data', join(folder, 'server'), '--no-auth', '--port', String(port)]);
    await bob.prints(/^ann: are you there\?$/m, 30_000);
    annAgain.type('/total');
    await annAgain.prints(/\* 3 messages so far/);
    annAgain.process.stdin?.end();
    expect(await annAgain.exited).toMatchObject({ code: 0 });
    expect(annAgain.stderr).toBe('');
  });
});
