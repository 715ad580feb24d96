import type { ErrorCode } from '@topgunbuild/core';

/** The WebSocket close codes of a TopGun server. Below 4000: RFC 6455, section 7.4. */
export const CloseCode = {
  /** The node stops. Come back as GOODBYE said. */
  GOING_AWAY: 1001,
  /** The peer does not keep to the protocol: repeated bad frames, anything before AUTH, two AUTH at once. */
  POLICY: 1008,
  /** A frame beyond `maxFrameBytes`. */
  TOO_BIG: 1009,
  /** The node failed; the connection may be tried again. */
  INTERNAL: 1011,
  /** The node cannot serve now. */
  TRY_AGAIN: 1013,
  /** No token, a token that does not hold, or one that has expired. */
  UNAUTHENTICATED: 4401,
  /** A renewal for another subject or client id. */
  FORBIDDEN: 4403,
  /** No AUTH within `authTimeoutMs`. */
  AUTH_TIMEOUT: 4408,
  /** A newer session of the same client has taken over from this silent one. */
  REPLACED: 4409,
  /** The peer reads too slowly for what it has subscribed to. */
  TOO_SLOW: 4429,
} as const;

export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** How a connection ends whose authentication failed with `code`. */
export function closeCodeOf(code: ErrorCode): CloseCode {
  switch (code) {
    case 'AUTH_REQUIRED':
    case 'AUTH_INVALID':
    case 'AUTH_EXPIRED':
      return CloseCode.UNAUTHENTICATED;
    case 'FORBIDDEN':
      return CloseCode.FORBIDDEN;
    default:
      return CloseCode.TRY_AGAIN;
  }
}
