import { systemRuntime, type Timer, TopGunError } from '@topgunbuild/core';
import { SILENT } from '../../Logger.js';
import type { Backbone, ClusterPorts } from '../Backbone.js';
import { type ClusterConfig, CONFIG_KEY } from '../clusterConfig.js';
import { checkServer, warnOfServer } from './checkServer.js';
import { JetStream } from './JetStream.js';
import { NatsBus } from './NatsBus.js';
import { NatsLayout } from './NatsLayout.js';
import type { NatsLink } from './NatsLink.js';
import { NatsLog } from './NatsLog.js';
import type { NatsOptions } from './NatsOptions.js';
import { NatsRegistry } from './NatsRegistry.js';
import { NatsSnapshots } from './NatsSnapshots.js';
import { openLink, untilAvailable } from './openLink.js';
import { openStreams } from './openStreams.js';

const DEFAULT_TIMEOUT_MS = 3_000;
/** Three servers that have just started take seconds to agree on leaders. */
const JOIN_WITHIN_MS = 30_000;
const PROBE_MS = 2_000;

/** What is there while the backbone is open. */
interface Opened {
  readonly link: NatsLink;
  readonly js: JetStream;
  readonly config: ClusterConfig;
  readonly log: NatsLog;
  readonly snapshots: NatsSnapshots;
  readonly registry: NatsRegistry;
  readonly cluster: ClusterPorts;
}

/** A backbone that nodes share: NATS with JetStream. */
export class NatsBackbone implements Backbone {
  readonly type = 'nats';
  readonly #options: NatsOptions;
  readonly #replicas: number;
  readonly #shardCount: number;
  readonly #layout: NatsLayout;
  #opened: Opened | null = null;
  #probeTimer: Timer | null = null;
  #failedProbes = 0;

  /** @throws TopGunError INVALID_VALUE */
  constructor(options: NatsOptions) {
    const { cluster = 'topgun', replicas = 1, shardCount = 32 } = options;
    if (options.servers.length === 0) throw new TopGunError('INVALID_VALUE', 'Name at least one NATS server.');
    this.#options = options;
    this.#replicas = replicas;
    this.#shardCount = shardCount;
    this.#layout = new NatsLayout(cluster, shardCount);
  }

  get log(): NatsLog {
    return this.#get().log;
  }

  get cluster(): ClusterPorts {
    return this.#get().cluster;
  }

  /** What the cluster was created with. */
  get config(): ClusterConfig {
    return this.#get().config;
  }

  get problem(): string | null {
    if (this.#opened?.link.isUp !== true) return 'NATS is not connected';
    return this.#failedProbes < 2 ? null : 'JetStream does not answer';
  }

  /** @throws TopGunError UNAVAILABLE when NATS is not there in time; INVALID_VALUE, FORBIDDEN or STORAGE_FAILED at once */
  async open(): Promise<void> {
    const { runtime, logger } = this.#settings();
    const link = await openLink(this.#options, runtime, logger);
    try {
      this.#opened = await untilAvailable(runtime, JOIN_WITHIN_MS, () => this.#join(link));
    } catch (error) {
      await link.close();
      throw error;
    }
    warnOfServer(link, this.#replicas, logger);
    this.#probeLater();
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    if (opened === null) return;
    this.#opened = null;
    if (this.#probeTimer !== null) this.#settings().runtime.clearTimer(this.#probeTimer);
    await opened.snapshots.close();
    opened.log.close();
    opened.registry.close();
    await opened.js.settled();
    await opened.link.close();
  }

  async #join(link: NatsLink): Promise<Opened> {
    const { runtime, logger, timeoutMs } = this.#settings();
    const js = new JetStream(link, timeoutMs);
    const env = { js, runtime, logger };
    checkServer(link);
    await js.check();
    const layout = this.#layout;
    const registry = new NatsRegistry(env, layout);
    const replicas = this.#replicas;
    const config = await openStreams({ js, registry, layout, runtime, shardCount: this.#shardCount, replicas });
    const snapshots = new NatsSnapshots(env, layout);
    const log = new NatsLog(config.logId, env, layout, snapshots);
    const bus = new NatsBus(link, layout, logger);
    const cluster = { clusterId: config.clusterId, registry, bus, tails: log };
    return { link, js, config, log, snapshots, registry, cluster };
  }

  /** A node that only reads would not notice otherwise that JetStream, or its leader, is gone. */
  #probeLater(): void {
    const { runtime } = this.#settings();
    this.#probeTimer = runtime.setTimer(PROBE_MS * (0.75 + runtime.random() / 2), () => void this.#probe());
  }

  async #probe(): Promise<void> {
    const opened = this.#opened;
    try {
      await opened?.registry.get(CONFIG_KEY);
      this.#failedProbes = 0;
    } catch {
      this.#failedProbes++;
    }
    if (opened !== null && opened === this.#opened) this.#probeLater();
  }

  #get(): Opened {
    if (this.#opened === null) throw new TopGunError('INTERNAL', 'The backbone is not open');
    return this.#opened;
  }

  #settings() {
    const { runtime = systemRuntime(), logger = SILENT, timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
    return { runtime, logger, timeoutMs };
  }
}
