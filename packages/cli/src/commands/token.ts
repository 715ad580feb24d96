import { Command } from 'commander';
import { usageError } from '../CliError.js';
import { chooseOne } from '../options/chooseOne.js';
import { envOption } from '../options/envOption.js';
import { commaList, duration, filled } from '../options/parse.js';
import { readSecret } from '../serve/jwtSecret.js';
import { mintToken } from '../token/mintToken.js';

interface TokenOptions {
  readonly sub: string;
  readonly roles?: readonly string[];
  readonly secret?: string;
  readonly data: string;
  readonly expires: number;
}

const MIN_SECRET_BYTES = 32;
const MAX_SUBJECT_LENGTH = 256;

const EXAMPLES = `
Examples:
  topgun token --sub ann                                 with the secret in ./topgun-data
  topgun token --sub ann --roles admin,editor --expires 7d
  topgun token --sub ann --secret "$SECRET"              with serve's --jwt-secret; TOPGUN_JWT_SECRET works too`;

export function tokenCommand(): Command {
  return new Command('token')
    .description('print a JSON Web Token for clients of a node')
    .addOption(envOption('--sub <id>', 'who the token speaks for').argParser(filled).makeOptionMandatory())
    .addOption(envOption('--roles <list>', 'roles for permission rules, such as admin,editor').argParser(commaList))
    .addOption(envOption('--secret <secret>', 'the --jwt-secret of the node'))
    .addOption(
      envOption('--data <dir>', 'the data directory of a node that made up its secret').default('./topgun-data'),
    )
    .addOption(
      envOption('--expires <time>', 'how long it is good for: 90s, 30m, 1h, 7d')
        .argParser(duration)
        .default(3_600_000, '1h'),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (options: TokenOptions, command: Command) => {
      if (options.sub.length > MAX_SUBJECT_LENGTH)
        throw usageError(`--sub has more than ${MAX_SUBJECT_LENGTH} characters`);
      const secret = secretOf(options, command);
      const { sub: subject, roles = [], expires: expiresInMs } = options;
      console.log(await mintToken({ secret, subject, roles, expiresInMs }));
    });
}

function secretOf({ secret, data }: TokenOptions, command: Command): string {
  const chosen = chooseOne(command, { secret: '--secret', data: '--data' });
  const given = chosen === 'secret' ? secret : chosen === null ? process.env.TOPGUN_JWT_SECRET : undefined;
  if (given === undefined) return readSecret(data);
  if (Buffer.byteLength(given) < MIN_SECRET_BYTES) {
    throw usageError(`the secret has ${Buffer.byteLength(given)} bytes; nodes take at least ${MIN_SECRET_BYTES}`);
  }
  return given;
}
