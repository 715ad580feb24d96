import { TopGunClient } from '@topgunbuild/client';
import { Cluster } from 'ioredis';
import { pause } from '../harness/sample.js';

/** The client of a cluster: TopGun's own, or ioredis. */
export interface ClusterPeer {
  /** Resolves when it is acknowledged. A refusal that passes is no concern of the caller's. */
  set(key: string, value: string): Promise<unknown>;
  /** All values by key, as the servers have them: those of `keys`, and maybe others. */
  all(keys: readonly string[]): Promise<ReadonlyMap<string, string>>;
  routes(): Routes;
  close(): Promise<void>;
}

/** How operations went to their owners. */
export interface Routes {
  readonly direct: number;
  readonly all: number;
}

/** Where to find the cluster. */
export type ClusterAddress =
  | { readonly topgun: readonly string[] }
  | {
      readonly redis: readonly number[];
      /** All nodes stay: ioredis makes pipelines by itself. Otherwise it is set up for quick failovers, see the README. */
      readonly steady: boolean;
    };

const READY_MS = 20_000;
const BEFORE_RETRY_MS = 20;
const SLOTS_REFRESH_MS = 200;

export async function connectClusterPeer(address: ClusterAddress, clientId: string): Promise<ClusterPeer> {
  return 'topgun' in address
    ? await connectTopGun(address.topgun, clientId)
    : await connectRedis(address.redis, address.steady);
}

async function connectTopGun(seeds: readonly string[], clientId: string): Promise<ClusterPeer> {
  const client = new TopGunClient({ cluster: { seeds }, clientId });
  await client.start();
  await client.ready({ timeoutMs: READY_MS });
  // Measured is what clients do in steady state: from then on they know all nodes.
  while (client.getConnectedNodes().length < seeds.length) await pause(BEFORE_RETRY_MS);
  const map = client.getMap<string>('bench');
  return {
    set: (key, value) => map.set(key, value).acked,
    async all() {
      await map.synced({ timeoutMs: READY_MS });
      return new Map(map.entries());
    },
    routes() {
      const { directRoutes, totalRoutes } = client.getRoutingMetrics();
      return { direct: directRoutes, all: totalRoutes };
    },
    close: () => client.close(),
  };
}

async function connectRedis(ports: readonly number[], steady: boolean): Promise<ClusterPeer> {
  const nodes = ports.map((port) => ({ host: '127.0.0.1', port }));
  const cluster = new Cluster(
    nodes,
    steady ? { enableAutoPipelining: true } : { slotsRefreshInterval: SLOTS_REFRESH_MS },
  );
  cluster.on('error', () => undefined);
  // The first command waits for the cluster; those after it find connections to all nodes.
  await Promise.all(Array.from({ length: 100 }, (_, n) => cluster.get(`hello-${n}`)));
  return {
    set: (key, value) => cluster.set(key, value),
    async all(keys) {
      const values = await Promise.all(keys.map((key) => cluster.get(key)));
      return new Map(keys.map((key, index) => [key, values[index] ?? '']));
    },
    routes: () => ({ direct: 0, all: 0 }),
    async close() {
      cluster.disconnect();
    },
  };
}
