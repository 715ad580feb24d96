import {
  ownerOfPartition,
  type PartitionMap,
  partitionOf,
  type Runtime,
  systemRuntime,
  TopGunError,
} from '@topgunbuild/core';
import type { Authenticator } from './auth/Authenticator.js';
import { createAuthenticator } from './auth/createAuthenticator.js';
import type { Backbone } from './backbone/Backbone.js';
import { EmbeddedBackbone } from './backbone/EmbeddedBackbone.js';
import { MemoryBackbone } from './backbone/MemoryBackbone.js';
import { NatsBackbone } from './backbone/nats/NatsBackbone.js';
import { Gateway } from './gateway/Gateway.js';
import { clusterReport } from './http/clusterReport.js';
import { HttpApi } from './http/HttpApi.js';
import { type Logger, SILENT } from './Logger.js';
import { Counters } from './metrics/Counters.js';
import { ProcessProbe } from './metrics/ProcessProbe.js';
import { writeMetrics } from './metrics/writeMetrics.js';
import { NodeCore } from './NodeCore.js';
import { createPermissions } from './permissions/createPermissions.js';
import type { Permissions } from './permissions/Permissions.js';
import type { BackboneOptions, CheckedOptions, NatsBackboneOptions } from './ServerOptions.js';
import { serversOf } from './serversOf.js';

type State =
  | { readonly name: 'new' | 'starting' | 'stopped' }
  | { readonly name: 'serving' | 'stopping'; readonly core: NodeCore };

/** One TopGun node: what it stores, what it serves, and the port it serves it on. */
export class TopGunNode {
  readonly nodeId: string;
  /** Resolves with the reason when the node stops by itself, which it does when another process has taken its id. */
  readonly failed: Promise<TopGunError>;
  readonly #fail: (reason: TopGunError) => void;
  readonly #options: CheckedOptions;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  readonly #authenticator: Authenticator;
  readonly #permissions: Permissions;
  readonly #backbone: Backbone;
  readonly #gateway: Gateway;
  readonly #counters = new Counters();
  readonly #probe = new ProcessProbe();
  #state: State = { name: 'new' };
  #port = 0;
  #started: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | null = null;

  /** Takes options as `checkOptions` returned them. @throws TopGunError for credentials or rules that are wrong */
  constructor(options: CheckedOptions) {
    const runtime = options.runtime ?? systemRuntime();
    const { limits, logger = SILENT } = options;
    this.#options = options;
    this.#runtime = runtime;
    this.#logger = logger;
    this.nodeId = options.nodeId ?? `node-${runtime.id(8)}`;
    let fail: (reason: TopGunError) => void = () => undefined;
    this.failed = new Promise((resolve) => {
      fail = resolve;
    });
    this.#fail = fail;
    this.#authenticator = options.authenticator ?? createAuthenticator(options.auth, runtime);
    this.#permissions = createPermissions(options.permissions, logger);
    this.#backbone = createBackbone(options.backbone, runtime, logger);
    const api = new HttpApi({
      readyProblem: () => this.#readyProblem(),
      metrics: options.metrics ? () => this.#metrics() : null,
      cluster: () => this.#cluster(),
    });
    const ports = {
      runtime,
      limits,
      counters: this.#counters,
      sessions: () => (this.#state.name === 'serving' ? this.#state.core.sessions : null),
      onRequest: api.handle.bind(api),
    };
    this.#gateway = new Gateway(ports, options.origins ?? null);
  }

  /** The port it listens on; 0 before it does. */
  get port(): number {
    return this.#port;
  }

  /** The WebSocket URL that clients use. */
  get url(): string {
    return this.#options.advertise ?? `ws://${urlHost(this.#options.host)}:${this.#port}`;
  }

  /** Null before the node has started and after it has stopped. */
  get partitionMap(): PartitionMap | null {
    return this.#core?.partitionMap ?? null;
  }

  isOwner(key: string): boolean {
    const map = this.partitionMap;
    return map !== null && ownerOfPartition(map, partitionOf(key))?.id === this.nodeId;
  }

  /** The value as this node holds it: for a set its elements, for a counter its number; undefined when there is none. */
  read(map: string, key: string): unknown {
    return this.#core?.plane.read(map, key)?.value;
  }

  /**
   * Opens the port, where probes are answered from then on, then the store, and takes sessions once this resolves.
   * @throws TopGunError; the node has given back what it took and cannot be started again
   */
  async start(): Promise<this> {
    if (this.#state.name !== 'new') throw new TopGunError('CLOSED', 'a node starts once; create another');
    this.#state = { name: 'starting' };
    const starting = this.#start();
    // Whoever stops the node meanwhile waits for this, and is not the one to hear of a failure.
    this.#started = starting.catch(() => undefined);
    await starting;
    return this;
  }

  /**
   * Gracefully: no new sessions, clients are told, operations under way are answered, then all is closed; within
   * ten seconds. Otherwise connections are cut at once. Either way nothing that was acknowledged is lost.
   */
  stop(options: { readonly graceful?: boolean } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.graceful ?? true);
    return this.#stopped;
  }

  async #start(): Promise<void> {
    try {
      this.#port = await this.#gateway.listen(this.#options.port, this.#options.host);
      await this.#backbone.open();
      this.#state = { name: 'serving', core: await this.#openCore() };
    } catch (error) {
      this.#state = { name: 'stopped' };
      await this.#gateway.close();
      await this.#backbone.close();
      throw error;
    }
    this.#probe.start();
    this.#logStart();
  }

  #openCore(): Promise<NodeCore> {
    const { limits, tombstoneRetentionMs, backbone } = this.#options;
    const { shards, backups } = backbone.type === 'nats' ? backbone : {};
    return NodeCore.open({
      nodeId: this.nodeId,
      endpoint: this.url,
      backbone: this.#backbone,
      runtime: this.#runtime,
      limits,
      authenticator: this.#authenticator,
      permissions: this.#permissions,
      counters: this.#counters,
      logger: this.#logger,
      tuning: tombstoneRetentionMs === undefined ? {} : { tombstoneRetentionMs },
      shardCount: shards,
      backups,
      onReplaced: () => this.#onReplaced(),
      atTurnEnd: (flush) => void setImmediate(flush),
    });
  }

  /** Both would answer what is sent to the node: the one whom the cluster does not mean has to go. */
  #onReplaced(): void {
    const message = `Another process has taken the id ${JSON.stringify(this.nodeId)} of this node, which stops.`;
    this.#fail(new TopGunError('CLOSED', message));
    this.stop().catch((error: unknown) => this.#logger.error({ err: error }, 'the node could not stop in order'));
  }

  async #stop(graceful: boolean): Promise<void> {
    await this.#started;
    if (this.#state.name !== 'serving') return;
    const { core } = this.#state;
    this.#state = { name: 'stopping', core };
    if (graceful) await core.drain();
    await this.#gateway.close();
    await core.close();
    this.#state = { name: 'stopped' };
    await this.#backbone.close();
    this.#probe.stop();
    this.#logger.info({ node: this.nodeId }, 'stopped');
  }

  get #core(): NodeCore | null {
    return 'core' in this.#state ? this.#state.core : null;
  }

  #readyProblem(): string | null {
    switch (this.#state.name) {
      case 'serving':
        return this.#state.core.readyProblem();
      case 'new':
      case 'starting':
        return 'the node is starting';
      default:
        return 'the node is stopping';
    }
  }

  #metrics(): string | null {
    const core = this.#core;
    if (core === null) return null;
    return writeMetrics({
      counters: this.#counters,
      probe: this.#probe,
      sessions: core.sessions.size,
      topics: core.topics.size,
      plane: core.plane.stats(),
      membership: core.membership,
    });
  }

  #cluster(): unknown {
    const core = this.#core;
    if (core === null) return null;
    return clusterReport({
      nodeId: this.nodeId,
      map: core.partitionMap,
      logId: core.plane.logId,
      membership: core.membership,
      ready: this.#readyProblem() === null,
      sessions: core.sessions.size,
      stats: core.plane.stats(),
    });
  }

  #logStart(): void {
    const { backbone, permissions, auth, authenticator } = this.#options;
    this.#logger.info({ node: this.nodeId, url: this.url, backbone: backbone.type }, 'serving');
    if (permissions === undefined) {
      this.#logger.info({}, 'no permission rules: every authenticated subject may read and write everything');
    }
    if (auth === 'none' && authenticator === undefined) {
      this.#logger.warn({}, 'no authentication: whoever reaches the port may do what the rules allow everybody');
    }
  }
}

function createBackbone(options: BackboneOptions, runtime: Runtime, logger: Logger): Backbone {
  switch (options.type) {
    case 'memory':
      return new MemoryBackbone();
    case 'embedded':
      return new EmbeddedBackbone({ path: options.path, runtime, logger });
    case 'nats':
      return createNatsBackbone(options, runtime, logger);
  }
}

function createNatsBackbone(options: NatsBackboneOptions, runtime: Runtime, logger: Logger): Backbone {
  const { servers, cluster, replicas, shards, options: connection } = options;
  return new NatsBackbone({
    servers: serversOf(servers),
    ...(cluster === undefined ? {} : { cluster }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(shards === undefined ? {} : { shardCount: shards }),
    ...(connection === undefined ? {} : { connection }),
    runtime,
    logger,
  });
}

/** Wildcard addresses cannot be dialled; IPv6 addresses stand in brackets. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
