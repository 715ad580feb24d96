/** The stable codes that every error of TopGun carries. Names are part of the public contract. */
export const ERROR_CODES = [
  'AUTH_REQUIRED',
  'AUTH_INVALID',
  'AUTH_EXPIRED',
  'FORBIDDEN',
  'BAD_FRAME',
  'UNSUPPORTED_PROTOCOL',
  'TOO_LARGE',
  'RATE_LIMITED',
  'LIMIT_EXCEEDED',
  'KIND_MISMATCH',
  'CLOCK_DRIFT',
  'STALE_OP',
  'INVALID_VALUE',
  'INVALID_QUERY',
  'NOT_OWNER',
  'UNAVAILABLE',
  'SHUTTING_DOWN',
  'STORAGE_FULL',
  'STORAGE_FAILED',
  'TIMEOUT',
  'CLOSED',
  'INTERNAL',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Codes after which the very same operation may succeed later: the client keeps the op and tries again. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'AUTH_REQUIRED',
  'AUTH_EXPIRED',
  'RATE_LIMITED',
  'NOT_OWNER',
  'UNAVAILABLE',
  'SHUTTING_DOWN',
  'STORAGE_FULL',
  'STORAGE_FAILED',
  'TIMEOUT',
  'CLOSED',
  'INTERNAL',
]);

export function isTransient(code: ErrorCode): boolean {
  return TRANSIENT.has(code);
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && (ERROR_CODES as readonly string[]).includes(value);
}

/** Every error that TopGun raises on purpose: a stable `code` and a sentence that says what to do. */
export class TopGunError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'TopGunError';
    this.code = code;
  }
}
