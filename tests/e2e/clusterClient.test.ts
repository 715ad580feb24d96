import { createServer } from 'node:http';
import type { TopGunClient } from '@topgunbuild/client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { NatsServer } from '../support/NatsServer.js';
import { withFreePorts } from '../support/withFreePorts.js';
import { eventually } from './support/eventually.js';
import { openClient } from './support/openClient.js';
import { runCli } from './support/runCli.js';
import { StaleTransport } from './support/StaleTransport.js';
import { type ClusterNodeProcess, type ClusterProcesses, startCluster } from './support/startCluster.js';
import { type ServerProcess, spawnServer, startServer } from './support/startServer.js';
import { TcpProxy } from './support/TcpProxy.js';

function urls(cluster: ClusterProcesses): string[] {
  return cluster.nodes.map(({ url }) => url);
}

async function startNats(): Promise<NatsServer> {
  const nats = await NatsServer.start();
  onTestFinished(() => nats.stop());
  return nats;
}

async function reads(cluster: ClusterProcesses, map: string): Promise<Record<string, unknown>> {
  const reader = await openClient({ cluster: { seeds: urls(cluster) } });
  const rows = reader.getMap(map);
  await rows.synced({ timeoutMs: 20_000 });
  return Object.fromEntries(rows.entries());
}

/** Writes one key after the other until it is told to stop; keeps what was acked, and the longest time between two acks. */
class Writer {
  readonly written = new Map<string, number>();
  longestGapMs = 0;
  readonly #client: TopGunClient;
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(client: TopGunClient) {
    this.#client = client;
    client.on('write-rejected', ({ key, error }) => {
      throw new Error(`${key} was rejected: ${error.message}`);
    });
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    const map = this.#client.getMap<number>('load');
    for (let n = 0; !this.#isOver; n++) {
      const began = performance.now();
      await Promise.all(
        Array.from({ length: 10 }, async (_, i) => {
          const key = `k${(n * 10 + i) % 500}`;
          await map.set(key, n).acked;
          this.written.set(key, n);
        }),
      );
      this.longestGapMs = Math.max(this.longestGapMs, performance.now() - began);
    }
  }
}

describe('cluster clients', { timeout: 120_000 }, () => {
  it('whose map is stale learn by NOT_OWNER, and every operation counts once', async () => {
    const cluster = await startCluster({ nodes: 2 });
    const transport = new StaleTransport();
    const client = await openClient({ cluster: { seeds: urls(cluster) }, transportPort: transport });
    await eventually('both nodes', () => client.getConnectedNodes().length === 2);
    const version = client.getPartitionMapVersion();
    transport.isStale = true;
    await cluster.add();
    await cluster.settled();
    const rows = client.getMap<number>('m');
    for (let n = 0; n < 300; n++) {
      rows.set(`k${n}`, n);
      client.getCounter('counters', `c${n % 30}`).increment();
    }
    await client.flush({ timeoutMs: 20_000 });
    expect(client.getRoutingMetrics().notOwnerRetries).toBeGreaterThan(0);
    expect(client.getPartitionMapVersion()).toBe(version);
    expect(client.getClusterStats()?.isStale).toBe(true);
    const other = await openClient({ cluster: { seeds: urls(cluster) } });
    const counts = Array.from({ length: 30 }, (_, n) => other.getCounter('counters', `c${n}`));
    await eventually('exact counters', () => counts.every(({ value }) => value === 10));
    expect(Object.keys(await reads(cluster, 'm'))).toHaveLength(300);
    transport.isStale = false;
    await eventually('the map', () => client.getPartitionMapVersion() > version, 40_000);
    const { fallbackRoutes, notOwnerRetries } = client.getRoutingMetrics();
    await eventually('all three nodes', () => client.getConnectedNodes().length === 3);
    for (let n = 0; n < 300; n++) rows.set(`k${n}`, -n);
    await client.flush({ timeoutMs: 20_000 });
    expect(client.getRoutingMetrics()).toMatchObject({ fallbackRoutes, notOwnerRetries });
  });

  it('reach nodes behind translated addresses, by what the application knows of them', async () => {
    const proxies = await Promise.all([TcpProxy.start(null), TcpProxy.start(null)]);
    const nats = await startNats();
    await withFreePorts(proxies.length, async (ports) => {
      for (const [index, proxy] of proxies.entries()) {
        proxy.target = ports[index] ?? null;
        const args = ['--nats', nats.url, '--no-auth', '--node-id', `x${index}`, '--port', String(proxy.target)];
        await startServer([...args, '--advertise', `ws://10.255.255.${index}:8080`]);
      }
    });
    const asked = new Set<string>();
    const endpointMapper = (endpoint: string, nodeId: string): string => {
      asked.add(`${nodeId} ${endpoint}`);
      return proxies[Number(nodeId.slice(1))]?.url ?? endpoint;
    };
    const client = await openClient({ cluster: { seeds: [proxies[0]?.url ?? ''], endpointMapper } });
    await eventually('both nodes', () => client.getConnectedNodes().length === 2);
    expect([...asked].sort()).toEqual(['x0 ws://10.255.255.0:8080', 'x1 ws://10.255.255.1:8080']);
    await eventually('a map that both own', () => {
      return new Set(Array.from({ length: 50 }, (_, n) => client.getOwner(`k${n}`)?.nodeId)).size === 2;
    });
    for (let n = 0; n < 50; n++) client.getMap<number>('m').set(`k${n}`, n);
    await client.flush({ timeoutMs: 10_000 });
    expect(client.getRoutingMetrics().directRoutes).toBeGreaterThan(40);
    expect(proxies.every(({ connections }) => connections >= 2)).toBe(true);
  });

  it('start with seeds that are dead, silent or something else, and one that is a node', async () => {
    const cluster = await startCluster({ nodes: 2 });
    const silent = await TcpProxy.start(null);
    const web = createServer((_, response) => response.end('hello'));
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void web.close());
    const address = web.address();
    const webPort = typeof address === 'object' && address !== null ? address.port : 0;
    const node = (cluster.nodes[0] as ClusterNodeProcess).url.replace('127.0.0.1', 'localhost');
    const seeds = ['ws://127.0.0.1:1', silent.url, `ws://127.0.0.1:${webPort}`, 'ws://no-such-host.invalid', node];
    const began = performance.now();
    const client = await openClient({ cluster: { seeds } });
    expect(performance.now() - began).toBeLessThan(5_000);
    await eventually('all nodes', () => client.getConnectedNodes().length === 2);
    await eventually('no others', () => Object.keys(client.getClusterHealth()).length === 2, 15_000);
  });

  it('find a cluster again that was stopped, and started on other ports behind the same seeds', async () => {
    const nats = await startNats();
    const start = (id: string): Promise<ServerProcess> =>
      spawnServer(['--nats', nats.url, '--no-auth', '--node-id', id]);
    const ids = ['x', 'y', 'z'];
    let servers = await Promise.all(ids.map(start));
    onTestFinished(async () => {
      await Promise.all(servers.map(({ child }) => child.kill()));
    });
    const proxies = await Promise.all(servers.map(({ port }) => TcpProxy.start(port)));
    const client = await openClient({ cluster: { seeds: proxies.map(({ url }) => url) } });
    const rows = client.getMap<number>('m');
    await eventually('all nodes', () => client.getConnectedNodes().length === 3);
    for (let n = 0; n < 100; n++) rows.set(`before${n}`, n);
    await client.flush({ timeoutMs: 10_000 });
    await Promise.all(servers.map(({ child }) => child.kill()));
    await eventually('nobody', () => client.status !== 'online');
    for (let n = 0; n < 100; n++) rows.set(`meanwhile${n}`, n);
    servers = await Promise.all(ids.map(start));
    for (const [index, { port }] of servers.entries()) {
      const proxy = proxies[index];
      if (proxy !== undefined) proxy.target = port;
    }
    await client.flush({ timeoutMs: 40_000 });
    await eventually('all nodes again', () => client.getConnectedNodes().length === 3, 60_000);
    const reader = await openClient({ cluster: { seeds: proxies.map(({ url }) => url) } });
    const seen = reader.getMap<number>('m');
    await seen.synced({ timeoutMs: 10_000 });
    expect(seen.size).toBe(200);
  });

  it('of topgun bench send everything to its owner', async () => {
    const cluster = await startCluster();
    const args = ['bench', '--seeds', urls(cluster).join(','), '--clients', '5', '--duration', '1', '--json'];
    const { code, stdout } = await runCli(args);
    const report = JSON.parse(stdout) as { acked: number; issued: number; routing: Record<string, number> };
    expect(code).toBe(0);
    expect(report.issued).toBe(report.acked);
    expect(report.routing).toMatchObject({
      totalRoutes: report.issued,
      directRoutes: report.issued,
      fallbackRoutes: 0,
    });
  });

  it('write through a rolling restart: nothing acked is lost, nothing is rejected', async () => {
    const cluster = await startCluster();
    const client = await openClient({ cluster: { seeds: urls(cluster) } });
    const writer = new Writer(client);
    for (const node of cluster.nodes) {
      expect(await node.stop()).toBe(0);
      await node.restart();
      await cluster.settled();
    }
    await writer.stop();
    console.log(`rolling restart: longest time until an ack ${Math.round(writer.longestGapMs)} ms`);
    expect(writer.longestGapMs).toBeLessThan(5_000);
    const held = await reads(cluster, 'load');
    for (const [key, value] of writer.written) expect(held[key], key).toBe(value);
    await eventually('all nodes', () => client.getConnectedNodes().length === 3, 40_000);
  });

  it('write on while an owner is paused, killed and brought back', async () => {
    const cluster = await startCluster();
    const client = await openClient({ cluster: { seeds: urls(cluster) } });
    await eventually('all nodes', () => client.getConnectedNodes().length === 3);
    const writer = new Writer(client);
    const [first, second] = cluster.nodes as [ClusterNodeProcess, ClusterNodeProcess];
    first.pause();
    await eventually('the others own everything', async () => {
      const { owners } = await second.report();
      return owners.every((owner) => owner !== null && owner !== first.id);
    });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    first.resume();
    await cluster.settled();
    const pausedGap = Math.round(writer.longestGapMs);
    writer.longestGapMs = 0;
    await second.kill();
    await eventually('the others own everything', async () => {
      const { owners } = await first.report();
      return owners.every((owner) => owner !== null && owner !== second.id);
    });
    await second.restart();
    await cluster.settled();
    await writer.stop();
    console.log(`longest time until an ack: paused ${pausedGap} ms, killed ${Math.round(writer.longestGapMs)} ms`);
    expect(pausedGap).toBeLessThan(8_000);
    expect(writer.longestGapMs).toBeLessThan(5_000);
    const held = await reads(cluster, 'load');
    for (const [key, value] of writer.written) expect(held[key], key).toBe(value);
  });
});
