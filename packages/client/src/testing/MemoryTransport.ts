import type { Runtime } from '@topgunbuild/core';
import type { CloseInfo, FrameConnection, FrameHandlers, Transport } from '../connection/Transport.js';

/** The server's end of a connection, for a test to play the server with. */
export interface MemoryPeer {
  onFrame: (bytes: Uint8Array) => void;
  onClose: (info: CloseInfo) => void;
  send(bytes: Uint8Array): void;
  close(code?: number, reason?: string): void;
  /** Half-open from now on: nothing arrives in either direction and nobody is told. */
  freeze(): void;
  /** Stops to read: what the client sends stays in its buffer until `resumeReading`. */
  stopReading(): void;
  resumeReading(): void;
}

/**
 * Connections inside the process, on the clock of a Runtime. Each frame takes `latencyMs`; order is kept. An endpoint
 * that nobody listens at refuses; `blackhole` makes one that never answers.
 */
export class MemoryTransport implements Transport {
  readonly #runtime: Runtime;
  readonly #latencyMs: number;
  readonly #acceptors = new Map<string, ((peer: MemoryPeer) => void) | 'blackhole'>();
  /** When each attempt to connect was made, ms of the monotonic clock. */
  readonly attempts: number[] = [];
  /** And where to. */
  readonly endpoints: string[] = [];

  constructor(runtime: Runtime, latencyMs = 1) {
    this.#runtime = runtime;
    this.#latencyMs = latencyMs;
  }

  /** `accept` gets the server's end of each new connection at `endpoint`; returns how to stop listening. */
  listen(endpoint: string, accept: (peer: MemoryPeer) => void): () => void {
    this.#acceptors.set(endpoint, accept);
    return () => this.#acceptors.delete(endpoint);
  }

  /** Whoever comes to `endpoint` is passed on to where `target` says at that moment. */
  forward(endpoint: string, target: () => string): void {
    this.#acceptors.set(endpoint, (peer) => {
      const accept = this.#acceptors.get(target());
      if (typeof accept === 'function') accept(peer);
      else peer.close(1006, 'nobody there');
    });
  }

  refuse(endpoint: string): void {
    this.#acceptors.delete(endpoint);
  }

  blackhole(endpoint: string): void {
    this.#acceptors.set(endpoint, 'blackhole');
  }

  connect(endpoint: string, handlers: FrameHandlers): FrameConnection {
    this.attempts.push(this.#runtime.monotonic());
    this.endpoints.push(endpoint);
    const link = new MemoryLink(this.#runtime, this.#latencyMs, handlers);
    link.later(() => {
      const accept = this.#acceptors.get(endpoint);
      if (accept === undefined) link.endClient({ code: 1006, reason: 'connection refused' });
      else if (accept !== 'blackhole') link.open(accept);
    });
    return link;
  }
}

/** Both ends of a connection: itself the client's, and `#peer` the server's. */
class MemoryLink implements FrameConnection {
  readonly #runtime: Runtime;
  readonly #latencyMs: number;
  readonly #client: FrameHandlers;
  readonly #peer: MemoryPeer;
  readonly #unread: Uint8Array[] = [];
  #clientState: 'opening' | 'open' | 'ended' = 'opening';
  #peerEnded = false;
  #frozen = false;
  #reading = true;

  constructor(runtime: Runtime, latencyMs: number, client: FrameHandlers) {
    this.#runtime = runtime;
    this.#latencyMs = latencyMs;
    this.#client = client;
    this.#peer = {
      onFrame: () => {},
      onClose: () => {},
      send: (bytes) => this.later(() => this.#clientState === 'open' && this.#client.onFrame(bytes)),
      close: (code = 1000, reason = '') => {
        this.#peerEnded = true;
        this.later(() => this.endClient({ code, reason }));
      },
      freeze: () => {
        this.#frozen = true;
      },
      stopReading: () => {
        this.#reading = false;
      },
      resumeReading: () => {
        this.#reading = true;
        for (const bytes of this.#unread.splice(0)) this.#toPeer(bytes);
      },
    };
  }

  get buffered(): number {
    return this.#unread.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  send(bytes: Uint8Array): void {
    if (this.#clientState !== 'open') return;
    if (this.#reading) this.#toPeer(bytes);
    else this.#unread.push(bytes);
  }

  close(code = 1000, reason = ''): void {
    // Not held up by a frozen network, as a real socket is not.
    queueMicrotask(() => this.endClient({ code, reason }));
    this.later(() => this.#endPeer({ code, reason }));
  }

  open(accept: (peer: MemoryPeer) => void): void {
    if (this.#clientState === 'ended') return;
    this.#clientState = 'open';
    this.#client.onOpen();
    accept(this.#peer);
  }

  endClient(info: CloseInfo): void {
    if (this.#clientState === 'ended') return;
    this.#clientState = 'ended';
    this.#client.onClose(info);
  }

  /** What crosses the network does so after the latency, unless the network is gone by then. */
  later(fn: () => void): void {
    this.#runtime.setTimer(this.#latencyMs, () => {
      if (!this.#frozen) fn();
    });
  }

  #toPeer(bytes: Uint8Array): void {
    this.later(() => {
      if (!this.#peerEnded) this.#peer.onFrame(bytes);
    });
  }

  #endPeer(info: CloseInfo): void {
    if (this.#peerEnded) return;
    this.#peerEnded = true;
    this.#peer.onClose(info);
  }
}
