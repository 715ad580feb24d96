import { existsSync } from 'node:fs';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { Objm } from '@nats-io/obj';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ChildScript } from '../support/ChildScript.js';
import { NatsServer } from '../support/NatsServer.js';
import { startNatsCluster } from '../support/startNatsCluster.js';
import { eventually } from './support/eventually.js';
import { tempFolder } from './support/tempFolder.js';

async function startServer(
  options: { readonly dir?: string; readonly syncAlways?: boolean } = {},
): Promise<NatsServer> {
  const server = await NatsServer.start(options);
  onTestFinished(() => server.stop());
  return server;
}

async function open(...servers: readonly string[]): Promise<NatsConnection> {
  const connection = await connect({ servers: [...servers], reconnectTimeWait: 50, maxReconnectAttempts: -1 });
  onTestFinished(() => connection.close());
  return connection;
}

describe('a nats-server under test', () => {
  it('is new enough, and has the port that it says', async () => {
    const server = await startServer();
    const connection = await open(server.url);
    const [major = 0, minor = 0, patch = 0] = (connection.info?.version ?? '').split('.').map(Number);
    expect([major, minor, patch].reduce((number, part) => number * 1_000 + part)).toBeGreaterThanOrEqual(2_010_027);
    expect(connection.getServer()).toBe(`127.0.0.1:${server.port}`);
  });

  it('keeps what it acknowledged when it is killed, and its clients come back to it by themselves', async () => {
    const server = await startServer({ syncAlways: true });
    const connection = await open(server.url);
    const streams = await jetstreamManager(connection);
    await streams.streams.add({ name: 'log', subjects: ['log.>'], allow_direct: true });
    const { seq } = await jetstream(connection).publish('log.1', 'record');
    const map = await new Kvm(connection).create('map');
    await map.put('version', 'seven');
    const snapshots = await new Objm(connection).create('snapshots');
    await snapshots.putBlob({ name: 'shard' }, new Uint8Array([1, 2, 3]));

    const { pid, url } = server;
    await server.kill('SIGKILL');
    expect(server.running).toBe(false);
    await server.restart();
    expect(server.pid).not.toBe(pid);
    expect(server.url).toBe(url);

    await eventually('the client is back', () => connection.rtt().catch(() => null));
    expect((await streams.direct.getMessage('log', { seq }))?.string()).toBe('record');
    expect((await map.get('version'))?.string()).toBe('seven');
    expect([...((await snapshots.getBlob('shard')) ?? [])]).toEqual([1, 2, 3]);
  });

  it('answers nobody while it is suspended', async () => {
    const server = await startServer();
    await server.kill('SIGSTOP');
    expect(server.running).toBe(true);
    await expect(connect({ servers: server.url, timeout: 300 })).rejects.toThrow();
    await server.kill('SIGCONT');
    expect(await (await open(server.url)).rtt()).toBeGreaterThanOrEqual(0);
  });

  it('removes the folder that it made, and leaves one that it was given', async () => {
    const dir = tempFolder();
    const given = await startServer({ dir });
    const own = await startServer();
    expect(existsSync(own.dir)).toBe(true);
    await given.stop();
    await own.stop();
    expect(existsSync(dir)).toBe(true);
    expect(existsSync(own.dir)).toBe(false);
  });

  it('dies with the process that started it', async () => {
    const parent = new ChildScript(new URL('./support/natsServerParent.ts', import.meta.url), [tempFolder()]);
    const url = await parent.line();
    await open(url).then((connection) => connection.close());
    await parent.kill();
    await eventually('nobody listens', () =>
      connect({ servers: url }).then(
        (c) => c.close().then(() => false),
        () => true,
      ),
    );
  });

  it('says why it does not start', async () => {
    const { port } = await startServer();
    await expect(NatsServer.start({ port })).rejects.toThrow('address already in use');
  });
});

describe('a cluster of three nats-servers', { timeout: 60_000 }, () => {
  it('goes on when one is killed, which catches up when it is back', async () => {
    const cluster = await startNatsCluster(3);
    onTestFinished(() => cluster.stop());
    const connection = await open(...cluster.urls);
    const streams = await jetstreamManager(connection);
    const { cluster: placement } = await streams.streams.add({ name: 'log', subjects: ['log.>'], num_replicas: 3 });
    expect(placement?.replicas).toHaveLength(2);
    const log = jetstream(connection);
    await log.publish('log.1', 'with three');

    // A stream that lost its leader takes nothing until another is elected, 4 to 9 s later.
    const victim = cluster.servers.find(({ name }) => name !== placement?.leader);
    if (victim === undefined) throw new Error('a cluster without followers');
    await victim.kill();
    const publish = () => log.publish('log.2', 'with two', { msgID: 'second', timeout: 1_000 });
    await eventually('the other two take a record', () => publish().catch(() => null));
    await victim.restart();
    await victim.healthy();
    await eventually('it has the record that it missed', async () => (await messagesOn(victim)) === 2);
  });
});

/** In its copy of the only stream. */
async function messagesOn(server: NatsServer): Promise<number | undefined> {
  const response = await fetch(`${server.monitorUrl}/jsz?streams=true`);
  const { account_details: accounts } = (await response.json()) as {
    account_details: { stream_detail: { state: { messages: number } }[] }[];
  };
  return accounts[0]?.stream_detail[0]?.state.messages;
}
