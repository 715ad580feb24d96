import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { messageOf, runtimeError } from '../CliError.js';

const FILE = 'jwt-secret';
const MIN_LENGTH = 32;

/** Where the secret of the node in `directory` is kept. */
export function secretFile(directory: string): string {
  return join(directory, FILE);
}

export function makeSecret(): string {
  return randomBytes(32).toString('base64url');
}

export interface KeptSecret {
  readonly secret: string;
  readonly file: string;
  /** Made just now. */
  readonly isNew: boolean;
  /** Others than the owner may read it. */
  readonly isExposed: boolean;
}

/** The secret kept in `directory`, made if there is none. @throws CliError when the directory cannot be used */
export function keepSecret(directory: string): KeptSecret {
  const file = secretFile(directory);
  try {
    mkdirSync(directory, { recursive: true });
    const isNew = createFile(file, `${makeSecret()}\n`);
    return { secret: readSecret(directory), file, isNew, isExposed: (statSync(file).mode & 0o077) !== 0 };
  } catch (error) {
    throw runtimeError(`cannot keep a secret in ${directory}: ${messageOf(error)}`, error);
  }
}

/** @throws CliError when there is none, or none that can be read */
export function readSecret(directory: string): string {
  const file = secretFile(directory);
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw runtimeError(
      `no secret in ${file}: start a node with \`topgun serve --data ${directory}\`, or give --secret (${messageOf(error)})`,
      error,
    );
  }
  if (text.length < MIN_LENGTH) throw runtimeError(`${file} holds no secret of at least ${MIN_LENGTH} characters`);
  return text;
}

/** Writes `content` to a new file for the owner's eyes only, whole or not at all. False: there is one already. */
function createFile(file: string, content: string): boolean {
  const draft = `${file}.${process.pid}`;
  rmSync(draft, { force: true });
  const descriptor = openSync(draft, 'wx', 0o600);
  try {
    writeSync(descriptor, content);
    fsyncSync(descriptor);
    // A link appears complete and never replaces: of two nodes that start at once, one gives the secret.
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    closeSync(descriptor);
    rmSync(draft, { force: true });
  }
}
