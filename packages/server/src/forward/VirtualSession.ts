import { type ClientMessage, decodeClientMessage } from '@topgunbuild/core';
import type { Counters } from '../metrics/Counters.js';
import { ActiveSession } from '../session/ActiveSession.js';
import { ExpiryWatch } from '../session/ExpiryWatch.js';
import { Outbox } from '../session/Outbox.js';
import type { SessionPorts } from '../session/SessionPorts.js';
import type { Passport } from './passport.js';

/** What virtual sessions share. Their own counters are not those of the node, whose clients they are not. */
export interface VirtualPorts extends SessionPorts {
  readonly nodeCounters: Counters;
}

/** How a virtual session speaks to the node that has the client. */
export interface VirtualPeer {
  send(frame: Uint8Array): void;
  /** The session has ended here. */
  ended(): void;
}

type State = { readonly name: 'open'; readonly expiry: ExpiryWatch } | { readonly name: 'ended' };

/**
 * What a client of another node has here: rights, budgets, streams and back-pressure of a session with a socket, but the
 * other node has authenticated it, and carries the frames. It reaches nothing but what this node owns.
 */
export class VirtualSession {
  readonly #ports: VirtualPorts;
  readonly #peer: VirtualPeer;
  readonly #outbox: Outbox;
  readonly #active: ActiveSession;
  #state: State;
  #sentBytes = 0;
  #consumedBytes = 0;

  /** `windowBytes` may be on their way to the client before streams pause. */
  constructor({ clientId, identity }: Passport, ports: VirtualPorts, peer: VirtualPeer, windowBytes: number) {
    this.#ports = ports;
    this.#peer = peer;
    const { runtime, limits, counters } = ports;
    const bufferOf = (): number => this.#sentBytes - this.#consumedBytes;
    const carrier = {
      get buffered(): number {
        return bufferOf();
      },
      send: (frame: Uint8Array): void => {
        this.#sentBytes += frame.length;
        peer.send(frame);
      },
      close: (): void => this.#end(true),
    };
    this.#outbox = new Outbox(carrier, runtime, limits, counters, () => this.#end(true), windowBytes);
    this.#state = { name: 'open', expiry: this.#watch(identity.expiresAt) };
    this.#active = new ActiveSession(ports, this.#outbox, clientId, identity, () => undefined);
  }

  onFrame(frame: Uint8Array): void {
    this.#guarded(() => {
      this.#dispatch(decodeClientMessage(frame, this.#ports.limits.maxBatchOps), frame.length);
    });
  }

  renew({ identity }: Passport): void {
    if (this.#state.name === 'ended') return;
    this.#state.expiry.stop();
    this.#state = { name: 'open', expiry: this.#watch(identity.expiresAt) };
    this.#guarded(() => this.#active.renew(identity));
  }

  /** The client has taken so many bytes in all. */
  consumed(bytes: number): void {
    this.#consumedBytes = Math.min(this.#sentBytes, Math.max(this.#consumedBytes, bytes));
    this.#guarded(() => {
      if (this.#outbox.onDrain()) this.#active.onDrain();
    });
  }

  /** The other node is gone, or its client is. */
  close(): void {
    this.#end(false);
  }

  /** What fails here is this session's own: the others of the link go on. */
  #guarded(run: () => void): void {
    if (this.#state.name === 'ended') return;
    try {
      run();
    } catch (error) {
      this.#ports.logger.error({ err: error }, "a session of another node's client failed");
      this.#end(true);
    }
  }

  #dispatch(message: ClientMessage, frameBytes: number): void {
    switch (message.type) {
      case 'OP_BATCH':
        this.#ports.nodeCounters.opsFromNodes += message.ops.count;
        this.#active.onOpBatch(message, frameBytes);
        return;
      case 'QUERY_SUB':
        this.#active.onQuerySub(message);
        return;
      case 'QUERY_UNSUB':
        this.#active.onQueryUnsub(message.queryId);
        return;
      default:
        // Everything else is between the client and the node it is connected to.
        return;
    }
  }

  #watch(expiresAt: number): ExpiryWatch {
    return new ExpiryWatch(this.#ports.runtime, expiresAt, () => this.#end(true));
  }

  #end(tells: boolean): void {
    if (this.#state.name === 'ended') return;
    this.#state.expiry.stop();
    this.#state = { name: 'ended' };
    this.#active.close();
    this.#outbox.close();
    if (tells) this.#peer.ended();
  }
}
