import type { Command } from 'commander';
import type { AuthChoice } from '../serve/serveAuth.js';
import { chooseOne } from './chooseOne.js';
import { envOption } from './envOption.js';
import { commaList, filled } from './parse.js';

/** Who may connect to a node, and what for. */
export interface AuthOptions {
  readonly jwtSecret?: string;
  readonly jwks?: string;
  /** False with --no-auth. */
  readonly auth: boolean;
  readonly issuer?: string;
  readonly audience?: string;
  readonly rules?: string;
  readonly origins?: readonly string[];
}

export function addAuthOptions(command: Command): Command {
  return command
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
    );
}

/** @throws CliError when two ways were chosen */
export function authChoice({ jwtSecret, jwks }: AuthOptions, command: Command): AuthChoice {
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
