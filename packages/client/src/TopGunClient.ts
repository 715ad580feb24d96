import { type Query, type Runtime, systemRuntime, TopGunError } from '@topgunbuild/core';
import { ClusterClient, type ClusterStats } from './cluster/ClusterClient.js';
import type { ClusterOptions } from './cluster/ClusterOptions.js';
import type { NodeHealth } from './cluster/ConnectionPool.js';
import { type KeyOwner, NO_ROUTES, type RoutingMetrics } from './cluster/PartitionRouter.js';
import type { IConnectionProvider } from './connection/ConnectionProvider.js';
import type { Logger } from './connection/Logger.js';
import { SingleServerProvider } from './connection/SingleServerProvider.js';
import type { Transport } from './connection/Transport.js';
import { type WebSocketClass, WebSocketTransport } from './connection/WebSocketTransport.js';
import type { ClientEvents, ClientStatus } from './engine/ClientEvents.js';
import { Emitter } from './engine/Emitter.js';
import { SyncEngine } from './engine/SyncEngine.js';
import { TokenSource } from './engine/TokenSource.js';
import { type WaitOptions, withTimeout } from './engine/withTimeout.js';
import { CounterHandle } from './handles/CounterHandle.js';
import { LWWMapHandle } from './handles/LWWMapHandle.js';
import { ORMapHandle } from './handles/ORMapHandle.js';
import { QueryHandle } from './handles/QueryHandle.js';
import { TopicHandle } from './handles/TopicHandle.js';
import type { IStorageAdapter } from './storage/StorageAdapter.js';

export interface TopGunClientOptions {
  /** The server: ws, wss, http or https. Without it, and without a cluster, the client is for itself. */
  readonly url?: string;
  /** A cluster, in place of `url`. */
  readonly cluster?: ClusterOptions;
  /** Where replica and op-log survive the process. Default: memory. */
  readonly storage?: IStorageAdapter;
  /** A JWT, or a function that gives one: it is asked for every handshake, and again before the token ends. */
  readonly auth?: string | (() => Promise<string>);
  /** 1 to 64 characters of A-Z a-z 0-9 _ -. Default: made up once, and kept in storage. */
  readonly clientId?: string;
  readonly logger?: Logger;
  /** The WebSocket class to use. Default: the platform's, in Node the `ws` package's. */
  readonly WebSocket?: WebSocketClass;
  /** Time and randomness, for simulations. */
  readonly runtime?: Runtime;
  /** The network, for simulations. */
  readonly transportPort?: Transport;
}

const CLIENT_ID = /^[A-Za-z0-9_-]{1,64}$/;
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * A client of TopGun: maps in memory that can be read and written at any time, stored and synced behind the scenes.
 *
 * ```ts
 * const client = new TopGunClient({ url: 'ws://localhost:8080' });
 * await client.start();
 * client.getMap<string>('greetings').set('hello', 'world');
 * ```
 *
 * With a cluster nothing else changes: `new TopGunClient({ cluster: { seeds: ['ws://a:8080', 'ws://b:8080'] } })`.
 */
export class TopGunClient {
  readonly #engine: SyncEngine;
  readonly #events: Emitter<ClientEvents>;
  readonly #tokens: TokenSource;
  readonly #runtime: Runtime;
  readonly #maps = new Map<string, LWWMapHandle>();
  readonly #orMaps = new Map<string, ORMapHandle>();

  /** @throws TopGunError INVALID_VALUE for options that contradict themselves */
  constructor(options: TopGunClientOptions = {}) {
    const { url, cluster, clientId } = options;
    if (clientId !== undefined && !CLIENT_ID.test(clientId)) {
      throw new TopGunError('INVALID_VALUE', 'clientId must have 1 to 64 characters of A-Z a-z 0-9 _ and -.');
    }
    const logger = options.logger ?? SILENT;
    this.#runtime = options.runtime ?? systemRuntime();
    this.#tokens = new TokenSource(this.#runtime, options.auth ?? null);
    this.#events = new Emitter((error) => logger.error({ error }, 'A listener threw'));
    if (url !== undefined && cluster !== undefined) {
      throw new TopGunError('INVALID_VALUE', 'Give the client either a url or a cluster, not both.');
    }
    const isLocal = url === undefined && cluster === undefined;
    const createProvider = isLocal ? null : () => this.#createProvider(options, logger);
    // Made once in vain, so that a wrong URL is told here and not later.
    createProvider?.();
    this.#engine = new SyncEngine({
      runtime: this.#runtime,
      createProvider,
      storage: options.storage ?? null,
      clientId: clientId ?? null,
      tokens: this.#tokens,
      events: this.#events,
      logger,
    });
  }

  /**
   * Opens storage, takes over what it holds and starts to connect. Does not wait for the network.
   * @throws TopGunError STORAGE_FAILED
   */
  start(): Promise<void> {
    return this.#engine.start();
  }

  /** Sets or takes away the token. For another subject, its own store and replica take the place of these. */
  setAuthToken(token: string | null): void {
    this.#tokens.set(token);
    this.#engine.tokenChanged();
  }

  get status(): ClientStatus {
    return this.#engine.status;
  }

  /** Returns how to unsubscribe. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Resolves when the client is online, and knows the partition map of its cluster. @throws TopGunError TIMEOUT, AUTH_*, CLOSED */
  ready(options: WaitOptions = {}): Promise<void> {
    if (this.#isReady) return Promise.resolve();
    if (this.status === 'local') {
      return Promise.reject(new TopGunError('UNAVAILABLE', 'This client has no server: give it a url or a cluster.'));
    }
    const stop: (() => void)[] = [];
    const online = new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (this.#isReady) resolve();
        if (this.status === 'closed') reject(new TopGunError('CLOSED', 'The client was closed.'));
        if (this.#engine.refusal !== null) reject(this.#engine.refusal);
      };
      stop.push(this.on('status', check), this.on('partition-map', check), this.on('auth-failed', reject));
      check();
    });
    return withTimeout(this.#runtime, online, options).finally(() => {
      for (const unsubscribe of stop) unsubscribe();
    });
  }

  /**
   * Resolves when every write so far was acked or rejected.
   * @throws TopGunError TIMEOUT, AUTH_* when the token is refused (the writes are kept), UNAVAILABLE without a server
   */
  flush(options: WaitOptions = {}): Promise<void> {
    return this.#engine.flush(options);
  }

  /** Writes that no server has answered yet. */
  get pendingWrites(): number {
    return this.#engine.pendingWrites;
  }

  /** Stops. What is pending stays in storage. */
  close(): Promise<void> {
    return this.#engine.close();
  }

  /** The map of last-writer-wins records called `name`. */
  getMap<T = unknown>(name: string): LWWMapHandle<T> {
    return handle(this.#maps, name, () => new LWWMapHandle(this.#engine, name)) as LWWMapHandle<T>;
  }

  /** The map of observed-remove sets called `name`. */
  getORMap<V = unknown>(name: string): ORMapHandle<V> {
    return handle(this.#orMaps, name, () => new ORMapHandle(this.#engine, name)) as ORMapHandle<V>;
  }

  /** The counter `key` (default: the name itself) of the map `name`. */
  getCounter(name: string, key: string = name): CounterHandle {
    return new CounterHandle(this.#engine, name, key);
  }

  /** A live query over the map `name`; close it when it is no longer needed. @throws TopGunError INVALID_QUERY */
  query<T = unknown>(name: string, query: Query<T> = {}): QueryHandle<T> {
    return new QueryHandle<T>(this.#engine, name, query as Query);
  }

  topic<M = unknown>(name: string): TopicHandle<M> {
    return new TopicHandle<M>(this.#engine.topics, name);
  }

  /** Ids of the nodes that are connected now. */
  getConnectedNodes(): readonly string[] {
    return this.#engine.provider?.getConnectedNodes() ?? [];
  }

  /** Version of the partition map, 0 when none has arrived. */
  getPartitionMapVersion(): number {
    return this.#engine.partitionMap?.version ?? 0;
  }

  /** Whether operations go straight to the owners of their keys: false with a single server, or before there is a map. */
  isRoutingActive(): boolean {
    return this.#cluster?.isRoutingActive ?? false;
  }

  /** What is known of the cluster; null with a single server. */
  getClusterStats(): ClusterStats | null {
    return this.#cluster?.stats ?? null;
  }

  /** How operations went, since the start; zeros with a single server. */
  getRoutingMetrics(): RoutingMetrics {
    return this.#cluster?.metrics ?? NO_ROUTES;
  }

  /** The connections by node; empty with a single server. */
  getClusterHealth(): Readonly<Record<string, NodeHealth>> {
    return this.#cluster?.health ?? {};
  }

  /** Who owns `key`; null with a single server, before there is a map, or while nobody does. */
  getOwner(key: string): KeyOwner | null {
    return this.#cluster?.getOwner(key) ?? null;
  }

  get #cluster(): ClusterClient | null {
    const { provider } = this.#engine;
    return provider instanceof ClusterClient ? provider : null;
  }

  get #isReady(): boolean {
    return this.status === 'online' && (this.#cluster === null || this.getPartitionMapVersion() > 0);
  }

  #createProvider(options: TopGunClientOptions, logger: Logger): IConnectionProvider {
    const { url = '', cluster, transportPort, WebSocket } = options;
    const ports = {
      runtime: this.#runtime,
      transport: transportPort ?? new WebSocketTransport({ WebSocket }),
      credentials: () => this.#engine.credentials(),
      logger,
    };
    return cluster === undefined
      ? new SingleServerProvider({ url, ...ports })
      : new ClusterClient({ ...cluster, ...ports });
  }
}

function handle<H>(handles: Map<string, H>, name: string, make: () => H): H {
  if (typeof name !== 'string' || name === '') throw new TypeError('A map needs a name.');
  let known = handles.get(name);
  if (known === undefined) {
    known = make();
    handles.set(name, known);
  }
  return known;
}
