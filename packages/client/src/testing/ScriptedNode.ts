import {
  type AuthAckMessage,
  type AuthMessage,
  type AuthRequiredMessage,
  type ClientMessage,
  DEFAULT_LIMITS,
  decodeClientMessage,
  encodeMessage,
  PROTOCOL_VERSION,
  type Runtime,
  type ServerMessage,
} from '@topgunbuild/core';
import type { MemoryPeer, MemoryTransport } from './MemoryTransport.js';

/** What a node of a test does with the messages it gets; all of it can be replaced while it runs. */
export interface Script {
  /** First frame of a connection; null = says nothing. */
  hello: (node: ScriptedNode) => ServerMessage | null;
  auth: (message: AuthMessage, node: ScriptedNode) => ServerMessage | null;
  pings: boolean;
}

/** A node for tests: shakes hands, answers PING, keeps what else it is told, and misbehaves on demand. */
export class ScriptedNode {
  readonly endpoint: string;
  readonly runtime: Runtime;
  nodeId = 'node-1';
  /** The server's wall clock is ahead of the runtime's by this many ms. */
  clockAhead = 0;
  /** Every message of every connection, heartbeats left out. */
  readonly received: ClientMessage[] = [];
  readonly peers: MemoryPeer[] = [];
  readonly closes: number[] = [];
  readonly script: Script = {
    hello: (node) => node.authRequired(),
    auth: (message, node) => node.authAck({ subject: message.token ?? '' }),
    pings: true,
  };
  #stopListening: (() => void) | null = null;
  readonly #transport: MemoryTransport;

  constructor(transport: MemoryTransport, runtime: Runtime, endpoint = 'ws://node/') {
    this.#transport = transport;
    this.runtime = runtime;
    this.endpoint = endpoint;
    this.start();
  }

  start(): void {
    this.#stopListening = this.#transport.listen(this.endpoint, (peer) => this.#accept(peer));
  }

  /** Refuses new connections from now on; those that are open stay so. */
  stop(): void {
    this.#stopListening?.();
  }

  /** The end of the latest connection. */
  get peer(): MemoryPeer {
    const peer = this.peers.at(-1);
    if (peer === undefined) throw new Error('nobody has connected yet');
    return peer;
  }

  say(message: ServerMessage): void {
    this.peer.send(encodeMessage(message));
  }

  auths(): AuthMessage[] {
    return this.received.filter((message) => message.type === 'AUTH');
  }

  authRequired(fields: Partial<AuthRequiredMessage> = {}): AuthRequiredMessage {
    return {
      type: 'AUTH_REQUIRED',
      protocol: PROTOCOL_VERSION,
      nodeId: this.nodeId,
      clusterId: 'cluster-1',
      logId: 'log-1',
      serverTime: this.#wall(),
      limits: DEFAULT_LIMITS,
      ...fields,
    };
  }

  authAck(fields: Partial<AuthAckMessage> = {}): AuthAckMessage {
    const sessionId = `session-${this.peers.length}`;
    return { type: 'AUTH_ACK', sessionId, subject: '', expiresAt: 0, serverTime: this.#wall(), map: null, ...fields };
  }

  #wall(): number {
    return this.runtime.now() + this.clockAhead;
  }

  #accept(peer: MemoryPeer): void {
    this.peers.push(peer);
    const reply = (message: ServerMessage | null): void => {
      if (message !== null) peer.send(encodeMessage(message));
    };
    peer.onFrame = (bytes) => {
      const message = decodeClientMessage(bytes);
      if (message.type === 'PING') {
        if (this.script.pings) reply({ type: 'PONG', nonce: message.nonce, serverTime: this.#wall() });
        return;
      }
      this.received.push(message);
      if (message.type === 'AUTH') reply(this.script.auth(message, this));
    };
    peer.onClose = (info) => this.closes.push(info.code);
    reply(this.script.hello(this));
  }
}
