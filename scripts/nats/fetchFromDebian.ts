import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { atSuite, type DebianArchive, readListFile, readSourcesFile } from './debianSources.js';
import { runProgram } from './runProgram.js';

/** Debian 13, whose nats-server is the oldest that will do; it runs on Debian 12 too. */
const SUITE = 'trixie';
const PACKAGE = 'nats-server';

/**
 * The SHA-256 of nats-server_2.10.27-1+b2 by architecture, on top of apt's own signatures, which alone vouch for the
 * architectures that are not listed. When Debian replaces the package in a point release, put the new ones here.
 */
const PINNED: Readonly<Record<string, string>> = {
  amd64: '6d913ac987b78734c08537c2adeb1526cf735f216173a9170d94b185fcfe6f8a',
  arm64: '0c9a617510b28c1b4fb4a38aabea6ab8cd7f026247f2abdff8b955b2278ce049',
};

const QUICK_MS = 20_000;
const DOWNLOAD_MS = 180_000;
const ABANDONED_MS = 3_600_000;
const WORK_PREFIX = '.fetch-';

/**
 * Fetches nats-server from Debian 13 with apt lists of its own and puts the binary at `target`, in one step: whoever
 * else does the same at the same time ends with the same file. Needs no rights beyond `target`'s folder, and leaves
 * the machine's own packages, lists and caches alone.
 * @throws an error that says what failed, also when this machine is not of Debian's kind
 */
export async function fetchFromDebian(target: string, env: NodeJS.ProcessEnv): Promise<void> {
  const architecture = await nativeArchitecture(env);
  const archives = await machinesArchives(env);
  if (archives.length === 0) throw new Error('no archive of Debian is among the sources of apt');

  const cache = dirname(dirname(target));
  mkdirSync(cache, { recursive: true });
  removeAbandoned(cache);
  const work = mkdtempSync(join(cache, WORK_PREFIX));
  try {
    const deb = await download(work, atSuite(archives, SUITE, architecture), env);
    verify(deb, architecture);
    const unpacked = join(work, 'unpacked');
    await must('dpkg-deb', ['-x', deb, unpacked], env);
    mkdirSync(dirname(target), { recursive: true });
    renameSync(join(unpacked, 'usr/sbin/nats-server'), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function nativeArchitecture(env: NodeJS.ProcessEnv): Promise<string> {
  const { ok, stdout } = await runProgram('dpkg', ['--print-architecture'], QUICK_MS, { env });
  if (!ok) throw new Error('this machine has no dpkg, so no package of Debian can be unpacked here');
  return stdout.trim();
}

/** The archives of Debian that the machine's apt is set up with, mirrors included. */
async function machinesArchives(env: NodeJS.ProcessEnv): Promise<DebianArchive[]> {
  const query = ['shell', 'FILE', 'Dir::Etc::sourcelist/f', 'FOLDER', 'Dir::Etc::sourceparts/d'];
  const answer = await must('apt-config', query, env);
  const path = (name: string): string => new RegExp(`^${name}='(.*)'$`, 'm').exec(answer)?.[1] ?? '';
  const folder = path('FOLDER');
  const parts = unlessMissing(() => readdirSync(folder), []).sort();
  return [path('FILE'), ...parts.map((part) => join(folder, part))].flatMap((file) => {
    if (file.endsWith('.list')) return readListFile(unlessMissing(() => readFileSync(file, 'utf8'), ''));
    if (file.endsWith('.sources')) return readSourcesFile(unlessMissing(() => readFileSync(file, 'utf8'), ''));
    return [];
  });
}

/** @returns the path of the .deb */
async function download(work: string, sources: string, env: NodeJS.ProcessEnv): Promise<string> {
  const config = join(work, 'apt.conf');
  for (const folder of ['sources', 'lists/partial', 'cache/archives/partial', 'deb']) {
    mkdirSync(join(work, folder), { recursive: true });
  }
  writeFileSync(join(work, 'sources/debian.sources'), sources);
  writeFileSync(join(work, 'status'), '');
  writeFileSync(config, aptConfig(work));

  const folder = join(work, 'deb');
  const options = { cwd: folder, env: { ...env, LC_ALL: 'C' } };
  // One of several archives may be out of reach while another has the package: the download alone decides.
  const update = await runProgram('apt-get', ['-q', '-c', config, 'update'], DOWNLOAD_MS, options);
  const fetched = await runProgram('apt-get', ['-q', '-c', config, 'download', PACKAGE], DOWNLOAD_MS, options);
  const [deb] = readdirSync(folder).filter((name) => name.endsWith('.deb'));
  if (!fetched.ok || deb === undefined) throw new Error(`apt-get: ${update.complaint}\n${fetched.complaint}`.trim());
  return join(folder, deb);
}

/**
 * Read after the machine's own configuration, of which proxies, credentials and keys stay in force. Hooks are dropped,
 * as they would tidy the machine's caches. apt's download user could not read folders that only this user may enter.
 */
function aptConfig(work: string): string {
  return `
Dir::State "${work}";
Dir::State::lists "${work}/lists";
Dir::State::status "${work}/status";
Dir::Cache "${work}/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "${work}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Default-Release "";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
`;
}

function verify(deb: string, architecture: string): void {
  const expected = PINNED[architecture];
  const found = createHash('sha256').update(readFileSync(deb)).digest('hex');
  if (expected === undefined || found === expected) return;
  throw new Error(
    `${deb.slice(dirname(deb).length + 1)} has the SHA-256 ${found} instead of ${expected}. If Debian has a new build, ` +
      'pin it in scripts/nats/fetchFromDebian.ts',
  );
}

/** What a fetch left that was killed before its end. */
function removeAbandoned(cache: string): void {
  for (const name of readdirSync(cache).filter((entry) => entry.startsWith(WORK_PREFIX))) {
    const path = join(cache, name);
    const age = Date.now() - unlessMissing(() => statSync(path).mtimeMs, Date.now());
    if (age > ABANDONED_MS) rmSync(path, { recursive: true, force: true });
  }
}

async function must(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const { ok, stdout, complaint } = await runProgram(program, args, QUICK_MS, { env });
  if (!ok) throw new Error(`${program}: ${complaint}`);
  return stdout;
}

function unlessMissing<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR') return otherwise;
    throw error;
  }
}
