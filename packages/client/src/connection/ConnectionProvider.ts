import type { ClientMessage, ErrorCode, ServerMessage } from '@topgunbuild/core';

/** What a connection needs for its handshake. Asked anew for every handshake and renewal. */
export interface Credentials {
  readonly token: string | null;
  readonly clientId: string;
  /** Version of the partition map that the client holds; 0 = none. */
  readonly mapVersion: number;
}

export type ProviderEvent =
  /** A handshake succeeded: the node can be used. */
  | {
      readonly type: 'connected';
      readonly nodeId: string;
      readonly clusterId: string;
      readonly logId: string;
      readonly subject: string;
      readonly sessionId: string;
      /** The server's wall clock minus the client's monotonic clock, at the moment the answer was made: best estimate. */
      readonly serverTimeAt: { readonly serverTime: number; readonly monotonic: number };
    }
  /** A node that was connected is not any more. Whatever was sent to it and not answered has an unknown outcome. */
  | { readonly type: 'disconnected'; readonly nodeId: string; readonly reason: string }
  /** The provider began to try to connect, first or again. */
  | { readonly type: 'connecting' }
  /** The server refused the credentials. The provider stops trying until `reauthenticate` is called. */
  | { readonly type: 'auth-failed'; readonly code: ErrorCode; readonly message: string }
  /** A heartbeat was answered: a new estimate of the server's time. */
  | { readonly type: 'time'; readonly serverTime: number; readonly monotonic: number; readonly latencyMs: number }
  /** Any message that is not part of the handshake or the heartbeat. */
  | { readonly type: 'message'; readonly nodeId: string; readonly message: ServerMessage }
  /** There is room again after `send` said there was none. */
  | { readonly type: 'drain' };

/**
 * How a SyncEngine reaches servers. One server, a cluster, or HTTP: the engine cannot tell. The provider owns sockets,
 * handshakes, heartbeats and reconnects; the engine owns the op-log, subscriptions and the token.
 */
export interface IConnectionProvider {
  /** Starts to connect and to stay connected, until `close`. */
  connect(): void;
  isConnected(): boolean;
  getConnectedNodes(): readonly string[];
  /**
   * Sends `message` to the node that is right for `key` (any node without a key). False: nothing was sent, because
   * nobody is connected or the socket has no room; `connected` or `drain` will tell when to try again.
   */
  send(message: ClientMessage, key?: string): boolean;
  /** The token changed: every live connection renews with it, and a provider that had stopped tries again. */
  reauthenticate(): void;
  /** Registers the one listener of events; returns how to unregister it. */
  on(listener: (event: ProviderEvent) => void): () => void;
  close(): Promise<void>;
}
