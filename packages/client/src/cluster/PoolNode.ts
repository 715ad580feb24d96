import type { ClientMessage } from '@topgunbuild/core';
import type { StandingConnection } from '../connection/StandingConnection.js';
import type { CircuitBreaker } from './CircuitBreaker.js';
import { spread } from './spread.js';

/** There may be any number of names. */
const LANES = 64;

/** A node as the pool knows it: who it is, where it can be found, and the connections to it. */
export class PoolNode {
  /** The node's own id, or its endpoint as long as it has not told who it is. */
  id: string;
  /** It was added by its endpoint, and has not told who it is. */
  isNameless: boolean;
  /** It is not wanted any more: nothing new is sent to it. */
  isDrained = false;
  connections: PooledConnection[] = [];
  /** By lane: the connection that it has taken, and takes as long as that is ready. */
  readonly #lanes = new Map<number, PooledConnection>();
  /** Where it may be found, in the order in which that is tried. */
  #endpoints: string[];
  /** The one that the partition map names. */
  #advertised: string | null = null;

  constructor(id: string, endpoint: string, isNameless: boolean) {
    this.id = id;
    this.isNameless = isNameless;
    this.#endpoints = [endpoint];
  }

  get endpoint(): string {
    return this.#endpoints[0] as string;
  }

  hasEndpoint(endpoint: string): boolean {
    return this.#endpoints.includes(endpoint);
  }

  get endpoints(): readonly string[] {
    return this.#endpoints;
  }

  /** Where the node says it is. It replaces what the node said before; where it was found otherwise stays known. */
  advertise(endpoint: string): void {
    if (this.#advertised === endpoint) return;
    const before = this.#advertised;
    this.#advertised = endpoint;
    const others = this.#endpoints.filter((known) => known !== endpoint && known !== before);
    // What works is not given up for what might.
    this.#endpoints = this.isConnected
      ? [...this.#endpoints.filter((e) => e !== endpoint), endpoint]
      : [endpoint, ...others];
  }

  /** Also found here. */
  alsoAt(endpoint: string): void {
    if (!this.hasEndpoint(endpoint)) this.#endpoints.push(endpoint);
  }

  /** Somebody else is there. */
  notAt(endpoint: string): void {
    if (this.#endpoints.length > 1) this.#endpoints = this.#endpoints.filter((known) => known !== endpoint);
  }

  worked(endpoint: string): void {
    if (this.hasEndpoint(endpoint)) this.#endpoints = [endpoint, ...this.#endpoints.filter((e) => e !== endpoint)];
  }

  /** The next attempt goes elsewhere, if there is another place. */
  failed(endpoint: string): void {
    if (this.#endpoints[0] === endpoint) this.#endpoints = [...this.#endpoints.slice(1), endpoint];
  }

  /**
   * The connection for traffic of the lane called `name`, null when none is ready: always the same one as long as it is
   * ready, so that what one lane sends and gets keeps its order.
   */
  connectionFor(name: string): PooledConnection | null {
    const lane = spread(name, LANES);
    const taken = this.#lanes.get(lane);
    if (taken?.isReady === true && taken.node === this) return taken;
    const loads = new Map<PooledConnection, number>();
    for (const connection of this.#lanes.values()) loads.set(connection, (loads.get(connection) ?? 0) + 1);
    let best: PooledConnection | null = null;
    for (const connection of this.connections) {
      if (!connection.isReady) continue;
      if (best === null || (loads.get(connection) ?? 0) < (loads.get(best) ?? 0)) best = connection;
    }
    if (best === null) this.#lanes.delete(lane);
    else this.#lanes.set(lane, best);
    return best;
  }

  get isConnected(): boolean {
    return this.connections.some((connection) => connection.isConnected);
  }

  /** A connection is there or being made, rather than waited for. */
  get isTrying(): boolean {
    return this.connections.some(({ standing }) => standing.connection !== null);
  }

  get isReady(): boolean {
    return this.connections.some((connection) => connection.isReady);
  }

  get pendingOps(): number {
    return this.connections.reduce((sum, { pendingOps }) => sum + pendingOps, 0);
  }
}

/**
 * One of the connections to a node, with everything that belongs to it: it keeps its socket, its state and what is pending
 * when the node turns out to be called otherwise. So nobody keeps the id: ask for it.
 */
export class PooledConnection {
  /** The node that it leads to, as far as is known. */
  node: PoolNode;
  readonly standing: StandingConnection;
  readonly breaker: CircuitBreaker;
  /** Operations that were sent and not answered. */
  pendingOps = 0;
  /** The handshake of the connection of the moment succeeded. */
  wasReady = false;

  constructor(node: PoolNode, standing: StandingConnection, breaker: CircuitBreaker) {
    this.node = node;
    this.standing = standing;
    this.breaker = breaker;
  }

  get nodeId(): string {
    return this.node.id;
  }

  /** Something can be sent: the handshake is done, and the server has not said GOODBYE. */
  get isReady(): boolean {
    return this.standing.connection?.stateName === 'ready';
  }

  /** Handshake done and not ended. */
  get isConnected(): boolean {
    return this.standing.isConnected;
  }

  /** idle · waiting · refused · closed, or the state of the connection of the moment. */
  get stateName(): string {
    return this.standing.connection?.stateName ?? this.standing.stateName;
  }

  /** False: nothing was sent; readiness or room will be told. */
  send(message: ClientMessage): boolean {
    return this.standing.send(message);
  }
}
