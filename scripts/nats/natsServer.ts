import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fetchFromDebian } from './fetchFromDebian.js';
import { runProgram } from './runProgram.js';

/** The oldest nats-server that will do: it flushes on demand, and its streams survive crashes. */
export const NATS_SERVER_VERSION = '2.10.27';

const CACHE = fileURLToPath(new URL('../../.cache/nats-server', import.meta.url));
/** Debian installs it there, which is on the PATH of root alone. */
const SYSTEM_FOLDERS = ['/usr/sbin'];
const VERSION_MS = 20_000;

/** Where to look for a nats-server; by default this process's environment and the cache of this repository. */
export interface Surroundings {
  readonly env?: NodeJS.ProcessEnv;
  readonly cache?: string;
  /** Folders to look in after those of the PATH. */
  readonly alsoIn?: readonly string[];
}

/**
 * The path of a nats-server that is new enough: `TOPGUN_NATS_SERVER`, else the one on the PATH, else the one fetched
 * before; undefined when there is none.
 * @throws when `TOPGUN_NATS_SERVER` names something that will not do
 */
export async function findNatsServer({
  env = process.env,
  cache = CACHE,
  alsoIn = SYSTEM_FOLDERS,
}: Surroundings = {}): Promise<string | undefined> {
  const chosen = env.TOPGUN_NATS_SERVER;
  if (chosen !== undefined && chosen !== '') {
    const version = await versionOf(chosen);
    if (version !== undefined && isNewEnough(version)) return chosen;
    const found = version === undefined ? 'no nats-server that runs here' : `nats-server ${version}`;
    throw new Error(`TOPGUN_NATS_SERVER=${chosen} is ${found}; it has to be ${NATS_SERVER_VERSION} or newer`);
  }
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const candidates = [...folders, ...alsoIn].map((folder) => join(folder, 'nats-server'));
  for (const path of [...new Set(candidates), cachedPath(cache)]) {
    const version = await versionOf(path);
    if (version !== undefined && isNewEnough(version)) return path;
  }
  return undefined;
}

/**
 * As `findNatsServer`, but where there is none, it is fetched from Debian 13 into the cache. May be called by several
 * processes at once.
 * @throws an error that says what to do, when none is to be had
 */
export async function ensureNatsServer(surroundings: Surroundings = {}): Promise<string> {
  const found = await findNatsServer(surroundings);
  if (found !== undefined) return found;
  const { env = process.env, cache = CACHE } = surroundings;
  const path = cachedPath(cache);
  try {
    await fetchFromDebian(path, env);
  } catch (error) {
    throw new Error(howToGetOne(error instanceof Error ? error.message : String(error)), { cause: error });
  }
  const version = await versionOf(path);
  if (version === undefined || !isNewEnough(version))
    throw new Error(howToGetOne('the one of Debian 13 does not run here'));
  return path;
}

/** What to tell whoever needs a nats-server that is not there. */
export function howToGetOne(reason: string): string {
  return (
    `There is no nats-server ${NATS_SERVER_VERSION} or newer (${reason}). Install one so that it is on the PATH ` +
    '(https://nats.io/download), or name one in TOPGUN_NATS_SERVER; on Debian, `npm run nats-server` fetches it.'
  );
}

function cachedPath(cache: string): string {
  return join(cache, NATS_SERVER_VERSION, 'nats-server');
}

/** undefined when nothing runs at `path` that says its version as nats-server does. */
async function versionOf(path: string): Promise<string | undefined> {
  const { stdout } = await runProgram(path, ['--version'], VERSION_MS);
  return /^nats-server: v?(\d+\.\d+\.\d+)/m.exec(stdout)?.[1];
}

function isNewEnough(version: string): boolean {
  return version.localeCompare(NATS_SERVER_VERSION, 'en', { numeric: true }) >= 0;
}
