import type { ErrorCode } from '@topgunbuild/core';

/** Why a connection to a node ended. The kind says what can be done about it, code and message tell people. */
export type ConnectionEnd =
  /** Closed from this side. */
  | { readonly kind: 'closed-here'; readonly code: ErrorCode; readonly message: string }
  /** The network, the peer or a deadline broke it: another attempt may succeed. */
  | { readonly kind: 'lost'; readonly code: ErrorCode; readonly message: string }
  /** The application could not name its credentials. */
  | { readonly kind: 'no-credentials'; readonly code: ErrorCode; readonly message: string }
  /** The server refused the credentials: the same ones need not be tried again. */
  | {
      readonly kind: 'refused';
      readonly code: ErrorCode;
      readonly message: string;
      /** Other credentials came up after those that were refused had been sent. */
      readonly superseded: boolean;
    }
  /** The server asked to come back no sooner than `retryAt`, ms of the monotonic clock. */
  | { readonly kind: 'goodbye'; readonly code: ErrorCode; readonly message: string; readonly retryAt: number }
  /** The server speaks another version of the protocol. */
  | { readonly kind: 'incompatible'; readonly code: ErrorCode; readonly message: string }
  /** The peer does not keep to the protocol: likely no TopGun server. */
  | { readonly kind: 'bad-peer'; readonly code: ErrorCode; readonly message: string };

/** The WebSocket close code that tells a peer about `end`. Browsers allow 1000 and the range from 3000. */
export function closeCodeOf(end: ConnectionEnd): number {
  switch (end.kind) {
    case 'closed-here':
    case 'goodbye':
      return 1000;
    case 'lost':
      return end.code === 'TIMEOUT' ? 3008 : 3000;
    case 'no-credentials':
    case 'refused':
      return 3001;
    case 'incompatible':
      return 3003;
    case 'bad-peer':
      return 3002;
  }
}
