import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { jetstreamManager, StorageType } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { NatsServer, type NatsServerOptions } from './NatsServer.js';
import { withFreePorts } from './withFreePorts.js';

export interface NatsCluster {
  readonly servers: readonly NatsServer[];
  /** Of all servers, for clients. */
  readonly urls: readonly string[];
  stop(): Promise<void>;
}

const PORTS_EACH = 3;
const FORMING_MS = 5_000;
const FORMING_ATTEMPTS = 4;
const ANSWER_MS = 1_000;
const RETRY_MS = 50;

/**
 * `size` nats-servers that form one cluster and take streams with `size` replicas. With `dir`, each has a folder in it.
 * @throws when they do not find each other in time
 */
export async function startNatsCluster(
  size: number,
  options: Pick<NatsServerOptions, 'dir' | 'syncAlways'> = {},
): Promise<NatsCluster> {
  return await withFreePorts(PORTS_EACH * size, async (free) => {
    const ports = free.slice(0, size);
    const members = ports.map((port, index): NatsServerOptions => {
      const serverName = `nats-${index}`;
      const [client = 0, monitor = 0] = free.slice(size + 2 * index);
      const dir = options.dir === undefined ? {} : { dir: join(options.dir, serverName) };
      return { ...options, ...dir, port: client, monitorPort: monitor, cluster: { serverName, port, ports } };
    });
    return await startTogether(members);
  });
}

/**
 * When three found a cluster, it happens under load that the leader is elected before it has heard of one of them, which
 * then stays outside until it is started again; or that none is elected for long. Starting again those who do not lead
 * mends both.
 */
async function startTogether(members: readonly NatsServerOptions[]): Promise<NatsCluster> {
  const starts = await Promise.allSettled(members.map((member) => NatsServer.start(member)));
  const servers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    for (const start of starts) if (start.status === 'rejected') throw start.reason;
    for (let attempt = 1; ; attempt++) {
      try {
        await isFormed(servers);
        break;
      } catch (error) {
        if (attempt === FORMING_ATTEMPTS) throw error;
      }
      const leader = await leaderOf(servers);
      const others = servers.filter(({ name }) => name !== leader);
      await Promise.all(others.map((server) => server.kill()));
      await Promise.all(others.map((server) => server.restart()));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { servers, urls: servers.map((server) => server.url), stop };
}

/** The name of the one that leads the cluster, as far as any of them knows. */
async function leaderOf(servers: readonly NatsServer[]): Promise<string | undefined> {
  for (const { monitorUrl } of servers) {
    const response = await fetch(`${monitorUrl}/jsz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const { meta_cluster: group } = (await response.json()) as { meta_cluster?: { leader?: string } };
    if (group?.leader !== undefined) return group.leader;
  }
  return undefined;
}

/** They have a leader, and it gives them streams with as many replicas: nothing else tells that it knows them all. */
async function isFormed(servers: readonly NatsServer[]): Promise<void> {
  const deadline = Date.now() + FORMING_MS;
  await Promise.all(servers.map((server) => server.healthy(FORMING_MS)));
  const connection = await connect({ servers: servers.map((server) => server.url) });
  try {
    const { streams } = await jetstreamManager(connection);
    const probe = {
      name: 'readiness',
      subjects: ['readiness'],
      storage: StorageType.Memory,
      num_replicas: servers.length,
    };
    for (;;) {
      try {
        await streams.add(probe);
        break;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
      await pause(RETRY_MS);
    }
    await streams.delete(probe.name);
  } finally {
    await connection.close();
  }
}
