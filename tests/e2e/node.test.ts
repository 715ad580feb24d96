import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Child, CLI } from './support/Child.js';
import { eventually } from './support/eventually.js';
import { openClient, startClient } from './support/openClient.js';
import { startServer } from './support/startServer.js';
import { tempFolder } from './support/tempFolder.js';

describe('topgun serve', () => {
  it('stops on SIGTERM: clients are told, everything acked is there after the next start, and it exits with 0', async () => {
    const data = join(tempFolder(), 'data');
    const { url, port, child } = await startServer(['--data', data, '--no-auth']);
    const client = await openClient({ url });
    const lost = new Promise((resolve) => client.on('node', (change) => change.type === 'lost' && resolve(change)));
    for (let i = 0; i < 500; i++) client.getMap<number>('numbers').set(`k${i}`, i);
    await client.flush();
    child.signal('SIGTERM');
    expect(await child.exited).toEqual({ code: 0, signal: null });
    await lost;
    client.getMap<number>('numbers').set('meanwhile', 1);

    const again = await startServer(['--data', data, '--no-auth', '--port', String(port)]);
    await client.ready({ timeoutMs: 15_000 });
    await client.flush();
    const reader = await openClient({ url: again.url });
    const numbers = reader.getMap<number>('numbers');
    await numbers.synced();
    expect(numbers.size).toBe(501);
    expect(numbers.get('k499')).toBe(499);
  });

  it('stops on SIGINT while writes keep coming, and loses none of them', async () => {
    const data = join(tempFolder(), 'data');
    const { url, port, child } = await startServer(['--data', data, '--no-auth']);
    const client = await openClient({ url });
    const map = client.getMap<number>('numbers');
    let count = 0;
    const writes: Promise<void>[] = [];
    const writing = setInterval(() => writes.push(map.set(`k${count}`, count++).acked), 1);
    await eventually('writes under way', () => count > 100);
    child.signal('SIGINT');
    const { code } = await child.exited;
    clearInterval(writing);
    expect(code).toBe(0);
    await startServer(['--data', data, '--no-auth', '--port', String(port)]);
    await Promise.all(writes);
    expect(client.pendingWrites).toBe(0);
  });

  it('ends at once on a second signal', async () => {
    const { child, url } = await startServer(['--memory', '--no-auth']);
    await openClient({ url });
    child.signal('SIGTERM');
    child.signal('SIGINT');
    const { code } = await child.exited;
    expect([130, 143]).toContain(code);
  });

  it('ends at once on a signal before it serves', async () => {
    const child = new Child([CLI, 'serve', '--port', '0', '--data', join(tempFolder(), 'data'), '--no-auth']);
    child.signal('SIGTERM');
    const { code, signal } = await child.exited;
    expect(code === 143 || code === 0 || signal === 'SIGTERM').toBe(true);
  });

  it('answers probes, scrapers and whoever asks for its state over HTTP', async () => {
    const { http, url, nodeId } = await startServer(['--memory', '--no-auth']);
    const client = await openClient({ url });
    await client.getMap('m').set('k', 1).acked;
    const get = async (path: string, method = 'GET') => {
      const response = await fetch(`${http}${path}`, { method });
      return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
    };
    expect(await get('/healthz')).toMatchObject({ status: 200 });
    expect(await get('/readyz')).toMatchObject({ status: 200 });
    const metrics = await get('/metrics');
    expect(metrics).toMatchObject({ status: 200, type: expect.stringContaining('text/plain') });
    expect(metrics.body).toMatch(/^# TYPE topgun_\w+ (counter|gauge|histogram|summary)$/m);
    const cluster: unknown = JSON.parse((await get('/cluster')).body);
    expect(cluster).toMatchObject({
      mapVersion: 1,
      nodes: [{ id: nodeId, partitions: 271, sessions: 1, records: 1, ready: true }],
    });
    expect(await get('/nothing')).toMatchObject({ status: 404 });
    expect(await get('/healthz', 'POST')).toMatchObject({ status: 405 });
  });

  it('keeps nothing with --memory, and the client gives it back what it still holds', async () => {
    const { url, port, child } = await startServer(['--memory', '--no-auth']);
    const client = await openClient({ url });
    await client.getMap('m').set('k', 1).acked;
    await child.kill();
    await startServer(['--memory', '--no-auth', '--port', String(port)]);
    await client.ready({ timeoutMs: 15_000 });
    const reader = startClient({ url });
    await reader.start();
    const map = reader.getMap('m');
    await eventually('the record is back', () => map.get('k') === 1);
  });
});

describe('npm start', () => {
  it('runs a node, and a signal to it stops the node', { timeout: 120_000 }, async () => {
    const folder = tempFolder();
    const child = new Child(['scripts/start.mjs', '--data', join(folder, 'data'), '--port', '0']);
    onTestFinished(async () => void (await child.kill()));
    // It builds what is stale first.
    await child.prints(/^topgun ready url=/m, 100_000);
    await child.prints(/npx topgun token --sub me --data/);
    child.signal('SIGTERM');
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });
});
