import type { ServerOptions } from '@topgunbuild/server';
import { usageError } from '../CliError.js';
import { mintToken } from '../token/mintToken.js';
import { isLoopback } from './isLoopback.js';
import { keepSecret, makeSecret } from './jwtSecret.js';

export type AuthChoice =
  | { readonly type: 'none' }
  | { readonly type: 'secret'; readonly secret: string }
  | { readonly type: 'jwks'; readonly url: string }
  /** Nothing was said: a secret is made up where that is safe. */
  | { readonly type: 'unsaid' };

export interface ServeAuth {
  readonly auth: ServerOptions['auth'];
  /** What the operator should know, one line each. */
  readonly notices: readonly string[];
}

/** Where a made-up secret can live. Nowhere: this process could not tell it to the others that need it. */
export type SecretPlace = 'directory' | 'process' | 'nowhere';

export interface ServeAuthOptions {
  readonly host: string;
  readonly secretIn: SecretPlace;
  readonly directory: string;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
}

const TOKEN_MS = 24 * 3_600_000;

/** @throws CliError usage where made-up credentials would be unsafe, runtime when the directory cannot be used */
export async function serveAuth(choice: AuthChoice, options: ServeAuthOptions): Promise<ServeAuth> {
  const { issuer, audience } = options;
  switch (choice.type) {
    case 'none':
      return { auth: 'none', notices: [] };
    case 'secret':
      return { auth: { secret: choice.secret, issuer, audience }, notices: [] };
    case 'jwks':
      return { auth: { jwksUrl: choice.url, issuer, audience }, notices: [] };
    case 'unsaid':
      return await madeUp(options);
  }
}

async function madeUp({ host, secretIn, directory, issuer, audience }: ServeAuthOptions): Promise<ServeAuth> {
  if (secretIn === 'nowhere') {
    throw usageError(
      'nodes of a cluster must take the same tokens: give each of them the same --jwt-secret or --jwks, or --no-auth to ' +
        'let everybody in (`topgun cluster` makes up a secret for all the nodes that it starts)',
    );
  }
  if (!isLoopback(host)) {
    throw usageError(
      `on --host ${host} others can reach this node: give --jwt-secret or --jwks, or --no-auth to let everybody in`,
    );
  }
  if (issuer !== undefined || audience !== undefined) {
    throw usageError('--issuer and --audience need --jwt-secret or --jwks: tokens of a made-up secret carry neither');
  }
  if (secretIn === 'process') {
    const secret = makeSecret();
    const token = await mintToken({ secret, subject: 'dev', roles: [], expiresInMs: TOKEN_MS });
    return {
      auth: { secret },
      notices: [
        'no --jwt-secret: made one up for this process only, as --memory keeps nothing',
        `token for subject dev, good for 24 h: ${token}`,
      ],
    };
  }
  const { secret, file, isNew, isExposed } = keepSecret(directory);
  const notices = [
    `no --jwt-secret: ${isNew ? 'made one up and keep it' : 'using the one'} in ${file}`,
    `mint a token: topgun token --sub me --data ${directory}`,
  ];
  if (isExposed) notices.push(`others can read ${file}: run chmod 600 ${file}`);
  return { auth: { secret }, notices };
}
