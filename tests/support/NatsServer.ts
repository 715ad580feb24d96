import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { findNatsServer, howToGetOne } from '../../scripts/nats/natsServer.js';
import { withFreePorts } from './withFreePorts.js';

export interface NatsServerOptions {
  /** Where streams, configuration and log are kept; by default a folder of its own that `stop` removes. */
  readonly dir?: string;
  /** For clients; by default a free one. */
  readonly port?: number;
  /** Flush every append before it is acknowledged; by default the system flushes when it likes. */
  readonly syncAlways?: boolean;
  /** How often what was appended is flushed, as `1s`; by default every two minutes. */
  readonly syncInterval?: string;
  /** For HTTP monitoring; by default a free one. */
  readonly monitorPort?: number;
  /** Room for all streams; by default more than tests fill. */
  readonly maxFileStoreBytes?: number;
  readonly cluster?: NatsClusterMember;
}

/** A server of a cluster; all of them have to be named before the first starts. */
export interface NatsClusterMember {
  readonly serverName: string;
  /** For the other members. */
  readonly port: number;
  /** The ports of all members. */
  readonly ports: readonly number[];
}

interface Ports {
  readonly client: number;
  readonly monitor: number;
}

type Signal = 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT';

const HOST = '127.0.0.1';
const START_MS = 15_000;
const ANSWER_MS = 1_000;
const POLL_MS = 20;
const LOGGED_LINES = 40;
const MEBIBYTE = 2 ** 20;

/**
 * A nats-server process with JetStream on this machine. It dies with the process that started it; whoever starts it
 * stops it all the same, so that its folder goes too.
 */
export class NatsServer {
  /** The folder of its streams, `nats.conf` and `nats.log`. */
  readonly dir: string;
  /** Its name among the servers of a cluster, as in a stream's placement. */
  readonly name: string;
  readonly #binary: string;
  readonly #ports: Ports;
  readonly #ownsDir: boolean;
  #process: ChildProcess;

  private constructor(binary: string, name: string, dir: string, ownsDir: boolean, ports: Ports) {
    this.dir = dir;
    this.name = name;
    this.#binary = binary;
    this.#ownsDir = ownsDir;
    this.#ports = ports;
    this.#process = this.#spawn();
  }

  /**
   * Resolves when JetStream is there; the members of a cluster find each other later (`healthy`).
   * @throws when there is no nats-server, or it does not come up in time: with what it logged
   */
  static async start(options: NatsServerOptions = {}): Promise<NatsServer> {
    const binary = await findNatsServer();
    if (binary === undefined) throw new Error(howToGetOne('nor has one been fetched'));
    return await withFreePorts(2, async ([client = 0, monitor = 0]) => {
      const ports = { client: options.port ?? client, monitor: options.monitorPort ?? monitor };
      const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'topgun-nats-'));
      const name = options.cluster?.serverName ?? 'nats';
      mkdirSync(dir, { recursive: true });
      writeFileSync(join(dir, 'nats.conf'), configuration(name, dir, ports, options));
      const server = new NatsServer(binary, name, dir, options.dir === undefined, ports);
      try {
        await server.#answers('js-enabled-only=true');
        return server;
      } catch (error) {
        await server.stop();
        throw error;
      }
    });
  }

  /** Of its clients: `nats://127.0.0.1:port`. */
  get url(): string {
    return `nats://${HOST}:${this.#ports.client}`;
  }

  get port(): number {
    return this.#ports.client;
  }

  /** Of its HTTP monitoring: `/varz`, `/jsz`, `/healthz`. */
  get monitorUrl(): string {
    return `http://${HOST}:${this.#ports.monitor}`;
  }

  /** Of the running process, or of the last one. */
  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** Neither killed nor ended by itself; a stopped one (SIGSTOP) runs. */
  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null && this.#process.pid !== undefined;
  }

  /** What all its processes have logged. */
  log(): string {
    try {
      return readFileSync(join(this.dir, 'nats.log'), 'utf8');
    } catch {
      return '';
    }
  }

  #lastWords(): string {
    const lines = this.log().split('\n');
    return lines
      .filter((line) => !line.includes('Healthcheck failed'))
      .slice(-LOGGED_LINES)
      .join('\n');
  }

  /** Sends a signal; after SIGTERM and SIGKILL the end of the process is awaited. */
  async kill(signal: Signal = 'SIGKILL'): Promise<void> {
    if (!this.running) return;
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') {
      this.#process.kill(signal);
      return;
    }
    const exit = once(this.#process, 'exit');
    this.#process.kill(signal);
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), START_MS);
    await exit;
    clearTimeout(timer);
  }

  /** Starts it again with the same ports and folder, after an orderly end if it still runs. Resolves as `start` does. */
  async restart(): Promise<void> {
    await this.kill('SIGTERM');
    this.#process = this.#spawn();
    await this.#answers('js-enabled-only=true');
  }

  /**
   * Resolves when its streams are restored and, in a cluster, a leader is known. One that was away may still have to
   * hear what the others did meanwhile.
   */
  async healthy(withinMs = START_MS): Promise<void> {
    await this.#answers('', withinMs);
  }

  /** Ends it for good, and removes the folder if it is its own. */
  async stop(): Promise<void> {
    await this.kill();
    if (this.#ownsDir) rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  #spawn(): ChildProcess {
    const [program = '', ...args] = [...dyingWithParent(), this.#binary, '--config', join(this.dir, 'nats.conf')];
    const child = spawn(program, args, { stdio: 'ignore' });
    // What could not be started has no pid, which says it.
    child.on('error', () => undefined);
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    return child;
  }

  /** Another server may have taken the port before this one, which is about to end because of that. */
  async #isAtMonitorPort(): Promise<boolean> {
    const response = await fetch(`${this.monitorUrl}/varz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const { port } = (await response.json()) as { port?: unknown };
    return port === this.port;
  }

  async #answers(query: string, withinMs = START_MS): Promise<void> {
    const deadline = Date.now() + withinMs;
    let answer = 'nothing';
    while (this.running && Date.now() < deadline) {
      try {
        const response = await fetch(`${this.monitorUrl}/healthz?${query}`, { signal: AbortSignal.timeout(ANSWER_MS) });
        answer = await response.text();
        if (response.ok && (await this.#isAtMonitorPort())) return;
      } catch {
        // It does not listen yet, or is stopped.
      }
      await pause(POLL_MS);
    }
    const what = this.running ? `is not ready after ${withinMs} ms` : 'ended';
    throw new Error(`nats-server ${what}; it last answered ${answer}, and logged:\n${this.#lastWords()}`);
  }
}

/** nats-server reads JSON too. */
function configuration(
  name: string,
  dir: string,
  ports: Ports,
  { cluster, syncAlways = false, syncInterval, maxFileStoreBytes = 16_384 * MEBIBYTE }: NatsServerOptions,
): string {
  return JSON.stringify({
    server_name: name,
    listen: `${HOST}:${ports.client}`,
    http: `${HOST}:${ports.monitor}`,
    log_file: join(dir, 'nats.log'),
    jetstream: {
      store_dir: dir,
      max_memory_store: 256 * MEBIBYTE,
      max_file_store: maxFileStoreBytes,
      ...(syncInterval === undefined ? {} : { sync_interval: syncInterval }),
      ...(syncAlways ? { sync_interval: 'always' } : {}),
    },
    ...(cluster === undefined
      ? {}
      : {
          cluster: {
            name: 'topgun',
            listen: `${HOST}:${cluster.port}`,
            routes: cluster.ports.map((port) => `nats://${HOST}:${port}`),
          },
        }),
  });
}

/** On Linux, what puts itself before a command so that the kernel kills it when this process is gone. */
function dyingWithParent(): readonly string[] {
  const wrapper = ['setpriv', '--pdeathsig', 'KILL'];
  const [program = '', ...args] = wrapper;
  return process.platform === 'linux' && spawnSync(program, [...args, 'true']).status === 0 ? wrapper : [];
}
