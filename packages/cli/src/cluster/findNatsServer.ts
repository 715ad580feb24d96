import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runtimeError } from '../CliError.js';

export interface NatsBinary {
  readonly path: string;
  readonly version: string;
}

/** The oldest that will do: it flushes each write when told to, and does not lose streams in crashes. */
const OLDEST = '2.10.27';
const HOW_TO_GET_ONE =
  `Install nats-server ${OLDEST} or newer (https://nats.io/download), name it by --nats-server PATH, or give --nats URL ` +
  "of one that runs; in TopGun's repository `npm run nats-server` fetches one";

/** Where `npm run nats-server` leaves one, when this package is in the repository. */
const FETCHED = fileURLToPath(new URL(`../../../../.cache/nats-server/${OLDEST}/nats-server`, import.meta.url));
const VERSION_MS = 20_000;

/**
 * The nats-server at `chosen`, else one of the PATH that is new enough, else the one that was fetched for the repository.
 * @throws CliError that says how to get one
 */
export async function findNatsServer(chosen: string | undefined): Promise<NatsBinary> {
  if (chosen !== undefined) {
    const version = await versionOf(chosen);
    if (version !== null && isNewEnough(version)) return { path: chosen, version };
    const found = version === null ? 'is no nats-server that runs here' : `is nats-server ${version}, which is too old`;
    throw runtimeError(`${chosen} ${found}. ${HOW_TO_GET_ONE}`);
  }
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  let tooOld = '';
  // Debian puts it into /usr/sbin, which is not on the PATH of users.
  for (const path of [...[...folders, '/usr/sbin'].map((folder) => join(folder, 'nats-server')), FETCHED]) {
    const version = await versionOf(path);
    if (version !== null && isNewEnough(version)) return { path, version };
    if (version !== null) tooOld = ` (${path} is ${version}, which is too old)`;
  }
  throw runtimeError(`no nats-server found${tooOld}. ${HOW_TO_GET_ONE}`);
}

export function isNewEnough(version: string): boolean {
  return version.localeCompare(OLDEST, 'en', { numeric: true }) >= 0;
}

/** Null when nothing runs at `path` that tells its version as nats-server does. */
function versionOf(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    execFile(path, ['--version'], { timeout: VERSION_MS }, (_error, stdout) => {
      resolve(/^nats-server: v?(\d+\.\d+\.\d+)/m.exec(stdout)?.[1] ?? null);
    });
  });
}
