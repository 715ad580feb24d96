import type { Runtime, ServerMessage } from '@topgunbuild/core';
import type { ConnectionEnd } from '../connection/ConnectionEnd.js';
import type { Credentials } from '../connection/ConnectionProvider.js';
import type { Logger } from '../connection/Logger.js';
import type { Admission, ConnectionTimes, Hello, ServerTime } from '../connection/nodeState.js';
import type { ReconnectTimes } from '../connection/ReconnectPolicy.js';
import { StandingConnection, type StandingEvent } from '../connection/StandingConnection.js';
import type { Transport } from '../connection/Transport.js';
import { type BreakerTimes, CircuitBreaker } from './CircuitBreaker.js';
import { PooledConnection, PoolNode } from './PoolNode.js';

export interface ConnectionPoolOptions {
  readonly transport: Transport;
  readonly runtime: Runtime;
  /** Asked for each handshake and each renewal. A rejection counts as a failed attempt. */
  readonly credentials: () => Promise<Credentials>;
  readonly connectionsPerNode?: number | undefined;
  /** Operations that a connection may have unanswered. */
  readonly maxPendingOps?: number | undefined;
  /** Whether a peer that has shaken hands is one of those that are wanted. Default: all are. */
  readonly admits?: ((hello: Hello) => boolean) | undefined;
  readonly logger?: Logger | undefined;
  readonly times?: Partial<ConnectionTimes> | undefined;
  readonly reconnect?: Partial<ReconnectTimes> | undefined;
  readonly breaker?: Partial<BreakerTimes> | undefined;
}

type Of<T extends string> = { readonly type: T; readonly connection: PooledConnection };

export type PoolEvent =
  | Of<'connecting'>
  /** A handshake succeeded. The node goes by the id that it told. */
  | (Of<'ready'> & { readonly admission: Admission })
  | (Of<'renewed'> & { readonly admission: Admission })
  | (Of<'time'> & { readonly time: ServerTime })
  | (Of<'message'> & { readonly message: ServerMessage })
  | Of<'drain'>
  | (Of<'leaving'> & { readonly reason: string })
  /** `wasReady`: it had come to its handshake's end. `retryInMs`: null = not by itself. */
  | (Of<'ended'> & { readonly end: ConnectionEnd; readonly wasReady: boolean; readonly retryInMs: number | null })
  /** A node is called otherwise than was known; connections, state and what is pending are the same as before. */
  | { readonly type: 'node:remapped'; readonly from: string; readonly to: string };

export interface NodeHealth {
  /** ready · leaving · connecting · waiting · refused · draining: the best of the node's connections. */
  readonly state: string;
  /** closed · half-open · open */
  readonly breaker: string;
  /** Round trip of the last handshake or heartbeat; null when there is no connection. */
  readonly latencyMs: number | null;
  /** Operations that were sent and not answered. */
  readonly pending: number;
}

/** What a node that is not wanted any more gets to answer what it was sent. */
const DRAIN_MS = 300;
/** Before a node is looked for again where somebody else answered. */
const ASTRAY_MS = 2_000;
const DEFAULT_MAX_PENDING = 20_000;
const STATES = ['ready', 'leaving', 'authenticating', 'asking', 'opening', 'waiting', 'refused'] as const;

/** Connections to the nodes of a cluster, kept up; which nodes is for its user to say. */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions;
  readonly #perNode: number;
  readonly #maxPending: number;
  readonly #nodes = new Map<string, PoolNode>();
  #listener: (event: PoolEvent) => void = () => {};
  #isClosed = false;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
    this.#perNode = options.connectionsPerNode ?? 2;
    this.#maxPending = options.maxPendingOps ?? DEFAULT_MAX_PENDING;
  }

  /** Registers the one listener of events. */
  on(listener: (event: PoolEvent) => void): void {
    this.#listener = listener;
  }

  /**
   * Connects to a node and stays connected. Known by its id or, without one, by its endpoint; a node that was added by its
   * endpoint is the one that turns out to be advertised there. Returns the id that it goes by for now.
   */
  addNode(endpoint: string, nodeId: string | null = null): string {
    const known = nodeId === null ? undefined : this.#nodes.get(nodeId);
    if (known !== undefined) {
      known.isDrained = false;
      known.advertise(endpoint);
      this.#fill(known);
      return known.id;
    }
    const there = this.#at(endpoint, nodeId !== null);
    if (there !== undefined) {
      there.isDrained = false;
      if (nodeId !== null) {
        this.remapNodeId(there.id, nodeId);
        there.advertise(endpoint);
      }
      this.#fill(there);
      return there.id;
    }
    const node = new PoolNode(nodeId ?? endpoint, endpoint, nodeId === null);
    if (nodeId !== null) node.advertise(endpoint);
    this.#nodes.set(node.id, node);
    this.#fill(node);
    return node.id;
  }

  /**
   * The node `from` is called `to`. Where `to` is known already the two become one, with as many connections as a node has.
   * Sockets, their state and what is pending stay as they are. False: there is no `from`.
   */
  remapNodeId(from: string, to: string): boolean {
    const node = this.#nodes.get(from);
    if (node === undefined || from === to) return false;
    const other = this.#nodes.get(to);
    this.#nodes.delete(from);
    if (other === undefined) {
      node.id = to;
      node.isNameless = false;
      this.#nodes.set(to, node);
    } else {
      for (const endpoint of node.endpoints) other.alsoAt(endpoint);
      for (const connection of node.connections) this.#move(connection, other);
      node.connections = [];
    }
    this.#listener({ type: 'node:remapped', from, to });
    const now = this.#nodes.get(to);
    if (now !== undefined) this.#fill(now);
    return true;
  }

  /** Ends the connections to a node, once what was sent over them is answered, or after a moment. */
  removeNode(nodeId: string): void {
    const node = this.#nodes.get(nodeId);
    if (node === undefined || node.isDrained) return;
    node.isDrained = true;
    if (node.pendingOps === 0) this.#discard(node);
    else {
      this.#options.runtime.setTimer(DRAIN_MS, () => {
        if (node.isDrained) this.#discard(node);
      });
    }
  }

  /** Operations of this connection were sent (or, negative, answered). */
  pendingChanged(connection: PooledConnection, ops: number): void {
    connection.pendingOps += ops;
    const { node } = connection;
    if (node.isDrained && node.pendingOps === 0) this.#discard(node);
  }

  /** Ids of all nodes that are wanted, whether they are connected or not. */
  get nodeIds(): readonly string[] {
    return [...this.#nodes.values()].filter(({ isDrained }) => !isDrained).map(({ id }) => id);
  }

  node(nodeId: string): PoolNode | null {
    return this.#nodes.get(nodeId) ?? null;
  }

  get nodes(): IterableIterator<PoolNode> {
    return this.#nodes.values();
  }

  /** Ids of the nodes that have a connection whose handshake is done. */
  get connectedNodes(): readonly string[] {
    return [...this.#nodes.values()].filter((node) => node.isConnected).map(({ id }) => id);
  }

  /** Ids of the nodes that something can be sent to, in a fixed order. */
  get readyNodes(): readonly string[] {
    return [...this.#nodes.values()]
      .filter((node) => node.isReady && !node.isDrained)
      .map(({ id }) => id)
      .sort();
  }

  /** Whether operations may be sent to the node: it is ready, and a breaker lets them through. */
  isUsable(nodeId: string): boolean {
    const node = this.#nodes.get(nodeId);
    if (node === undefined || node.isDrained) return false;
    const now = this.#options.runtime.monotonic();
    return node.connections.some((connection) => connection.isReady && connection.breaker.lets(now));
  }

  /**
   * The connection to `nodeId` for traffic of `lane`; null: none is ready. One lane always takes the same one as long as
   * that is there, so that its messages keep their order.
   */
  connectionFor(nodeId: string, lane: string): PooledConnection | null {
    const node = this.#nodes.get(nodeId);
    return node === undefined || node.isDrained ? null : node.connectionFor(lane);
  }

  /** As `connectionFor`, for what will be answered: one whose breaker lets it through, if there is one. */
  opConnectionFor(nodeId: string, lane: string): PooledConnection | null {
    const first = this.connectionFor(nodeId, lane);
    const now = this.#options.runtime.monotonic();
    if (first === null || first.breaker.lets(now)) return first;
    return first.node.connections.find(({ isReady, breaker }) => isReady && breaker.lets(now)) ?? first;
  }

  /** Whether the connection may take `ops` more operations. */
  hasRoom(connection: PooledConnection, ops: number): boolean {
    return connection.pendingOps === 0 || connection.pendingOps + ops <= this.#maxPending;
  }

  /** The token changed: every connection renews with it, and those that were refused try again. */
  reauthenticate(): void {
    for (const node of [...this.#nodes.values()]) {
      for (const { standing } of [...node.connections]) standing.reauthenticate();
    }
  }

  /** Whether any connection is in one of these states. */
  isAnyIn(states: readonly string[]): boolean {
    for (const { connections } of this.#nodes.values()) {
      if (connections.some(({ stateName }) => states.includes(stateName))) return true;
    }
    return false;
  }

  health(): Record<string, NodeHealth> {
    const now = this.#options.runtime.monotonic();
    const health: Record<string, NodeHealth> = Object.create(null);
    for (const node of this.#nodes.values()) {
      const states = node.connections.map(({ stateName }) => stateName);
      const best = STATES.find((state) => states.includes(state)) ?? 'waiting';
      const isConnecting = best === 'opening' || best === 'asking' || best === 'authenticating';
      const breakers = node.connections.map(({ breaker }) => breaker.stateAt(now));
      const session = node.connections.find(({ isConnected }) => isConnected)?.standing.session ?? null;
      health[node.id] = {
        state: node.isDrained ? 'draining' : isConnecting ? 'connecting' : best,
        breaker: (['closed', 'half-open'] as const).find((state) => breakers.includes(state)) ?? 'open',
        latencyMs: session?.latencyMs ?? null,
        pending: node.pendingOps,
      };
    }
    return health;
  }

  close(): void {
    this.#isClosed = true;
    for (const node of [...this.#nodes.values()]) this.#discard(node);
  }

  // --- inside ------------------------------------------------------------------------------------------------------

  /** The node at `endpoint`; with `isNameless`, only one whose name is not known yet. */
  #at(endpoint: string, isNameless: boolean): PoolNode | undefined {
    for (const node of this.#nodes.values()) {
      if (node.hasEndpoint(endpoint) && (!isNameless || node.isNameless)) return node;
    }
    return undefined;
  }

  /** A node that nobody has reached yet gets one connection; the others follow when that one is there. */
  #fill(node: PoolNode): void {
    if (this.#isClosed || node.isDrained) return;
    const wanted = node.isNameless || !node.isConnected ? 1 : this.#perNode;
    while (node.connections.length < wanted) this.#connect(node);
  }

  #connect(node: PoolNode): void {
    const { runtime, transport, credentials, logger, times, reconnect } = this.#options;
    let endpoint = node.endpoint;
    const standing: StandingConnection = new StandingConnection({
      endpoint: () => {
        endpoint = connection.node.endpoint;
        return endpoint;
      },
      ...{ transport, runtime, credentials, logger, times, reconnect },
      listener: (event) => this.#onEvent(connection, endpoint, event),
    });
    const breaker = new CircuitBreaker(() => runtime.random(), this.#options.breaker);
    const connection: PooledConnection = new PooledConnection(node, standing, breaker);
    node.connections.push(connection);
    standing.start();
  }

  #onEvent(connection: PooledConnection, endpoint: string, event: StandingEvent): void {
    switch (event.type) {
      case 'ready':
        if (this.#options.admits?.(event.hello) === false) {
          if (connection.node.isNameless) this.#discard(connection.node);
          else connection.standing.drop();
          return;
        }
        connection.wasReady = true;
        connection.breaker.connected();
        this.#identify(connection, endpoint, event.hello.nodeId);
        // It may have been one too many.
        if (!connection.isConnected) return;
        connection.node.worked(endpoint);
        this.#listener({ type: 'ready', connection, admission: event });
        this.#fill(connection.node);
        return;
      case 'renewed':
        this.#listener({ type: 'renewed', connection, admission: event });
        return;
      case 'time':
        connection.breaker.alive();
        this.#listener({ type: 'time', connection, time: event.time });
        return;
      case 'ended':
        this.#onEnded(connection, endpoint, event);
        return;
      default:
        this.#listener({ ...event, connection });
    }
  }

  #onEnded(
    connection: PooledConnection,
    endpoint: string,
    { end, retryInMs }: Extract<StandingEvent, { type: 'ended' }>,
  ): void {
    const { wasReady } = connection;
    connection.wasReady = false;
    if (end.kind === 'lost' || end.kind === 'bad-peer') connection.breaker.failed(this.#options.runtime.monotonic());
    if (!wasReady) connection.node.failed(endpoint);
    const { code, message: reason } = end;
    if (end.kind !== 'closed-here') {
      this.#options.logger?.warn({ nodeId: connection.nodeId, endpoint, code, reason, retryInMs }, 'Not connected');
    }
    this.#listener({ type: 'ended', connection, end, wasReady, retryInMs });
  }

  /** The peer at `endpoint` has told who it is. */
  #identify(connection: PooledConnection, endpoint: string, nodeId: string): void {
    const { node } = connection;
    if (node.id === nodeId) return;
    if (node.isNameless) {
      this.remapNodeId(node.id, nodeId);
      return;
    }
    // Somebody else answers where this node was: an address that was given away, or one that leads to any of several.
    node.notAt(endpoint);
    node.connections = node.connections.filter((other) => other !== connection);
    let other = this.#nodes.get(nodeId);
    if (other === undefined) {
      other = new PoolNode(nodeId, endpoint, false);
      this.#nodes.set(nodeId, other);
    } else other.alsoAt(endpoint);
    this.#move(connection, other);
    const { runtime } = this.#options;
    // It may be found there again and again.
    runtime.setTimer(ASTRAY_MS * (0.5 + runtime.random()), () => {
      if (this.#nodes.get(node.id) === node) this.#fill(node);
    });
  }

  /** Makes the connection one of `node`'s, in place of one that is not there if need be, or ends it as one too many. */
  #move(connection: PooledConnection, node: PoolNode): void {
    connection.node = node;
    const { connections } = node;
    if (connections.length < this.#perNode && (connection.isConnected || connections.length === 0)) {
      connections.push(connection);
      return;
    }
    const vacant = connection.isConnected ? connections.findIndex((other) => !other.isConnected) : -1;
    const leaving = vacant < 0 ? connection : connections[vacant];
    if (vacant >= 0) connections[vacant] = connection;
    leaving?.standing.close();
  }

  #discard(node: PoolNode): void {
    node.isDrained = true;
    if (this.#nodes.get(node.id) === node) this.#nodes.delete(node.id);
    for (const { standing } of node.connections) standing.close();
  }
}
