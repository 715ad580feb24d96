import { isAbsolute, relative } from 'node:path';
import { TopGunError } from '@topgunbuild/core';
import type { ServerOptions, TopGunNode } from '@topgunbuild/server';
import { Command, Option } from 'commander';
import { messageOf, runtimeError, usageError } from '../CliError.js';
import { chooseOne } from '../options/chooseOne.js';
import { envOption } from '../options/envOption.js';
import { commaList, filled, wholeNumber } from '../options/parse.js';
import { hints } from '../serve/hints.js';
import { LOG_LEVELS, type LogLevel } from '../serve/LogLevel.js';
import { readRules } from '../serve/readRules.js';
import { StopSignals } from '../serve/StopSignals.js';
import { type AuthChoice, serveAuth } from '../serve/serveAuth.js';

interface ServeOptions {
  readonly port: number;
  readonly host: string;
  readonly data: string;
  readonly memory?: true;
  readonly nodeId?: string;
  readonly advertise?: string;
  readonly jwtSecret?: string;
  readonly jwks?: string;
  /** False with --no-auth. */
  readonly auth: boolean;
  readonly issuer?: string;
  readonly audience?: string;
  readonly rules?: string;
  readonly origins?: readonly string[];
  readonly logLevel: LogLevel;
  readonly hints?: true;
}

/** What `createServer` says of options, credentials and rules that are wrong. */
const WRONG_OPTION: ReadonlySet<string> = new Set(['INVALID_VALUE', 'INVALID_QUERY']);

const EXAMPLES = `
Prints one line on stdout when it serves: topgun ready url=ws://... node=ID backbone=...
SIGTERM or SIGINT stops it: clients are told, what is under way is answered. A second signal stops it at once.

Without --jwt-secret, --jwks and --no-auth, a node that only this machine can reach makes up a secret. It is kept in the
data directory, where \`topgun token --data DIR\` finds it; with --memory it lasts as long as the process, which then
prints a token on stderr. On any other host the node does not start.

Examples:
  topgun serve                                           embedded store in ./topgun-data
  topgun serve --memory --no-auth --port 0               for tests: keeps nothing, any free port
  topgun serve --host 0.0.0.0 --jwt-secret "$SECRET" --rules rules.json --advertise wss://data.example
  TOPGUN_PORT=9000 TOPGUN_JWKS=https://id.example/jwks.json topgun serve`;

export function serveCommand(): Command {
  return new Command('serve')
    .description('run one node')
    .addOption(envOption('--port <n>', 'port to listen on; 0 = any').argParser(wholeNumber(0, 65_535)).default(8080))
    .addOption(envOption('--host <address>', 'address to listen on').argParser(filled).default('127.0.0.1'))
    .addOption(envOption('--data <dir>', 'directory of the embedded store').argParser(filled).default('./topgun-data'))
    .addOption(envOption('--memory', 'keep nothing on disk'))
    .addOption(envOption('--node-id <id>', 'name of the node (default: a new one at each start)').argParser(filled))
    .addOption(envOption('--advertise <url>', 'ws:// or wss:// URL under which clients reach the node'))
    .addOption(envOption('--jwt-secret <secret>', 'secret of HS256 tokens, at least 32 bytes'))
    .addOption(envOption('--jwks <url>', 'where the issuer of tokens publishes its keys'))
    .addOption(envOption('--no-auth', 'let everybody in'))
    .addOption(envOption('--issuer <name>', 'the iss that every token must carry').argParser(filled))
    .addOption(envOption('--audience <name>', 'the aud that every token must name').argParser(filled))
    .addOption(
      envOption('--rules <file>', 'JSON list of permission rules; without it, whoever is let in may do everything'),
    )
    .addOption(
      envOption('--origins <list>', 'origins of the pages that may connect (default: all)').argParser(commaList),
    )
    .addOption(envOption('--log-level <level>', 'what to log on stderr').choices(LOG_LEVELS).default('info'))
    .addOption(new Option('--hints', 'say on stderr how to talk to the node').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(serve);
}

async function serve(options: ServeOptions, command: Command): Promise<void> {
  const signals = new StopSignals();
  const directory = directoryOf(options, command);
  const { auth, notices } = await serveAuth(authChoice(options, command), { ...options, directory });
  const node = await makeNode(options, auth, directory);
  // Until it serves there is nothing that a sudden end could harm.
  signals.onFirst((signal) => process.exit(exitCodeOf(signal)));
  await start(node);
  const stopping = new Promise<NodeJS.Signals>((resolve) => signals.onFirst(resolve));
  signals.onSecond((signal) => process.exit(exitCodeOf(signal)));
  process.stdout.write(
    `topgun ready url=${node.url} node=${node.nodeId} backbone=${directory === null ? 'memory' : 'embedded'}\n`,
  );
  for (const notice of notices) console.error(`topgun: ${notice}`);
  if (options.hints === true)
    console.error(hints(node.url, directory === null ? null : shown(directory), auth === 'none'));
  await stopping;
  await node.stop({ graceful: true });
  signals.close();
}

/** Null: nothing is kept. */
function directoryOf(options: ServeOptions, command: Command): string | null {
  return chooseOne(command, { memory: '--memory', data: '--data' }) === 'memory' ? null : options.data;
}

function authChoice({ jwtSecret, jwks }: ServeOptions, command: Command): AuthChoice {
  switch (chooseOne(command, { jwtSecret: '--jwt-secret', jwks: '--jwks', auth: '--no-auth' })) {
    case 'jwtSecret':
      return { type: 'secret', secret: jwtSecret ?? '' };
    case 'jwks':
      return { type: 'jwks', url: jwks ?? '' };
    case 'auth':
      return { type: 'none' };
    case null:
      return { type: 'unsaid' };
  }
}

async function makeNode(
  options: ServeOptions,
  auth: ServerOptions['auth'],
  directory: string | null,
): Promise<TopGunNode> {
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
      backbone: directory === null ? { type: 'memory' } : { type: 'embedded', path: directory },
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

/** As a shell tells it of a process that a signal ended. */
function exitCodeOf(signal: NodeJS.Signals): number {
  return signal === 'SIGINT' ? 130 : 143;
}

function shown(directory: string): string {
  const path = relative('.', directory);
  return isAbsolute(directory) && path.startsWith('..') ? directory : `./${path}`;
}
