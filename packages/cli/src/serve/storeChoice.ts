import type { BackboneOptions } from '@topgunbuild/server';
import type { Command } from 'commander';
import { usageError } from '../CliError.js';
import { chooseOne } from '../options/chooseOne.js';
import { CLUSTER_FLAGS, type ClusterOptions } from '../options/clusterOptions.js';
import type { NatsServers } from '../options/natsServers.js';

/** Where a node keeps what it is told. */
export type StoreChoice =
  | { readonly type: 'memory' }
  | { readonly type: 'embedded'; readonly path: string }
  | { readonly type: 'nats'; readonly nats: NatsServers; readonly cluster: ClusterOptions };

export interface StoreOptions extends ClusterOptions {
  readonly data: string;
  readonly memory?: true;
  readonly nats?: NatsServers;
}

/** @throws CliError when options exclude each other */
export function storeChoice(options: StoreOptions, command: Command): StoreChoice {
  const chosen = chooseOne(command, { memory: '--memory', data: '--data', nats: '--nats' });
  if (chosen === 'nats' && options.nats !== undefined) return { type: 'nats', nats: options.nats, cluster: options };
  // Somebody who says this wants a cluster: a node on its own would take writes that the others never see.
  for (const [name, flag] of Object.entries(CLUSTER_FLAGS)) {
    if (command.getOptionValueSource(name) !== 'default') throw usageError(`${flag} is for clusters: it needs --nats`);
  }
  return chosen === 'memory' ? { type: 'memory' } : { type: 'embedded', path: options.data };
}

/** As `createServer` takes it. */
export function backboneOf(choice: StoreChoice): BackboneOptions {
  if (choice.type !== 'nats') return choice;
  const { cluster, replicas, backups, shards } = choice.cluster;
  return { type: 'nats', ...choice.nats, cluster, replicas, backups, shards };
}
