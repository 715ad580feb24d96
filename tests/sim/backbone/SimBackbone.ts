import { TopGunError } from '@topgunbuild/core';
import type { Backbone, ClusterPorts } from '../../../packages/server/src/backbone/Backbone.js';
import { checkConfig, createConfig, readConfig } from '../../../packages/server/src/backbone/clusterConfig.js';
import type { Random } from '../kernel/Random.js';
import type { SimProcess } from '../kernel/SimProcess.js';
import type { VirtualTime } from '../kernel/VirtualTime.js';
import type { Faults } from '../world/Faults.js';
import type { SharedLogs } from './SharedLogs.js';
import { type SharedBus, SimBus } from './SimBus.js';
import { SimLog } from './SimLog.js';
import { type ObservedRegistry, SimRegistry } from './SimRegistry.js';
import { Way } from './Way.js';

/** What the nodes of a cluster share. It outlives all of them, and loses nothing that it has confirmed. */
export interface Shared {
  readonly logs: SharedLogs;
  readonly registry: ObservedRegistry;
  readonly bus: SharedBus;
  readonly shardCount: number;
  readonly maxPayload: number;
  readonly onBusError: (process: SimProcess, error: unknown) => void;
}

export const WAYS = ['log', 'registry', 'bus'] as const;
export type WayName = (typeof WAYS)[number];

/** The backbone as one process of a node sees it, by three ways that may break one by one. */
export class SimBackbone implements Backbone {
  readonly type = 'simulated';
  readonly ways: Readonly<Record<WayName, Way>>;
  readonly #shared: Shared;
  readonly #process: SimProcess;
  readonly #random: Random;
  readonly #faults: Faults;
  readonly #registry: SimRegistry;
  readonly #bus: SimBus;
  #log: SimLog | null = null;
  #clusterId = '';

  constructor(shared: Shared, process: SimProcess, time: VirtualTime, random: Random, faults: Faults) {
    this.#shared = shared;
    this.#process = process;
    this.#random = random;
    this.#faults = faults;
    const delay = (): number => 0.05 + random.wait(faults.backboneMs);
    const way = (): Way => new Way(process, time, random, delay);
    this.ways = { log: way(), registry: way(), bus: way() };
    this.#registry = new SimRegistry(shared.registry, this.ways.registry, random, faults);
    const onBusError = (error: unknown): void => shared.onBusError(process, error);
    this.#bus = new SimBus(shared.bus, this.ways.bus, random, faults, shared.maxPayload, onBusError);
  }

  get log(): SimLog {
    if (this.#log === null) throw new TopGunError('INTERNAL', 'The backbone is not open');
    return this.#log;
  }

  get cluster(): ClusterPorts {
    return { clusterId: this.#clusterId, registry: this.#registry, bus: this.#bus, tails: this.log };
  }

  get problem(): string | null {
    const broken = WAYS.filter((name) => !this.ways[name].isUp);
    return broken.length === 0 ? null : `the backbone cannot be reached: ${broken.join()}`;
  }

  async open(): Promise<void> {
    const { shardCount, logs } = this.#shared;
    const options = { shardCount, replicas: 1 };
    const config = (await readConfig(this.#registry)) ?? (await createConfig(this.#registry, options, this.#process));
    checkConfig(config, options);
    this.#clusterId = config.clusterId;
    this.#log = new SimLog(config.logId, logs, this.ways.log, this.#random, this.#faults);
  }

  async close(): Promise<void> {
    this.#bus.close();
    // What was sent before is there once this is back.
    for (const name of WAYS)
      if (this.ways[name].isUp) await this.ways[name].call(() => undefined).catch(() => undefined);
    this.die();
  }

  die(silently = false): void {
    for (const name of WAYS) this.ways[name].die(silently);
  }
}
