import { systemRuntime, type Timer, TopGunError } from '@topgunbuild/core';
import { SILENT } from '../../Logger.js';
import type { Backbone, ClusterPorts } from '../Backbone.js';
import { type ClusterConfig, CONFIG_KEY } from '../clusterConfig.js';
import { checkServer, warnOfServer } from './checkServer.js';
import { JetStream } from './JetStream.js';
import { NatsBus } from './NatsBus.js';
import { NatsLayout } from './NatsLayout.js';
import { NatsLink } from './NatsLink.js';
import { NatsLog } from './NatsLog.js';
import type { NatsOptions } from './NatsOptions.js';
import { NatsRegistry } from './NatsRegistry.js';
import { NatsSnapshots } from './NatsSnapshots.js';
import { openStreams } from './openStreams.js';

const DEFAULT_TIMEOUT_MS = 3_000;
const DEFAULT_CONNECT_WITHIN_MS = 5_000;
/** Three servers that have just started take seconds to agree on leaders. */
const JOIN_WITHIN_MS = 30_000;
const RETRY_MS = 250;
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
    const link = await this.#untilDone(this.#settings().connectWithinMs, () => this.#connect());
    try {
      this.#opened = await this.#untilDone(JOIN_WITHIN_MS, () => this.#join(link));
    } catch (error) {
      await link.close();
      throw error;
    }
    warnOfServer(link, this.#replicas, this.#settings().logger);
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

  async #connect(): Promise<NatsLink> {
    const { servers } = this.#options;
    const { runtime, logger } = this.#settings();
    try {
      return await NatsLink.open(this.#options, runtime, logger);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      if (/authoriz|authentic|certificate/i.test(why)) {
        throw new TopGunError('FORBIDDEN', `NATS at ${namesOf(servers)} refuses this node: ${why}`, { cause });
      }
      const message = `NATS cannot be reached at ${namesOf(servers)}: ${why}. Is nats-server running there?`;
      throw new TopGunError('UNAVAILABLE', message, { cause });
    }
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
    const log = new NatsLog(config.clusterId, env, layout, snapshots);
    const cluster = { registry, bus: new NatsBus(link, layout, logger), tails: log };
    return { link, js, config, log, snapshots, registry, cluster };
  }

  /** What passes is tried again for a while: a server that starts answers by and by. */
  async #untilDone<T>(withinMs: number, attempt: () => Promise<T>): Promise<T> {
    const { runtime } = this.#settings();
    for (const deadline = runtime.monotonic() + withinMs; ; ) {
      try {
        return await attempt();
      } catch (error) {
        const isPassing = error instanceof TopGunError && error.code === 'UNAVAILABLE';
        if (!isPassing || runtime.monotonic() + RETRY_MS >= deadline) throw error;
        await new Promise<void>((resolve) => runtime.setTimer(RETRY_MS, resolve));
      }
    }
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
    const { connectWithinMs = DEFAULT_CONNECT_WITHIN_MS } = this.#options;
    return { runtime, logger, timeoutMs, connectWithinMs };
  }
}

/** URLs may hold passwords. */
function namesOf(servers: readonly string[]): string {
  return servers.map((server) => server.replace(/\/\/[^@/]*@/, '//')).join(', ');
}
