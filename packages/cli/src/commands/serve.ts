import { isAbsolute, relative } from 'node:path';
import { TopGunError } from '@topgunbuild/core';
import type { ServerOptions, TopGunNode } from '@topgunbuild/server';
import { Command, Option } from 'commander';
import { messageOf, runtimeError, usageError } from '../CliError.js';
import { type AuthOptions, addAuthOptions, authChoice } from '../options/authOptions.js';
import { addClusterOptions } from '../options/clusterOptions.js';
import { envOption } from '../options/envOption.js';
import { natsServers } from '../options/natsServers.js';
import { filled, wholeNumber } from '../options/parse.js';
import { hints } from '../serve/hints.js';
import { LOG_LEVELS, type LogLevel } from '../serve/LogLevel.js';
import { readRules } from '../serve/readRules.js';
import { exitCodeOf, StopSignals } from '../serve/StopSignals.js';
import { type SecretPlace, serveAuth } from '../serve/serveAuth.js';
import { backboneOf, type StoreChoice, type StoreOptions, storeChoice } from '../serve/storeChoice.js';

interface ServeOptions extends AuthOptions, StoreOptions {
  readonly port: number;
  readonly host: string;
  readonly nodeId?: string;
  readonly advertise?: string;
  readonly logLevel: LogLevel;
  readonly hints?: true;
  readonly followParent?: true;
}

/** Where a made-up secret can be kept so that it is good for all who need it. */
const SECRET_IN: Readonly<Record<StoreChoice['type'], SecretPlace>> = {
  embedded: 'directory',
  memory: 'process',
  nats: 'nowhere',
};

/** What `createServer` says of options, credentials and rules that are wrong. */
const WRONG_OPTION: ReadonlySet<string> = new Set(['INVALID_VALUE', 'INVALID_QUERY']);

const EXAMPLES = `
Prints one line on stdout when it serves: topgun ready url=ws://... node=ID backbone=...
SIGTERM or SIGINT stops it: clients are told, what is under way is answered. A second signal stops it at once.

Without --jwt-secret, --jwks and --no-auth, a node that only this machine can reach makes up a secret. It is kept in the
data directory, where \`topgun token --data DIR\` finds it; with --memory it lasts as long as the process, which then
prints a token on stderr. On any other host, and in a cluster, the node does not start.

With --nats the node is one of a cluster: nodes with the same NATS and the same --cluster share the data among them.

Examples:
  topgun serve                                           embedded store in ./topgun-data
  topgun serve --memory --no-auth --port 0               for tests: keeps nothing, any free port
  topgun serve --host 0.0.0.0 --jwt-secret "$SECRET" --rules rules.json --advertise wss://data.example
  topgun serve --nats nats://10.0.0.1,nats://10.0.0.2 --replicas 3 --host 0.0.0.0 --jwks https://id.example/jwks.json
  TOPGUN_PORT=9000 TOPGUN_JWKS=https://id.example/jwks.json topgun serve`;

export function serveCommand(): Command {
  const command = new Command('serve')
    .description('run one node')
    .addOption(envOption('--port <n>', 'port to listen on; 0 = any').argParser(wholeNumber(0, 65_535)).default(8080))
    .addOption(envOption('--host <address>', 'address to listen on').argParser(filled).default('127.0.0.1'))
    .addOption(envOption('--data <dir>', 'directory of the embedded store').argParser(filled).default('./topgun-data'))
    .addOption(envOption('--memory', 'keep nothing on disk'))
    .addOption(
      envOption('--nats <urls>', 'be a node of the cluster that keeps its data in this NATS').argParser(natsServers),
    );
  addClusterOptions(command)
    .addOption(envOption('--node-id <id>', 'name of the node (default: a new one at each start)').argParser(filled))
    .addOption(envOption('--advertise <url>', 'ws:// or wss:// URL under which clients reach the node'));
  return addAuthOptions(command)
    .addOption(envOption('--log-level <level>', 'what to log on stderr').choices(LOG_LEVELS).default('info'))
    .addOption(new Option('--hints', 'say on stderr how to talk to the node').hideHelp())
    .addOption(new Option('--follow-parent', 'stop when the process that started this one is gone').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(serve);
}

async function serve(options: ServeOptions, command: Command): Promise<void> {
  const signals = new StopSignals({ followsParent: options.followParent === true });
  try {
    await serveUntil(signals, options, command);
  } finally {
    signals.close();
  }
}

async function serveUntil(signals: StopSignals, options: ServeOptions, command: Command): Promise<void> {
  // Until it serves there is nothing that a sudden end could harm.
  signals.onFirst((signal) => process.exit(exitCodeOf(signal)));
  const store = storeChoice(options, command);
  const { auth, notices } = await serveAuth(authChoice(options, command), {
    ...options,
    secretIn: SECRET_IN[store.type],
    directory: options.data,
  });
  const node = await makeNode(options, auth, store);
  await start(node);
  const stopping = new Promise<NodeJS.Signals>((resolve) => signals.onFirst(resolve));
  signals.onSecond((signal) => process.exit(exitCodeOf(signal)));
  process.stdout.write(`topgun ready url=${node.url} node=${node.nodeId} backbone=${store.type}\n`);
  for (const notice of notices) console.error(`topgun: ${notice}`);
  if (options.hints === true) {
    console.error(hints(node.url, store.type === 'embedded' ? shown(store.path) : null, auth === 'none'));
  }
  const failure = await Promise.race([stopping.then(() => null), node.failed]);
  await node.stop({ graceful: true });
  if (failure !== null) throw runtimeError(failure.message, failure);
}

async function makeNode(options: ServeOptions, auth: ServerOptions['auth'], store: StoreChoice): Promise<TopGunNode> {
  const { port, host, nodeId, advertise, origins, rules, logLevel } = options;
  // Loaded when it is needed: the other commands, and mistakes, should not wait for a server.
  const { createServer } = await import('@topgunbuild/server');
  const { createLogger } = await import('../serve/createLogger.js');
  try {
    return createServer({
      port,
      host,
      nodeId,
      advertise,
      origins,
      auth,
      backbone: backboneOf(store),
      permissions: rules === undefined ? undefined : readRules(rules),
      logger: createLogger(logLevel, process.stderr.isTTY),
    });
  } catch (error) {
    if (error instanceof TopGunError && WRONG_OPTION.has(error.code)) throw usageError(error.message, error);
    throw error;
  }
}

async function start(node: TopGunNode): Promise<void> {
  try {
    await node.start();
  } catch (error) {
    throw runtimeError(messageOf(error), error);
  }
}

function shown(directory: string): string {
  const path = relative('.', directory);
  return isAbsolute(directory) && path.startsWith('..') ? directory : `./${path}`;
}
