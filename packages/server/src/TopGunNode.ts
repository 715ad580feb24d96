import {
  DEFAULT_SHARD_COUNT,
  ownerOfPartition,
  type PartitionMap,
  partitionOf,
  type Runtime,
  systemRuntime,
  TopGunError,
} from '@topgunbuild/core';
import { createAuthenticator } from './auth/createAuthenticator.js';
import type { Backbone } from './backbone/Backbone.js';
import { EmbeddedBackbone } from './backbone/EmbeddedBackbone.js';
import { MemoryBackbone } from './backbone/MemoryBackbone.js';
import { Gateway } from './gateway/Gateway.js';
import { clusterReport } from './http/clusterReport.js';
import { HttpApi } from './http/HttpApi.js';
import { type Logger, SILENT } from './Logger.js';
import { Counters } from './metrics/Counters.js';
import { ProcessProbe } from './metrics/ProcessProbe.js';
import { writeMetrics } from './metrics/writeMetrics.js';
import { createPermissions } from './permissions/createPermissions.js';
import { RowGuard } from './permissions/RowGuard.js';
import type { BackboneOptions, CheckedOptions } from './ServerOptions.js';
import { RateLimiter } from './session/RateLimiter.js';
import { Sessions } from './session/Sessions.js';
import { LocalDataPlane } from './shard/LocalDataPlane.js';
import { TopicHub } from './topic/TopicHub.js';

type State = 'new' | 'starting' | 'serving' | 'stopping' | 'stopped';

/** Stopping takes at most about the sum of these. */
const DRAIN_MS = 7_000;
const GOODBYE_MS = 1_500;

/** One TopGun node: what it stores, what it serves, and the port it serves it on. */
export class TopGunNode {
  readonly nodeId: string;
  readonly #options: CheckedOptions;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  readonly #backbone: Backbone;
  readonly #plane: LocalDataPlane;
  readonly #gateway: Gateway;
  readonly #counters = new Counters();
  readonly #topics = new TopicHub();
  readonly #probe = new ProcessProbe();
  readonly #authenticator;
  readonly #permissions;
  #sessions: Sessions | null = null;
  #map: PartitionMap | null = null;
  #port = 0;
  #state: State = 'new';
  #started: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | null = null;

  /** Takes options as `checkOptions` returned them. @throws TopGunError for credentials or rules that are wrong */
  constructor(options: CheckedOptions) {
    const runtime = options.runtime ?? systemRuntime();
    const { limits } = options;
    this.#options = options;
    this.#runtime = runtime;
    this.#logger = options.logger ?? SILENT;
    this.nodeId = options.nodeId ?? `node-${runtime.id(8)}`;
    this.#authenticator = options.authenticator ?? createAuthenticator(options.auth, runtime);
    this.#permissions = createPermissions(options.permissions, this.#logger);
    this.#backbone = createBackbone(options.backbone, runtime, this.#logger);
    this.#plane = new LocalDataPlane({
      backbone: this.#backbone,
      runtime,
      limits,
      shardCount: DEFAULT_SHARD_COUNT,
      logger: this.#logger,
      ...(options.tombstoneRetentionMs === undefined
        ? {}
        : { options: { tombstoneRetentionMs: options.tombstoneRetentionMs } }),
    });
    const api = new HttpApi({
      readyProblem: () => this.#readyProblem(),
      metrics: () => (options.metrics ? this.#metrics() : null),
      cluster: () => this.#cluster(),
    });
    const sessions = (): Sessions | null => (this.#state === 'serving' ? this.#sessions : null);
    const onRequest: HttpApi['handle'] = (request, response) => api.handle(request, response);
    const ports = { runtime, limits, counters: this.#counters, sessions, onRequest };
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

  /** Null before the node has started. */
  get partitionMap(): PartitionMap | null {
    return this.#map;
  }

  isOwner(key: string): boolean {
    return this.#map !== null && ownerOfPartition(this.#map, partitionOf(key))?.id === this.nodeId;
  }

  /** The value as this node holds it: for a set its elements, for a counter its number; undefined when there is none. */
  read(map: string, key: string): unknown {
    return this.#plane.read(map, key)?.value;
  }

  /**
   * Opens the store, then the port to sessions. Probes are answered meanwhile.
   * @throws TopGunError; the node has given back what it took and cannot be started again
   */
  async start(): Promise<this> {
    if (this.#state !== 'new') throw new TopGunError('CLOSED', 'a node starts once; create another');
    this.#state = 'starting';
    const starting = this.#start();
    // Whoever stops the node meanwhile waits for this, and is not the one to hear of a failure.
    this.#started = starting.catch(() => undefined);
    await starting;
    return this;
  }

  async #start(): Promise<void> {
    try {
      this.#port = await this.#gateway.listen(this.#options.port, this.#options.host);
      await this.#backbone.open();
      await this.#plane.open();
    } catch (error) {
      await this.#release();
      throw error;
    }
    this.#probe.start();
    const map = this.#ownMap();
    this.#map = map;
    this.#sessions = this.#createSessions(map);
    this.#state = 'serving';
    this.#logStart();
  }

  /**
   * Gracefully: no new sessions, clients are told, operations under way are answered, then all is closed; within
   * ten seconds. Otherwise connections are cut at once. Either way nothing that was acknowledged is lost.
   */
  stop(options: { readonly graceful?: boolean } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.graceful ?? true);
    return this.#stopped;
  }

  async #stop(graceful: boolean): Promise<void> {
    await this.#started;
    if (this.#state !== 'serving') return;
    this.#state = 'stopping';
    if (graceful) await this.#drain();
    await this.#release();
  }

  /** Sessions end by themselves once their operations are answered, which the data plane does as it closes. */
  async #drain(): Promise<void> {
    const sessions = this.#sessions;
    sessions?.goodbye('the node stops');
    await this.#atMost(DRAIN_MS, this.#plane.close());
    sessions?.closeAll('the node stops');
    await sessions?.emptied(GOODBYE_MS);
  }

  async #release(): Promise<void> {
    this.#state = 'stopped';
    this.#probe.stop();
    await this.#gateway.close();
    await this.#atMost(DRAIN_MS, this.#plane.close());
    await this.#backbone.close();
    this.#logger.info({ node: this.nodeId }, 'stopped');
  }

  /** Waits for `work`, but not for ever: a disk that hangs must not keep a process from ending. */
  #atMost(timeoutMs: number, work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#runtime.setTimer(timeoutMs, () => {
        this.#logger.warn({ timeoutMs }, 'the data plane takes too long to close; going on without it');
        resolve();
      });
      const settle = (): void => {
        this.#runtime.clearTimer(timer);
        resolve();
      };
      work.then(settle, (error: unknown) => {
        this.#logger.error({ err: error }, 'the data plane failed to close');
        settle();
      });
    });
  }

  #createSessions(map: PartitionMap): Sessions {
    return new Sessions({
      nodeId: this.nodeId,
      clusterId: map.clusterId,
      runtime: this.#runtime,
      limits: this.#options.limits,
      plane: this.#plane,
      authenticator: this.#authenticator,
      permissions: this.#permissions,
      topics: this.#topics,
      rates: new RateLimiter(this.#runtime, this.#options.limits),
      rowGuard: new RowGuard(),
      counters: this.#counters,
      logger: this.#logger,
      partitionMap: () => map,
    });
  }

  /** A node that is alone owns everything. The incarnation is new at each start, as the node's id and address may be. */
  #ownMap(): PartitionMap {
    const shardCount = DEFAULT_SHARD_COUNT;
    return {
      clusterId: this.#plane.logId,
      incarnation: this.#runtime.id(8),
      version: 1,
      shardCount,
      nodes: [{ id: this.nodeId, endpoint: this.url }],
      owners: new Array<number>(shardCount).fill(0),
      epochs: new Array<number>(shardCount).fill(1),
    };
  }

  #readyProblem(): string | null {
    switch (this.#state) {
      case 'serving':
        return this.#plane.readyProblem();
      case 'new':
      case 'starting':
        return 'the node is starting';
      default:
        return 'the node is stopping';
    }
  }

  #metrics(): string {
    return writeMetrics({
      counters: this.#counters,
      probe: this.#probe,
      sessions: this.#sessions?.size ?? 0,
      topics: this.#topics.size,
      plane: this.#plane.stats(),
    });
  }

  #cluster(): unknown {
    const map = this.#map;
    if (map === null) return { nodes: [], mapVersion: 0 };
    return clusterReport(map, this.#plane.logId, {
      ready: this.#readyProblem() === null,
      sessions: this.#sessions?.size ?? 0,
      stats: this.#plane.stats(),
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
  return options.type === 'memory' ? new MemoryBackbone() : new EmbeddedBackbone({ path: options.path, runtime, logger });
}

/** Wildcard addresses cannot be dialled; IPv6 addresses stand in brackets. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
