import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, runtimeError, usageError } from '../CliError.js';
import { ENTRY } from './entry.js';
import { freePorts } from './freePorts.js';
import { LOG_FILE, NATS_USER, natsConfig } from './natsConfig.js';
import { dropPorts, isHealthy, readPorts, runningServer, type ServerPorts } from './runningServer.js';

export interface LocalNatsOptions {
  readonly binary: string;
  /** Absolute; each server has a folder in it. */
  readonly directory: string;
  readonly servers: 1 | 3;
  /** What the operator should know. */
  say(line: string): void;
}

type State =
  | { readonly name: 'stopped' }
  | {
      readonly name: 'starting' | 'running' | 'stopping';
      readonly guard: ChildProcess;
      readonly closed: Promise<void>;
    };

interface Server {
  readonly directory: string;
  readonly config: string;
  pid: number | null;
  /** How it ended; null while it runs. */
  ended: string | null;
}

const POLL_MS = 25;
/** A cluster that was killed lets go of its directory within this time. */
const FORMER_MS = 25_000;
const START_MS = 120_000;
const GUARD_STOP_MS = 15_000;
/** Of three servers, each must know the others' ports before they listen there: somebody else may be faster. */
const ATTEMPTS = 3;

/** nats-servers for this machine, started and stopped through a guard process that outlives this one as long as needed. */
export class LocalNats {
  readonly #options: LocalNatsOptions;
  readonly #password = randomBytes(18).toString('base64url');
  #servers: readonly Server[] = [];
  #state: State = { name: 'stopped' };

  constructor(options: LocalNatsOptions) {
    this.#options = options;
  }

  /** While something holds this pipe open the servers run, also when this process is gone. */
  get lifeline(): Writable | null {
    return this.#state.name === 'stopped' ? null : this.#state.guard.stdin;
  }

  /** Resolves with the URLs for nodes, credentials included. @throws CliError; what was started is to be stopped */
  async start(signal: AbortSignal): Promise<string> {
    const { directory, servers } = this.#options;
    this.#makeFolders();
    await this.#awaitFormer(signal);
    for (let attempt = 1; ; attempt++) {
      this.#servers = this.#configure(servers === 1 ? [] : await freePorts(servers));
      this.#spawnGuard();
      const problem = await this.#started(signal);
      if (problem === null) break;
      await this.stop();
      if (attempt === ATTEMPTS || !problem.includes('address already in use')) throw runtimeError(problem);
    }
    if (this.#state.name === 'starting') this.#state = { ...this.#state, name: 'running' };
    const ports = this.#servers.map((server) => readPorts(server.directory)).filter((one) => one !== null);
    this.#options.say(`nats-server at ${ports.map((one) => one.url).join(', ')}, its streams in ${directory}`);
    return ports.map((one) => one.url.replace('://', `://${NATS_USER}:${this.#password}@`)).join(',');
  }

  /** Lets the guard stop the servers; resolves when they have ended. */
  async stop(): Promise<void> {
    if (this.#state.name === 'stopped') return;
    const { guard, closed } = this.#state;
    this.#state = { name: 'stopping', guard, closed };
    // Not `end`: that would shut the pipe for all who hold it.
    guard.stdin?.destroy();
    const timer = setTimeout(() => this.kill(), GUARD_STOP_MS);
    await closed;
    clearTimeout(timer);
    // The guard itself may have been killed before.
    for (const server of this.#servers) if (server.ended === null) killQuietly(server.pid, 'SIGTERM');
    this.#state = { name: 'stopped' };
  }

  /** At once. */
  kill(): void {
    if (this.#state.name === 'stopped') return;
    // The guard leads a process group that its servers are in.
    killQuietly(this.#state.guard.pid === undefined ? null : -this.#state.guard.pid, 'SIGKILL');
  }

  #makeFolders(): void {
    const { directory, servers } = this.#options;
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const former = readdirSync(directory).filter((name) => /^\d+$/.test(name)).length;
      if (former !== 0 && former !== servers) {
        throw usageError(`${directory} holds a cluster of --replicas ${former}: that cannot be changed later`);
      }
      for (let n = 1; n <= servers; n++) mkdirSync(join(directory, String(n)), { recursive: true });
    } catch (error) {
      if (error instanceof Error && 'exitCode' in error) throw error;
      throw runtimeError(`cannot keep streams in ${directory}: ${messageOf(error)}`, error);
    }
  }

  /** Nodes of a cluster that was killed are given time to end. */
  async #awaitFormer(signal: AbortSignal): Promise<void> {
    const { directory, servers, say } = this.#options;
    const folders = Array.from({ length: servers }, (_, index) => join(directory, String(index + 1)));
    const deadline = performance.now() + FORMER_MS;
    for (let isFirst = true; ; isFirst = false) {
      const [pid] = (await Promise.all(folders.map(runningServer))).filter((one) => one !== null);
      if (pid === undefined) break;
      if (performance.now() > deadline) throw runtimeError(`${directory} is in use by nats-server, process ${pid}`);
      if (isFirst) say(`${directory} is in use by nats-server, process ${pid}: waiting for it to end`);
      await delay(200, undefined, { signal });
    }
    folders.forEach(dropPorts);
  }

  #configure(routePorts: readonly number[]): readonly Server[] {
    return Array.from({ length: this.#options.servers }, (_, index) => {
      const directory = join(this.#options.directory, String(index + 1));
      const config = join(directory, 'nats-server.conf');
      const ports = [...routePorts.slice(index), ...routePorts.slice(0, index)];
      const text = natsConfig({
        name: `topgun-nats-${index + 1}`,
        directory,
        password: this.#password,
        routePorts: ports,
      });
      writeFileSync(config, text, { mode: 0o600 });
      // The server writes its ports into this folder only if it is there.
      dropPorts(directory);
      mkdirSync(join(directory, 'run'));
      return { directory, config, pid: null, ended: null };
    });
  }

  #spawnGuard(): void {
    const configs = this.#servers.map((server) => server.config);
    const guard = spawn(process.execPath, [ENTRY, 'nats-guard', this.#options.binary, ...configs], {
      // A group of its own: Ctrl-C is for the command, which stops the servers last.
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    guard.stdin?.on('error', () => undefined);
    if (guard.stdout !== null) createInterface({ input: guard.stdout }).on('line', (line) => this.#onLine(line));
    const closed = new Promise<void>((resolve) => {
      guard.once('error', () => resolve());
      guard.once('close', (code, signal) => {
        if (this.#state.name === 'running') this.#guardEnded(signal ?? `exit code ${code}`);
        resolve();
      });
    });
    this.#state = { name: 'starting', guard, closed };
  }

  #onLine(line: string): void {
    const [, what, index, rest = ''] = /^(pid|exit) (\d+) (.*)$/.exec(line) ?? [];
    const server = this.#servers[Number(index)];
    if (server === undefined) return;
    if (what === 'pid') {
      server.pid = Number(rest);
      return;
    }
    server.ended = rest;
    if (this.#state.name !== 'running') return;
    const left = this.#servers.filter((one) => one.ended === null).length;
    const consequence =
      left > this.#servers.length / 2
        ? `${left} of ${this.#servers.length} go on`
        : 'reads go on, writes are kept by the clients until this cluster is started anew';
    this.#options.say(`nats-server ${Number(index) + 1} (process ${server.pid}) ended: ${rest}; ${consequence}`);
  }

  #guardEnded(how: string): void {
    if (this.#servers.every((server) => server.ended !== null)) return;
    this.#options.say(`the process that guards nats-server ended: ${how}; the servers go on`);
  }

  /** Null when all servers take requests; else why one does not. */
  async #started(signal: AbortSignal): Promise<string | null> {
    const deadline = performance.now() + START_MS;
    for (;;) {
      const ended = this.#servers.findIndex((server) => server.ended !== null);
      if (ended >= 0) return this.#whyEnded(ended);
      const ports = this.#servers.map((server) => readPorts(server.directory));
      if (ports.every((one): one is ServerPorts => one !== null)) {
        const healthy = await Promise.all(ports.map(isHealthy));
        if (healthy.every(Boolean)) return null;
      }
      if (performance.now() > deadline)
        return `nats-server is not ready after ${START_MS / 1000} s; see ${this.#logOf(0)}`;
      await delay(POLL_MS, undefined, { signal });
    }
  }

  #whyEnded(index: number): string {
    const log = this.#logOf(index);
    const last = linesOf(log)
      .filter((line) => /\[(FTL|ERR)\]/.test(line))
      .at(-1);
    const why = last?.replace(/^.*\[(FTL|ERR)\]\s*/, '') ?? this.#servers[index]?.ended;
    return `nats-server did not start: ${why} (its log is ${log})`;
  }

  #logOf(index: number): string {
    return join(this.#servers[index]?.directory ?? '', LOG_FILE);
  }
}

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n');
  } catch {
    return [];
  }
}

function killQuietly(pid: number | null, signal: NodeJS.Signals): void {
  if (pid === null) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
