import { InvalidArgumentError } from 'commander';
import { commaList } from './parse.js';

/** Where the NATS servers of a cluster are, and how to log in there. */
export interface NatsServers {
  /** Without credentials, so that they may be shown. */
  readonly servers: readonly string[];
  readonly options: NatsLogin;
}

export interface NatsLogin {
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** Even where the server does not ask for it. */
  readonly tls?: Readonly<Record<string, never>>;
}

const DEFAULT_PORT = '4222';

/**
 * Servers of one NATS, separated by commas: `nats://user:password@host:4222`, `nats://token@host`, `tls://host`, `host`.
 * Credentials need to be given once.
 */
export function natsServers(text: string): NatsServers {
  const urls = commaList(text).map(parse);
  const logins = urls.filter((url) => url.username !== '' || url.password !== '').map(loginOf);
  const [login = {}] = logins;
  if (logins.some((other) => JSON.stringify(other) !== JSON.stringify(login))) {
    throw new InvalidArgumentError('Its servers must all have the same credentials.');
  }
  const isTls = urls.some((url) => url.protocol === 'tls:');
  return {
    servers: urls.map((url) => `${url.protocol}//${url.hostname}:${url.port || DEFAULT_PORT}`),
    options: isTls ? { ...login, tls: {} } : login,
  };
}

function parse(text: string): URL {
  const url = text.includes('://') ? text : `nats://${text}`;
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const isServer =
    parsed !== null &&
    (parsed.protocol === 'nats:' || parsed.protocol === 'tls:') &&
    parsed.hostname !== '' &&
    /^\/?$/.test(parsed.pathname + parsed.search + parsed.hash);
  // What was given is not repeated: it may hold a password.
  if (!isServer) throw new InvalidArgumentError('It must be a list such as nats://10.0.0.1:4222,nats://10.0.0.2:4222.');
  return parsed;
}

function loginOf({ username, password }: URL): NatsLogin {
  const user = decodeURIComponent(username);
  return password === '' ? { token: user } : { user, pass: decodeURIComponent(password) };
}
