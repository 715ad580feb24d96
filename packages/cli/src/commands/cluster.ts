import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { usageError } from '../CliError.js';
import { type AuthOptions, addAuthOptions, authChoice } from '../options/authOptions.js';
import { chooseOne } from '../options/chooseOne.js';
import { addClusterOptions, type ClusterOptions } from '../options/clusterOptions.js';
import { envOption } from '../options/envOption.js';
import { natsServers } from '../options/natsServers.js';
import { filled, wholeNumber } from '../options/parse.js';
import { LOG_LEVELS, type LogLevel } from '../serve/LogLevel.js';
import { serveAuth } from '../serve/serveAuth.js';

interface ClusterCommandOptions extends AuthOptions, ClusterOptions {
  readonly nodes: number;
  readonly port: number;
  readonly host: string;
  /** Checked, not parsed: each node parses it anew. */
  readonly nats?: string;
  readonly natsServer?: string;
  readonly data: string;
  readonly logLevel: LogLevel;
}

const MAX_NODES = 32;
const MAX_PORT = 65_535;

const EXAMPLES = `
Starts nats-server, unless --nats says where one is, then the nodes, a process each. Prints the ready line of each node
and, when every node owns its part of the data, one line: topgun cluster ready nodes=3 urls=ws://...,ws://...
What has ended is not started again. SIGINT or SIGTERM stops the nodes, then nats-server; a second signal ends all at once.
The data directory keeps everything: start the same command again to go on.

nats-server is the one named by --nats-server, else the one on the PATH. With --replicas 3 there are three of them.

Without --jwt-secret, --jwks and --no-auth, a secret is made up, kept in the data directory and handed to all nodes.

Examples:
  topgun cluster                                         three nodes on ports 8080 to 8082, data in ./topgun-data
  topgun cluster --no-auth --port 0 --data /tmp/try      any free ports
  topgun cluster --nodes 5 --replicas 3 --nats-server /opt/nats/nats-server
  topgun cluster --nats nats://127.0.0.1:4222 --cluster orders --jwt-secret "$SECRET"`;

export function clusterCommand(): Command {
  const command = new Command('cluster')
    .description('run a cluster on this machine')
    .addOption(envOption('--nodes <n>', 'how many nodes').argParser(wholeNumber(1, MAX_NODES)).default(3))
    .addOption(
      envOption('--port <n>', 'port of the first node, the others follow; 0 = any')
        .argParser(wholeNumber(0, MAX_PORT))
        .default(8080),
    )
    .addOption(envOption('--host <address>', 'address to listen on').argParser(filled).default('127.0.0.1'))
    .addOption(envOption('--nats <urls>', 'a NATS with JetStream that runs already').argParser(checkedNats))
    .addOption(envOption('--nats-server <path>', 'the nats-server to start').argParser(filled))
    .addOption(
      envOption('--data <dir>', 'where nats-server keeps what it is told, and the secret')
        .argParser(filled)
        .default('./topgun-data'),
    );
  return addAuthOptions(addClusterOptions(command))
    .addOption(envOption('--log-level <level>', 'what the nodes log on stderr').choices(LOG_LEVELS).default('info'))
    .addHelpText('after', EXAMPLES)
    .action(cluster);
}

async function cluster(options: ClusterCommandOptions, command: Command): Promise<void> {
  const { host, port, nodes, data } = options;
  if (port !== 0 && port + nodes - 1 > MAX_PORT) {
    throw usageError(`--nodes ${nodes} from --port ${port} on needs ports beyond ${MAX_PORT}`);
  }
  const usesUrl = chooseOne(command, { nats: '--nats', natsServer: '--nats-server' }) === 'nats';
  const natsUrls = usesUrl ? options.nats : undefined;
  const { auth, notices } = await serveAuth(authChoice(options, command), {
    ...options,
    host,
    secretIn: 'directory',
    directory: data,
  });
  // Loaded when it is needed: the other commands should not wait for it.
  const { runCluster } = await import('../cluster/runCluster.js');
  const { findNatsServer } = await import('../cluster/findNatsServer.js');
  for (const notice of notices) console.error(`topgun: ${notice}`);
  // Other nodes of a cluster that runs already have names of their own.
  const prefix = natsUrls === undefined ? 'node' : `node-${randomBytes(3).toString('hex')}`;
  await runCluster({
    nats:
      natsUrls === undefined
        ? {
            type: 'local',
            binary: (await findNatsServer(options.natsServer)).path,
            directory: resolve(data, 'nats'),
            servers: options.replicas,
          }
        : { type: 'url', urls: natsUrls },
    nodes: Array.from({ length: nodes }, (_, index) => ({
      name: `${prefix}-${index + 1}`,
      port: port === 0 ? 0 : port + index,
    })),
    args: nodeArgs(options),
    env: { ...withoutOptions(process.env), ...authVariables(auth) },
  });
}

/** What all nodes are started with, but for credentials. */
function nodeArgs(options: ClusterCommandOptions): readonly string[] {
  const { host, cluster, replicas, backups, shards, rules, origins, issuer, audience, logLevel } = options;
  const given: Readonly<Record<string, unknown>> = {
    host,
    cluster,
    replicas,
    backups,
    shards,
    rules,
    origins: origins?.join(','),
    issuer,
    audience,
    'log-level': logLevel,
  };
  return Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]));
}

type Auth = Awaited<ReturnType<typeof serveAuth>>['auth'];

function authVariables(auth: Auth): NodeJS.ProcessEnv {
  if (auth === 'none') return { TOPGUN_NO_AUTH: '1' };
  if (auth.jwksUrl !== undefined) return { TOPGUN_JWKS: auth.jwksUrl };
  return { TOPGUN_JWT_SECRET: auth.secret };
}

/** Options of the cluster that are meant for it, and not for each of its nodes. */
function withoutOptions(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TOPGUN_')));
}

function checkedNats(text: string): string {
  natsServers(text);
  return text;
}
