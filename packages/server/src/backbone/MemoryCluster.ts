import type { Runtime } from '@topgunbuild/core';
import { type Logger, SILENT } from '../Logger.js';
import { MemoryClusterBackbone } from './memory/MemoryClusterBackbone.js';
import { SharedBus } from './memory/SharedBus.js';
import { SharedLog } from './memory/SharedLog.js';
import { SharedRegistry } from './memory/SharedRegistry.js';

export interface MemoryClusterOptions {
  readonly runtime: Runtime;
  readonly shardCount?: number;
  readonly replicas?: number;
  /** Streams that the shards' logs share, as they do in JetStream. Default 8. */
  readonly streams?: number;
  /** How long a message takes from a node to what is shared, or back, ms; asked for each. Default: the next microtask. */
  readonly delay?: () => number;
  /** The largest message of the bus, bytes. Default 1 MiB. */
  readonly maxPayload?: number;
  readonly logger?: Logger;
}

/** Overrides what the cluster was made with, for one node. */
export type MemoryNodeOptions = Partial<
  Pick<MemoryClusterOptions, 'runtime' | 'shardCount' | 'replicas' | 'delay' | 'logger'>
>;

/**
 * What the nodes of a cluster share, in one process: for tests and simulations, where every step follows from the
 * Runtime. What it holds outlives the backbones that were opened on it.
 */
export class MemoryCluster {
  /** The logs as they are, whatever befalls the nodes. */
  readonly log: SharedLog;
  readonly registry = new SharedRegistry();
  readonly #bus = new SharedBus();
  readonly #options: MemoryClusterOptions;

  constructor(options: MemoryClusterOptions) {
    this.#options = options;
    this.log = new SharedLog(options.streams ?? 8);
  }

  /** Another node's backbone, not yet open. Once closed or killed it stays so. */
  backbone(node: MemoryNodeOptions = {}): MemoryClusterBackbone {
    const {
      runtime,
      shardCount = 32,
      replicas = 1,
      delay,
      maxPayload = 1024 * 1024,
      logger = SILENT,
    } = {
      ...this.#options,
      ...node,
    };
    return new MemoryClusterBackbone({
      log: this.log,
      registry: this.registry,
      bus: this.#bus,
      runtime,
      logger,
      shardCount,
      replicas,
      delay: delay ?? null,
      maxPayload,
    });
  }
}
