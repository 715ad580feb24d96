import { type Runtime, TopGunError } from '@topgunbuild/core';
import type { Logger } from '../../Logger.js';
import type { Backbone, ClusterPorts } from '../Backbone.js';
import { type ClusterConfig, checkConfig, createConfig, readConfig } from '../clusterConfig.js';
import { LinkedBus } from './LinkedBus.js';
import { LinkedLog } from './LinkedLog.js';
import { LinkedRegistry } from './LinkedRegistry.js';
import { MemoryLink } from './MemoryLink.js';
import type { SharedBus } from './SharedBus.js';
import type { SharedLog } from './SharedLog.js';
import type { SharedRegistry } from './SharedRegistry.js';

export interface MemoryClusterBackboneOptions {
  readonly log: SharedLog;
  readonly registry: SharedRegistry;
  readonly bus: SharedBus;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly shardCount: number;
  readonly replicas: number;
  readonly delay: (() => number) | null;
  readonly maxPayload: number;
}

/** One node's backbone in a MemoryCluster. `link` is where a test breaks it. */
export class MemoryClusterBackbone implements Backbone {
  readonly type = 'memory';
  readonly link: MemoryLink;
  readonly #options: MemoryClusterBackboneOptions;
  readonly #registry: LinkedRegistry;
  readonly #bus: LinkedBus;
  #opened: { readonly config: ClusterConfig; readonly log: LinkedLog } | null = null;

  constructor(options: MemoryClusterBackboneOptions) {
    const { runtime, logger, delay, maxPayload } = options;
    this.#options = options;
    this.link = new MemoryLink(runtime, delay);
    this.#registry = new LinkedRegistry(options.registry, this.link);
    this.#bus = new LinkedBus({ bus: options.bus, link: this.link, runtime, logger, maxPayload });
  }

  get log(): LinkedLog {
    return this.#get().log;
  }

  get cluster(): ClusterPorts {
    const { config, log } = this.#get();
    return { clusterId: config.clusterId, registry: this.#registry, bus: this.#bus, tails: log };
  }

  get problem(): string | null {
    return this.link.state === 'cut' ? 'The backbone cannot be reached' : null;
  }

  async open(): Promise<void> {
    const { runtime } = this.#options;
    const config = (await readConfig(this.#registry)) ?? (await createConfig(this.#registry, this.#options, runtime));
    checkConfig(config, this.#options);
    this.#opened = { config, log: new LinkedLog(config.logId, this.#options.log, this.link) };
  }

  async close(): Promise<void> {
    this.#bus.close();
    // What was sent before is in the world once this is back.
    if (this.link.state === 'up') await this.link.call(() => undefined);
    this.link.kill();
  }

  #get() {
    if (this.#opened === null) throw new TopGunError('INTERNAL', 'The backbone is not open');
    return this.#opened;
  }
}
