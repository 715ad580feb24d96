import { decodeValue, encodeValue, type Runtime, TopGunError } from '@topgunbuild/core';
import { z } from 'zod';
import type { Registry } from './Registry.js';

export const CONFIG_KEY = 'config';

/** What a cluster was created with, by its first node. Only `logId` ever changes. */
export interface ClusterConfig {
  readonly clusterId: string;
  /** Of the log: another one once the cluster was restored from a backup. */
  readonly logId: string;
  readonly shardCount: number;
  /** Copies of the log and of what else the cluster shares. */
  readonly replicas: number;
  readonly createdMs: number;
}

const SCHEMA = z.object({
  clusterId: z.string().min(1).max(64),
  logId: z.string().min(1).max(64),
  shardCount: z.number().int().min(1).max(271),
  replicas: z.number().int().min(1).max(5),
  createdMs: z.number(),
});

/** Null: the cluster was not created yet. @throws TopGunError STORAGE_FAILED when it cannot be read */
export async function readConfig(registry: Registry): Promise<ClusterConfig | null> {
  const entry = await registry.get(CONFIG_KEY);
  return entry === null ? null : decodeConfig(entry.value);
}

/** @throws TopGunError STORAGE_FAILED */
export function decodeConfig(value: Uint8Array): ClusterConfig {
  try {
    return SCHEMA.parse(decodeValue(value));
  } catch (cause) {
    const message = 'What the cluster was created with cannot be read: was it written by another program, or version?';
    throw new TopGunError('STORAGE_FAILED', message, { cause });
  }
}

/** Creates the cluster, unless somebody else was faster: returns what it has been created with. */
export async function createConfig(
  registry: Registry,
  options: { readonly shardCount: number; readonly replicas: number },
  runtime: Runtime,
): Promise<ClusterConfig> {
  const { shardCount, replicas } = options;
  const config = { clusterId: runtime.id(), logId: runtime.id(), shardCount, replicas, createdMs: runtime.now() };
  const revision = await registry.compareAndSet(CONFIG_KEY, encodeValue(config), 0);
  if (revision !== null) return config;
  const created = await readConfig(registry);
  if (created === null) throw new TopGunError('UNAVAILABLE', 'The cluster was removed while it was being joined.');
  return created;
}

/** @throws TopGunError INVALID_VALUE when the options of a node are not those of its cluster */
export function checkConfig(
  config: ClusterConfig,
  options: { readonly shardCount: number; readonly replicas: number },
): void {
  for (const name of ['shardCount', 'replicas'] as const) {
    if (config[name] === options[name]) continue;
    throw new TopGunError(
      'INVALID_VALUE',
      `The cluster was created with ${name} ${config[name]}, this node is given ${options[name]}. Start it with ${config[name]}.`,
    );
  }
}
