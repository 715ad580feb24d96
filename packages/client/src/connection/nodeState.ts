import type { AuthRequiredMessage, ClientMessage, PartitionMap, ServerMessage } from '@topgunbuild/core';
import type { ConnectionEnd } from './ConnectionEnd.js';

/**
 * The life of one connection to one node:
 *
 *   idle ─open→ opening ─opened→ asking ─credentials→ authenticating ─AUTH_ACK→ ready ─GOODBYE→ leaving
 *                  └──────────────┴───── failure, deadline, close ─────┴───────────┴────────────────┴─→ closed
 *
 * `asking` waits for the application's credentials, `authenticating` for the server's verdict; AUTH_REQUIRED, the
 * server's first frame, may arrive in either. A connection that is ready renews its credentials in place. One that was
 * told GOODBYE still takes the answers that are on their way, and sends nothing more.
 *
 * The functions here decide and do nothing else: each takes a state and what happened, and returns the next state and
 * what the shell (NodeConnection) has to do. Times are ms of the monotonic clock.
 */
export type NodeState =
  | { readonly name: 'idle' }
  | { readonly name: 'opening'; readonly deadline: number }
  | { readonly name: 'asking'; readonly deadline: number; readonly hello: Hello | null }
  | {
      readonly name: 'authenticating';
      readonly deadline: number;
      readonly hello: Hello | null;
      readonly sentAt: number;
      /** Other credentials came up meanwhile: this verdict is not the last. */
      readonly renew: boolean;
    }
  | ReadyState
  | {
      readonly name: 'leaving';
      readonly deadline: number;
      readonly hello: Hello;
      readonly session: Session;
      readonly end: ConnectionEnd;
    }
  | { readonly name: 'closed'; readonly end: ConnectionEnd };

export interface ReadyState {
  readonly name: 'ready';
  readonly hello: Hello;
  readonly session: Session;
  readonly renewal: Renewal;
  /** The one thing that changes in place, because it changes with every frame. */
  heardAt: number;
  readonly measuredAt: number;
  readonly ping: { readonly nonce: number; readonly sentAt: number };
}

/** Renewal of credentials on an open connection. Two AUTH frames are never unanswered at once. */
export type Renewal =
  | { readonly phase: 'none' }
  | { readonly phase: 'asking' }
  | { readonly phase: 'sent'; readonly sentAt: number; readonly deadline: number; readonly again: boolean };

export type Hello = Omit<AuthRequiredMessage, 'type' | 'serverTime'>;

export interface Session {
  readonly sessionId: string;
  readonly subject: string;
  /** When the credentials end, ms since 1970 by the server's clock; 0 = never. */
  readonly expiresAt: number;
  /** When the connection became ready. */
  readonly since: number;
  readonly latencyMs: number;
}

/** The server's wall clock read `serverTime` when the monotonic clock here read `monotonic`, give or take half `latencyMs`. */
export interface ServerTime {
  readonly serverTime: number;
  readonly monotonic: number;
  readonly latencyMs: number;
}

/** What an AUTH_ACK brought. */
export interface Admission {
  readonly hello: Hello;
  readonly session: Session;
  readonly time: ServerTime;
  readonly map: PartitionMap | null;
}

export type NodeEvent =
  | ({ readonly type: 'ready' } & Admission)
  | ({ readonly type: 'renewed' } & Admission)
  | { readonly type: 'time'; readonly time: ServerTime }
  | { readonly type: 'message'; readonly message: ServerMessage }
  | { readonly type: 'drain' }
  /** The server said GOODBYE: nothing can be sent any more, what is on its way still arrives. */
  | { readonly type: 'leaving'; readonly reason: string }
  /** The last event. `session`: what the connection had, null when it never became ready. */
  | {
      readonly type: 'ended';
      readonly end: ConnectionEnd;
      readonly hello: Hello | null;
      readonly session: Session | null;
    };

export interface ConnectionTimes {
  /** For the network to open the connection. */
  readonly openMs: number;
  /** For the application to name its credentials, and again for the server to judge them. */
  readonly authMs: number;
  /** Silence after which a PING is sent. */
  readonly pingAfterMs: number;
  /** Silence after which the peer counts as gone. */
  readonly deadAfterMs: number;
  /** The server's time is measured at least this often. */
  readonly measureEveryMs: number;
  /** For the server to close after GOODBYE. */
  readonly leaveMs: number;
}

export const DEFAULT_TIMES: ConnectionTimes = {
  openMs: 10_000,
  authMs: 10_000,
  pingAfterMs: 10_000,
  deadAfterMs: 25_000,
  measureEveryMs: 60_000,
  leaveMs: 2_000,
};

/** What a transition asks of the shell, besides keeping `next`: in the order ask, send, emit. */
export interface Step {
  readonly next: NodeState;
  readonly ask?: true;
  readonly send?: ClientMessage;
  readonly emit?: NodeEvent;
}
