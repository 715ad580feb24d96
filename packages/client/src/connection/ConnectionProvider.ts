import type { ClientMessage, EntryBatch, ErrorCode, Limits, PartitionMap, ServerMessage } from '@topgunbuild/core';

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
      /** When the credentials end, ms since 1970 by the server's clock; 0 = never. */
      readonly expiresAt: number;
      /** What this node accepts. */
      readonly limits: Limits;
      /** The partition map, when the handshake brought one. */
      readonly map: PartitionMap | null;
      /** The server's wall clock minus the client's monotonic clock, at the moment the answer was made: best estimate. */
      readonly serverTimeAt: { readonly serverTime: number; readonly monotonic: number };
      /**
       * The provider has kept every subscription that it was given, and brings it to wherever it belongs by itself. False:
       * queries and topics have to be subscribed, again or for the first time.
       */
      readonly keepsSubscriptions: boolean;
    }
  /**
   * A connection to a connected node has other credentials than were told: `reauthenticate` renewed them, or the connection
   * is a further one.
   */
  | { readonly type: 'renewed'; readonly nodeId: string; readonly subject: string; readonly expiresAt: number }
  /** A node that was connected is not any more. Whatever was sent to it and not answered has an unknown outcome. */
  | { readonly type: 'disconnected'; readonly nodeId: string; readonly code: ErrorCode; readonly reason: string }
  /** The provider began to try to connect, first or again. */
  | { readonly type: 'connecting' }
  /**
   * An attempt failed before it came to a handshake's end; the next one follows in `retryInMs`. UNSUPPORTED_PROTOCOL: client
   * and server need the same version. BAD_FRAME: the peer is no TopGun server. AUTH_REQUIRED: there were no credentials.
   */
  | { readonly type: 'connect-failed'; readonly code: ErrorCode; readonly reason: string; readonly retryInMs: number }
  /** The server refused the credentials. The provider stops trying until `reauthenticate` is called. */
  | { readonly type: 'auth-failed'; readonly code: ErrorCode; readonly message: string }
  /** A heartbeat was answered: a new estimate of the server's time. */
  | { readonly type: 'time'; readonly serverTime: number; readonly monotonic: number; readonly latencyMs: number }
  /** Any message that is not part of the handshake or the heartbeat. */
  | { readonly type: 'message'; readonly nodeId: string; readonly message: ServerMessage }
  /** There is room again after `send` said there was none. */
  | { readonly type: 'drain' };

/** Operations that were handed over as one OP_BATCH: what an OP_ACK of that id will speak of. */
export interface SentBatch {
  readonly batchId: number;
  readonly nodeId: string;
  /** By index in the sent batch: the index of the operation in what `sendBatch` was given. */
  readonly indexes: readonly number[];
}

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
  /**
   * Optional: sends each operation to the owner of its key, in as many batches as that takes, each under an id from
   * `nextBatchId`. Operations that are in none of the returned batches were not sent. Without this method the engine
   * sends one batch with `send`.
   */
  sendBatch?(ops: EntryBatch, nextBatchId: () => number): readonly SentBatch[];
  /** The token changed: every live connection renews with it, and a provider that had stopped tries again. */
  reauthenticate(): void;
  /** Registers the one listener of events; returns how to unregister it. */
  on(listener: (event: ProviderEvent) => void): () => void;
  close(): Promise<void>;
}
