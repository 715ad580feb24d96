/** One of the nats-servers that `topgun cluster` starts: where it keeps things, and how others reach it. */
export interface NatsConfig {
  readonly name: string;
  /** Absolute. */
  readonly directory: string;
  readonly password: string;
  /** Ports for the routes between servers, this one's first; empty for a server on its own. */
  readonly routePorts: readonly number[];
}

export const NATS_USER = 'topgun';

/** Where a running server says its ports. */
export const PORTS_FOLDER = 'run';
export const LOG_FILE = 'nats-server.log';

/** Of one frame of a client and of what a shard writes at once there is room for many. */
const MAX_PAYLOAD = '16MB';
/** What may wait for a connection that is slow to read; the default would hold four of the largest payloads. */
const MAX_PENDING = '256MB';

/**
 * A configuration for this machine alone. `sync_interval: always` is what makes an acknowledged write survive a power
 * cut: by default the server flushes every two minutes.
 */
export function natsConfig({ name, directory, password, routePorts }: NatsConfig): string {
  const login = `{ user: ${NATS_USER}, password: ${JSON.stringify(password)} }`;
  const lines = [
    '# Written by `topgun cluster` at each start.',
    `server_name: ${JSON.stringify(name)}`,
    'listen: "127.0.0.1:-1"',
    'http: "127.0.0.1:-1"',
    `ports_file_dir: ${JSON.stringify(`${directory}/${PORTS_FOLDER}`)}`,
    `log_file: ${JSON.stringify(`${directory}/${LOG_FILE}`)}`,
    'logfile_size_limit: 10MB',
    'logfile_max_num: 3',
    `max_payload: ${MAX_PAYLOAD}`,
    `max_pending: ${MAX_PENDING}`,
    `authorization ${login}`,
    `jetstream { store_dir: ${JSON.stringify(directory)}, sync_interval: always }`,
  ];
  const [own] = routePorts;
  if (own !== undefined) {
    const routes = routePorts.map((port) => `"nats://${NATS_USER}:${password}@127.0.0.1:${port}"`);
    lines.push(
      `cluster { name: topgun, listen: "127.0.0.1:${own}", authorization ${login}, routes: [${routes.join(', ')}] }`,
    );
  }
  return `${lines.join('\n')}\n`;
}
