import type { IncomingMessage } from 'node:http';

/** Why a request is answered with an HTTP error. */
export interface HttpRefusal {
  readonly status: number;
  readonly message: string;
}

/** More headers than any client or proxy sends. */
const MAX_HEADERS = 100;

/** Names under which tokens are put into URLs, where proxies and browsers keep them. */
const CREDENTIAL_NAME = /token|jwt|auth|bearer|secret|passw|credential|api[-_]?key/i;
/** A JWT begins with `{"` in base64url. Nothing else in a URL looks like that, wherever it stands. */
const LOOKS_LIKE_JWT = /(?<![\w-])eyJ[\w-]{8,}\.[\w-]+/;

/** Refuses what no honest request looks like; null = it may go on. Nothing of the request reaches the answer. */
export function judgeRequest(request: IncomingMessage): HttpRefusal | null {
  if (request.rawHeaders.length / 2 > MAX_HEADERS) return { status: 431, message: 'too many headers' };
  if (carriesCredentials(request.url ?? '/')) {
    return { status: 400, message: 'a token does not belong into the URL; send it in AUTH' };
  }
  return null;
}

function carriesCredentials(target: string): boolean {
  if (LOOKS_LIKE_JWT.test(target.replaceAll(/%2e/gi, '.').replaceAll(/%[0-9a-f]{2}/gi, ' '))) return true;
  const query = target.indexOf('?');
  if (query < 0) return false;
  for (const name of new URLSearchParams(target.slice(query + 1)).keys()) if (CREDENTIAL_NAME.test(name)) return true;
  return false;
}

/**
 * Whether a page of `origin` may connect. Without a list everybody may; with one, browsers of other origins may not.
 * Clients outside browsers send no Origin, and a token is what counts for them.
 */
export function isAllowedOrigin(origin: string | undefined, allowed: readonly string[] | null): boolean {
  return allowed === null || origin === undefined || allowed.includes(origin);
}
