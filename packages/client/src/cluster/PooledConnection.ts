import type { ClientMessage } from '@topgunbuild/core';
import type { StandingConnection } from '../connection/StandingConnection.js';
import type { CircuitBreaker } from './CircuitBreaker.js';
import type { PoolNode } from './PoolNode.js';

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
