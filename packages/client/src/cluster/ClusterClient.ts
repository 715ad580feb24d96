import type {
  ClientMessage,
  EntryBatch,
  NotOwnerShard,
  PartitionMap,
  Runtime,
  ServerMessage,
  Timer,
} from '@topgunbuild/core';
import type { Credentials, IConnectionProvider, ProviderEvent, SentBatch } from '../connection/ConnectionProvider.js';
import { connectedEvent } from '../connection/connectedEvent.js';
import { EventQueue } from '../connection/EventQueue.js';
import type { Logger } from '../connection/Logger.js';
import type { ConnectionTimes, Hello } from '../connection/nodeState.js';
import type { ReconnectTimes } from '../connection/ReconnectPolicy.js';
import type { Transport } from '../connection/Transport.js';
import type { BreakerTimes } from './CircuitBreaker.js';
import { ClusterNodes } from './ClusterNodes.js';
import { type CheckedClusterOptions, type ClusterOptions, checkClusterOptions } from './ClusterOptions.js';
import { ClusterTopics } from './ClusterTopics.js';
import { ConnectionPool, type NodeHealth, type PoolEvent } from './ConnectionPool.js';
import { MapRefresh } from './MapRefresh.js';
import { OpBatches } from './OpBatches.js';
import { type KeyOwner, PartitionRouter, type RoutingMetrics } from './PartitionRouter.js';
import type { PooledConnection } from './PoolNode.js';
import { QueryHub } from './QueryHub.js';
import { Seeds } from './Seeds.js';

export interface ClusterClientOptions extends ClusterOptions {
  readonly transport: Transport;
  readonly runtime: Runtime;
  /** Asked for each handshake and each renewal; connections that need them together ask once. */
  readonly credentials: () => Promise<Credentials>;
  readonly logger?: Logger | undefined;
  readonly times?: Partial<ConnectionTimes> | undefined;
  readonly reconnect?: Partial<ReconnectTimes> | undefined;
  readonly breaker?: Partial<BreakerTimes> | undefined;
}

/** What a client knows of its cluster. */
export interface ClusterStats {
  readonly mapVersion: number;
  /** Always 271. */
  readonly partitionCount: number;
  /** Nodes that the map lists. */
  readonly nodeCount: number;
  /** When the map came last or was confirmed, ms since 1970 by this device's clock; null: never. */
  readonly lastRefresh: number | null;
  /** Something newer has been heard of, or nobody has confirmed the map for three times the refresh interval. */
  readonly isStale: boolean;
}

const STALE_AFTER_REFRESHES = 3;
/** An answer to the question for credentials holds so long for other connections. */
const SHARED_MS = 1_000;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;

/**
 * A whole cluster behind the interface of a connection: operations go to the owners of their keys, subscriptions to where
 * their shards are, and both follow the partition map. What the engine wants is kept here as a wish, and brought in line
 * with map and connections whenever one of them changes.
 */
export class ClusterClient implements IConnectionProvider {
  readonly #options: CheckedClusterOptions;
  readonly #runtime: Runtime;
  readonly #logger: Logger | undefined;
  readonly #events: EventQueue<ProviderEvent>;
  readonly #pool: ConnectionPool;
  readonly #router: PartitionRouter;
  readonly #nodes: ClusterNodes;
  readonly #refresh: MapRefresh;
  readonly #seeds: Seeds;
  readonly #batches: OpBatches;
  readonly #queries: QueryHub;
  readonly #topics: ClusterTopics;
  readonly #retries = new Set<Timer>();
  #phase: 'idle' | 'running' | 'closed' = 'idle';
  /** The cluster that all of this is about; null until somebody has answered. */
  #clusterId: string | null = null;
  /** Nodes whose being connected the engine has been told. */
  readonly #told = new Set<string>();
  #hasConnected = false;
  /** The refusal of the token has been told; it is not told for each connection. */
  #toldRefusal = false;
  #asked = 0;
  #credentials: { readonly answer: Promise<Credentials>; readonly askedAt: number } | null = null;

  /** @throws TopGunError INVALID_VALUE that says what is wrong with the options */
  constructor(options: ClusterClientOptions) {
    const { runtime, transport, logger, times, reconnect, breaker } = options;
    this.#options = checkClusterOptions(options);
    const { connectionsPerNode, partitionMapRefreshMs, smartRouting, seeds } = this.#options;
    this.#runtime = runtime;
    this.#logger = logger;
    this.#events = new EventQueue(logger);
    const credentials = (): Promise<Credentials> => this.#askCredentials(options.credentials);
    const shared = { runtime, transport, logger, times, reconnect, breaker };
    const admits = ({ nodeId, clusterId }: Hello): boolean => this.#isOurs(nodeId, clusterId);
    this.#pool = new ConnectionPool({ ...shared, credentials, connectionsPerNode, admits });
    this.#pool.on((event) => this.#onPoolEvent(event));
    const pool = this.#pool;
    this.#router = new PartitionRouter({
      isUsable: (nodeId) => pool.isUsable(nodeId),
      usableNodes: () => {
        const ready = pool.readyNodes;
        const usable = ready.filter((nodeId) => pool.isUsable(nodeId));
        // Where no breaker lets anything through, there is nothing to lose by trying.
        return usable.length > 0 ? usable : ready;
      },
    });
    const router = this.#router;
    this.#nodes = new ClusterNodes(this.#options, pool, router, logger);
    this.#refresh = new MapRefresh({ runtime, refreshMs: partitionMapRefreshMs, ask: () => this.#askForMap() });
    this.#seeds = new Seeds(seeds, {
      runtime,
      isConnected: () => pool.readyNodes.length > 0,
      others: () => this.#nodes.endpoints,
      tryAt: (endpoint) => pool.addNode(endpoint),
    });
    this.#batches = new OpBatches({
      ...{ runtime, pool, router, isSmart: smartRouting },
      onAck: (nodeId, message) => this.#events.emit({ type: 'message', nodeId, message }),
      onNotOwner: (shards, nodeId, ops) => this.#onNotOwner(shards, nodeId, ops),
    });
    this.#queries = new QueryHub({
      isSmart: smartRouting,
      shardCount: () => router.shardCount,
      ownerOfShard: (shard) => router.ownerOfShard(shard),
      connectionFor: (nodeId, map) => this.#nodes.connectionFor(nodeId, map),
      emit: (message) => this.#tell(message),
      now: () => runtime.monotonic(),
      later: (attempts, run) => this.#later(attempts, run),
    });
    this.#topics = new ClusterTopics((topic) => this.#nodes.connectionFor(null, topic));
  }

  // --- provider ----------------------------------------------------------------------------------------------------

  connect(): void {
    if (this.#phase !== 'idle') return;
    this.#phase = 'running';
    this.#seeds.start();
  }

  isConnected(): boolean {
    return this.#told.size > 0;
  }

  getConnectedNodes(): readonly string[] {
    return [...this.#told];
  }

  /** Queries and topics are kept as wishes from the first connection on, and so always count as sent. */
  send(message: ClientMessage, key?: string): boolean {
    if (!this.#hasConnected) return false;
    switch (message.type) {
      case 'QUERY_SUB':
        this.#queries.subscribe(message);
        return true;
      case 'QUERY_UNSUB':
        this.#queries.unsubscribe(message.queryId);
        return true;
      case 'TOPIC_SUB':
        this.#topics.subscribe(message.topic);
        return true;
      case 'TOPIC_UNSUB':
        this.#topics.unsubscribe(message.topic);
        return true;
      case 'TOPIC_PUB':
        return this.#topics.publish(message);
      case 'PARTITION_MAP_REQUEST':
        this.#refresh.soon();
        return true;
      default: {
        const nodeId = key === undefined ? null : (this.#router.route(key)?.nodeId ?? null);
        return this.#nodes.connectionFor(nodeId, '')?.send(message) ?? false;
      }
    }
  }

  sendBatch(ops: EntryBatch, nextBatchId: () => number): readonly SentBatch[] {
    return this.#batches.send(ops, nextBatchId);
  }

  reauthenticate(): void {
    this.#toldRefusal = false;
    this.#credentials = null;
    this.#pool.reauthenticate();
  }

  on(listener: (event: ProviderEvent) => void): () => void {
    return this.#events.on(listener);
  }

  async close(): Promise<void> {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#seeds.stop();
    this.#refresh.close();
    for (const timer of this.#retries) this.#runtime.clearTimer(timer);
    this.#retries.clear();
    this.#queries.close();
    this.#batches.close();
    this.#pool.close();
  }

  // --- introspection -----------------------------------------------------------------------------------------------

  /** Whether operations are sent to the owners of their keys: that is wanted, and there is a map. */
  get isRoutingActive(): boolean {
    return this.#options.smartRouting && this.#router.map !== null;
  }

  get partitionMap(): PartitionMap | null {
    return this.#router.map;
  }

  get metrics(): RoutingMetrics {
    return this.#router.metrics;
  }

  get health(): Record<string, NodeHealth> {
    return this.#pool.health();
  }

  get stats(): ClusterStats {
    const { map, version, partitionCount, isBehind } = this.#router;
    const { lastAnswer } = this.#refresh;
    const age = lastAnswer === null ? null : this.#runtime.monotonic() - lastAnswer;
    const isOld = age === null || age > STALE_AFTER_REFRESHES * this.#options.partitionMapRefreshMs;
    return {
      mapVersion: version,
      partitionCount,
      nodeCount: map?.nodes.length ?? 0,
      lastRefresh: age === null ? null : Math.round(this.#runtime.now() - age),
      isStale: isBehind || isOld,
    };
  }

  getOwner(key: string): KeyOwner | null {
    return this.#router.getOwner(key);
  }

  // --- connections -------------------------------------------------------------------------------------------------

  #onPoolEvent(event: PoolEvent): void {
    switch (event.type) {
      case 'connecting':
        if (this.#told.size === 0) this.#events.emit({ type: 'connecting' });
        return;
      case 'ready':
        this.#onReady(event);
        return;
      case 'renewed': {
        const { hello, session, time, map } = event.admission;
        if (map !== null) this.#takeMap(map);
        const { subject, expiresAt } = session;
        this.#events.emit({ type: 'renewed', nodeId: hello.nodeId, subject, expiresAt });
        this.#events.emit({ type: 'time', ...time });
        return;
      }
      case 'time':
        this.#events.emit({ type: 'time', ...event.time });
        return;
      case 'message':
        this.#onMessage(event.connection, event.message);
        return;
      case 'drain':
        this.#queries.onDrain();
        this.#topics.reconcile();
        this.#events.emit({ type: 'drain' });
        return;
      case 'leaving':
        this.#logger?.info({ nodeId: event.connection.nodeId, reason: event.reason }, 'A node is leaving');
        this.#reconcile();
        if (this.#pool.readyNodes.length === 0) this.#seeds.lost();
        return;
      case 'ended':
        this.#onEnded(event);
        return;
      case 'node:remapped':
        if (this.#told.delete(event.from)) this.#told.add(event.to);
    }
  }

  #onReady({ connection, admission }: Extract<PoolEvent, { type: 'ready' }>): void {
    const { hello, session, time } = admission;
    this.#toldRefusal = false;
    this.#seeds.stop();
    const isNew = admission.map !== null && this.#routerTakes(admission.map);
    this.#refresh.soon();
    const { nodeId } = connection;
    if (this.#told.has(nodeId)) {
      const { subject, expiresAt } = session;
      this.#events.emit({ type: 'renewed', nodeId, subject, expiresAt });
      this.#events.emit({ type: 'time', ...time });
      if (isNew) this.#tellMap();
    } else {
      this.#told.add(nodeId);
      const map = isNew ? this.#router.map : null;
      const { latencyMs } = time;
      this.#logger?.info({ nodeId, clusterId: hello.clusterId, latencyMs }, 'Connected');
      const isFirst = !this.#hasConnected;
      this.#hasConnected = true;
      this.#events.emit(connectedEvent({ ...admission, hello: { ...hello, nodeId } }, map, !isFirst));
    }
    this.#nodes.arrange();
    this.#reconcile();
    this.#events.emit({ type: 'drain' });
  }

  /** A node of another cluster is none of ours, unless nobody of ours is left: then the cluster was replaced. */
  #isOurs(nodeId: string, clusterId: string): boolean {
    if (this.#clusterId === null || this.#clusterId === clusterId) {
      this.#clusterId = clusterId;
      return true;
    }
    if (this.#told.size > 0) {
      this.#logger?.warn({ nodeId, clusterId, expected: this.#clusterId }, 'A node belongs to another cluster');
      return false;
    }
    this.#logger?.warn({ clusterId, before: this.#clusterId }, 'The cluster is another one than before');
    this.#clusterId = clusterId;
    this.#router.reset();
    this.#queries.restart();
    return true;
  }

  #onEnded({ connection, end, wasReady, retryInMs }: Extract<PoolEvent, { type: 'ended' }>): void {
    const { node } = connection;
    const { code, message: reason } = end;
    this.#batches.connectionLost(connection);
    this.#topics.connectionLost(connection);
    if (!node.isConnected && this.#told.delete(node.id)) {
      this.#events.emit({ type: 'disconnected', nodeId: node.id, code, reason });
    }
    if (this.#phase === 'closed') return;
    if (wasReady) this.#reconcile();
    if (this.#pool.readyNodes.length > 0) {
      // Somebody else has been found: what the map names is enough.
      if (node.isNameless) this.#pool.removeNode(node.id);
      return;
    }
    if (end.kind === 'refused' && retryInMs === null) this.#tellRefusal(code, reason);
    else if (!wasReady) this.#tellFailure(code, reason, retryInMs ?? 0);
    if (wasReady) this.#seeds.lost();
    else this.#seeds.failed();
  }

  #tellRefusal(code: Extract<ProviderEvent, { type: 'auth-failed' }>['code'], message: string): void {
    // Another node may take the token yet.
    if (this.#toldRefusal || this.#pool.isAnyIn(['authenticating', 'asking'])) return;
    this.#toldRefusal = true;
    this.#events.emit({ type: 'auth-failed', code, message });
  }

  #tellFailure(
    code: Extract<ProviderEvent, { type: 'connect-failed' }>['code'],
    reason: string,
    retryInMs: number,
  ): void {
    if (!this.#pool.isAnyIn(['opening', 'authenticating', 'asking'])) {
      this.#events.emit({ type: 'connect-failed', code, reason, retryInMs });
    }
  }

  #reconcile(): void {
    if (this.#phase === 'closed' || !this.#hasConnected) return;
    this.#queries.reconcile();
    this.#topics.reconcile();
  }

  /** Connections that need credentials at about the same time share one answer. */
  #askCredentials(ask: () => Promise<Credentials>): Promise<Credentials> {
    const now = this.#runtime.monotonic();
    if (this.#credentials === null || now - this.#credentials.askedAt > SHARED_MS) {
      const answer = Promise.resolve().then(ask);
      const question = { answer, askedAt: now };
      this.#credentials = question;
      answer.catch(() => {
        if (this.#credentials === question) this.#credentials = null;
      });
    }
    return this.#credentials.answer.then((credentials) => ({ ...credentials, mapVersion: this.#router.version }));
  }

  // --- messages ----------------------------------------------------------------------------------------------------

  #onMessage(connection: PooledConnection, message: ServerMessage): void {
    switch (message.type) {
      case 'OP_ACK':
        this.#batches.onAck(connection, message);
        return;
      case 'QUERY_RECORDS':
      case 'QUERY_RESET':
        this.#queries.onMessage(connection, message);
        return;
      case 'NOT_OWNER': {
        const hasProgress = this.#onNotOwner(message.notOwner, connection.nodeId, 0);
        this.#queries.onMessage(connection, message, hasProgress && message.notOwner.length > 0);
        return;
      }
      case 'ERROR':
        if (message.ref === null) this.#tell(message, connection.nodeId);
        else this.#queries.onError(message);
        return;
      case 'TOPIC_MESSAGE':
        if (this.#topics.accepts(message, connection)) this.#tell(message, connection.nodeId);
        return;
      case 'PARTITION_MAP':
        this.#refresh.answered();
        this.#takeMap(message.map);
        return;
      case 'PARTITION_MAP_DELTA':
        this.#takeMap(message.delta);
        return;
      default:
        this.#tell(message, connection.nodeId);
    }
  }

  #tell(message: ServerMessage, nodeId = ''): void {
    this.#events.emit({ type: 'message', nodeId, message });
  }

  // --- the map -----------------------------------------------------------------------------------------------------

  #takeMap(next: Parameters<PartitionRouter['updateMap']>[0]): void {
    if (!this.#routerTakes(next)) return;
    this.#tellMap();
    this.#nodes.arrange();
    this.#reconcile();
  }

  #routerTakes(next: Parameters<PartitionRouter['updateMap']>[0]): boolean {
    const verdict = this.#router.updateMap(next);
    if (verdict === 'unfit') this.#refresh.soon();
    if (verdict === 'taken' || (verdict === 'known' && 'owners' in next)) this.#refresh.answered();
    return verdict === 'taken';
  }

  #tellMap(): void {
    const { map } = this.#router;
    if (map !== null) this.#tell({ type: 'PARTITION_MAP', map });
  }

  #askForMap(): boolean {
    const ready = this.#pool.readyNodes;
    const nodeId = ready[this.#asked++ % Math.max(1, ready.length)];
    if (nodeId === undefined) return false;
    return (
      this.#nodes.connectionFor(nodeId, '')?.send({ type: 'PARTITION_MAP_REQUEST', version: this.#router.version }) ??
      false
    );
  }

  /** Returns whether all of the shards have another way to go now. Owners may be nodes that nothing was known of. */
  #onNotOwner(shards: readonly NotOwnerShard[], fromNode: string, ops: number): boolean {
    const hasProgress = this.#router.handleNotOwner(shards, fromNode, ops);
    if (this.#router.isBehind) this.#refresh.soon();
    this.#nodes.learn(shards);
    return hasProgress;
  }

  #later(attempts: number, run: () => void): () => void {
    const bound = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts, 10));
    const timer = this.#runtime.setTimer(bound * (0.5 + this.#runtime.random() / 2), () => {
      this.#retries.delete(timer);
      run();
    });
    this.#retries.add(timer);
    return () => {
      this.#retries.delete(timer);
      this.#runtime.clearTimer(timer);
    };
  }
}
