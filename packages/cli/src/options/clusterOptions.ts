import { type Command, InvalidArgumentError, type Option } from 'commander';
import { envOption } from './envOption.js';
import { wholeNumber } from './parse.js';

/** What all nodes of a cluster must agree on. */
export interface ClusterOptions {
  readonly cluster: string;
  readonly replicas: 1 | 3;
  readonly backups: number;
  readonly shards: number;
}

/** The partitions of the key space: more shards than these would stay empty. */
const MAX_SHARDS = 271;
const MAX_BACKUPS = 8;

export const CLUSTER_FLAGS: Readonly<Record<keyof ClusterOptions, string>> = {
  cluster: '--cluster',
  replicas: '--replicas',
  backups: '--backups',
  shards: '--shards',
};

export function addClusterOptions(command: Command): Command {
  return command
    .addOption(clusterNameOption())
    .addOption(
      envOption('--replicas <n>', 'NATS servers that keep each write before it counts: 1 or 3')
        .argParser(replicas)
        .default(1),
    )
    .addOption(
      envOption('--backups <n>', 'nodes besides the owner that keep each shard in memory, ready to take over')
        .argParser(wholeNumber(0, MAX_BACKUPS))
        .default(1),
    )
    .addOption(
      envOption('--shards <n>', 'parts that the data is divided into; fixed when the cluster is created')
        .argParser(wholeNumber(1, MAX_SHARDS))
        .default(32),
    );
}

export function clusterNameOption(): Option {
  return envOption('--cluster <name>', 'name of the cluster; several may share a NATS')
    .argParser(clusterName)
    .default('topgun');
}

function clusterName(text: string): string {
  if (/^[A-Za-z0-9_-]{1,32}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be 1 to 32 characters of A-Z, a-z, 0-9, _ and -.');
}

function replicas(text: string): 1 | 3 {
  if (text === '1') return 1;
  if (text === '3') return 3;
  throw new InvalidArgumentError('It must be 1 or 3.');
}
