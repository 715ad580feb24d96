import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../../scripts/nats/runProgram.js';

/** A redis-server to run, and the variables it needs to find its libraries. */
export interface RedisProgram {
  readonly path: string;
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Debian's, and the libraries it needs that a machine without Redis may not have. */
const PACKAGES = ['redis-server', 'redis-tools', 'libjemalloc2', 'liblzf1'];
const CACHE = fileURLToPath(new URL('../../.cache/redis-server', import.meta.url));
const DOWNLOAD_MS = 120_000;
const QUICK_MS = 20_000;

/**
 * `TOPGUN_REDIS_SERVER`, else the redis-server on the PATH, else Debian's, unpacked into the cache of this repository;
 * nothing is installed. null where there is none and none is to be had, with the reason on the console.
 */
export async function ensureRedisServer(): Promise<RedisProgram | null> {
  const chosen = process.env.TOPGUN_REDIS_SERVER;
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const candidates = chosen ? [chosen] : folders.map((folder) => join(folder, 'redis-server')).filter(existsSync);
  for (const path of candidates) {
    const found = await programAt(path, process.env);
    if (found !== null) return found;
  }
  let reason = `TOPGUN_REDIS_SERVER=${chosen} does not run`;
  if (!chosen) {
    try {
      return (await unpacked()) ?? (await unpackFromDebian());
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  console.warn(`There is no redis-server to compare with, so its figures are left out: ${reason}`);
  return null;
}

async function programAt(path: string, env: NodeJS.ProcessEnv): Promise<RedisProgram | null> {
  const { stdout } = await runProgram(path, ['--version'], QUICK_MS, { env });
  const version = /Redis server v=(\S+)/.exec(stdout)?.[1];
  return version === undefined ? null : { path, version, env };
}

async function unpacked(): Promise<RedisProgram | null> {
  const libraries = join(CACHE, 'usr/lib');
  if (!existsSync(libraries)) return null;
  const folders = readdirSync(libraries).map((architecture) => join(libraries, architecture));
  const LD_LIBRARY_PATH = [...folders, process.env.LD_LIBRARY_PATH ?? []].flat().join(delimiter);
  return await programAt(join(CACHE, 'usr/bin/redis-server'), { ...process.env, LD_LIBRARY_PATH });
}

/** With apt lists of its own: the machine's packages and lists stay as they are. */
async function unpackFromDebian(): Promise<RedisProgram> {
  mkdirSync(join(CACHE, '..'), { recursive: true });
  const work = mkdtempSync(`${CACHE}-`);
  try {
    const root = join(work, 'root');
    const debs = join(work, 'debs');
    for (const path of [root, debs, join(work, 'lists/partial'), join(work, 'cache/archives/partial')]) {
      mkdirSync(path, { recursive: true });
    }
    const settings = [`Dir::State::lists=${work}/lists`, `Dir::Cache=${work}/cache`, 'APT::Sandbox::User=root'];
    const options = settings.flatMap((setting) => ['-o', setting]);
    await must('apt-get', ['-q', ...options, 'update'], debs);
    await must('apt-get', ['-q', ...options, 'download', ...PACKAGES], debs);
    for (const deb of readdirSync(debs)) await must('dpkg-deb', ['-x', join(debs, deb), root], debs);
    rmSync(CACHE, { recursive: true, force: true });
    renameSync(root, CACHE);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const program = await unpacked();
  if (program === null) throw new Error('the one of Debian does not run here');
  return program;
}

async function must(program: string, args: readonly string[], cwd: string): Promise<void> {
  const { ok, complaint } = await runProgram(program, args, DOWNLOAD_MS, { cwd });
  if (!ok) throw new Error(`${program}: ${complaint}`);
}
