import { TopGunError } from '@topgunbuild/core';

const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['ws:', 'ws:'],
  ['wss:', 'wss:'],
  ['http:', 'ws:'],
  ['https:', 'wss:'],
]);

const SECRETS = /^(access_?|id_?|auth_?)?(token|jwt|auth|authorization|password|secret|api_?key)$/i;

/**
 * The WebSocket address of `endpoint`: http and https become ws and wss. URLs end in logs of proxies and servers, so one
 * that carries a credential is refused. No message quotes the URL, for the same reason.
 * @throws TopGunError INVALID_VALUE
 */
export function webSocketUrl(endpoint: string): string {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch (cause) {
    throw new TopGunError('INVALID_VALUE', 'The endpoint is no URL; write it as ws://host:port', { cause });
  }
  const scheme = SCHEMES.get(url.protocol);
  if (scheme === undefined) {
    throw new TopGunError('INVALID_VALUE', `Endpoints are ws, wss, http or https URLs, not ${url.protocol}`);
  }
  if (url.username !== '' || url.password !== '' || [...url.searchParams.keys()].some((name) => SECRETS.test(name))) {
    throw new TopGunError('INVALID_VALUE', 'The endpoint carries a credential; hand the token in as `auth` instead');
  }
  // Written out rather than by `url.protocol = scheme`: some runtimes refuse to change http to ws.
  return `${scheme}//${url.host}${url.pathname}${url.search}`;
}
