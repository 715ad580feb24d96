import { TopGunError } from '@topgunbuild/core';
import { webSocketUrl } from '../connection/webSocketUrl.js';

/** How a client finds and uses a cluster. */
export interface ClusterOptions {
  /** Where nodes may be found: ws, wss, http or https URLs. One that answers is enough. */
  readonly seeds: readonly string[];
  /** 1 to 16, default 2. */
  readonly connectionsPerNode?: number;
  /** False: one node is asked for everything, and forwards. Default: true. */
  readonly smartRouting?: boolean;
  /** How often the partition map is asked for besides its being told, ms, default 30,000, at least 1,000. */
  readonly partitionMapRefreshMs?: number;
  /**
   * The address under which this client reaches a node that advertises `endpoint`: for networks that translate addresses.
   * It is asked for whatever names an endpoint, but not for the seeds.
   */
  readonly endpointMapper?: (endpoint: string, nodeId: string) => string;
}

export type CheckedClusterOptions = Required<Omit<ClusterOptions, 'endpointMapper'>> &
  Pick<ClusterOptions, 'endpointMapper'>;

const MAX_CONNECTIONS = 16;
const MIN_REFRESH_MS = 1_000;

/** @throws TopGunError INVALID_VALUE that says what is wrong */
export function checkClusterOptions(options: ClusterOptions): CheckedClusterOptions {
  const {
    seeds,
    connectionsPerNode = 2,
    smartRouting = true,
    partitionMapRefreshMs = 30_000,
    endpointMapper,
  } = options;
  if (!Array.isArray(seeds) || seeds.length === 0) {
    throw invalid('cluster.seeds must name at least one node, such as ws://host:8080.');
  }
  if (!Number.isInteger(connectionsPerNode) || connectionsPerNode < 1 || connectionsPerNode > MAX_CONNECTIONS) {
    throw invalid(`cluster.connectionsPerNode must be a whole number from 1 to ${MAX_CONNECTIONS}.`);
  }
  if (typeof smartRouting !== 'boolean') throw invalid('cluster.smartRouting must be true or false.');
  if (!Number.isFinite(partitionMapRefreshMs) || partitionMapRefreshMs < MIN_REFRESH_MS) {
    throw invalid(`cluster.partitionMapRefreshMs must be a number of ms, at least ${MIN_REFRESH_MS}.`);
  }
  if (endpointMapper !== undefined && typeof endpointMapper !== 'function') {
    throw invalid('cluster.endpointMapper must be a function of an endpoint and a node id.');
  }
  const checked = { seeds: [...new Set(seeds.map(seedUrl))], connectionsPerNode, smartRouting, partitionMapRefreshMs };
  return endpointMapper === undefined ? checked : { ...checked, endpointMapper };
}

function seedUrl(seed: unknown, index: number): string {
  if (typeof seed !== 'string') throw invalid(`cluster.seeds[${index}] must be a URL, such as ws://host:8080.`);
  try {
    return webSocketUrl(seed);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TopGunError('INVALID_VALUE', `cluster.seeds[${index}]: ${reason}`, { cause });
  }
}

function invalid(message: string): TopGunError {
  return new TopGunError('INVALID_VALUE', message);
}
