import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalNats } from '../../packages/cli/src/cluster/LocalNats.js';
import { NodeProcess } from '../../packages/cli/src/cluster/NodeProcess.js';
import { findNatsServer, howToGetOne } from '../../scripts/nats/natsServer.js';

interface Member {
  readonly name: string;
  process: NodeProcess;
  url: string;
}

/** The unit in which nodes own partitions. */
export const SHARDS = 32;

const STOP_MS = 8_000;

/**
 * What `topgun cluster` runs, from the same parts, so that single nodes can be killed and brought back: nats-server, and a
 * process for each node. Data is in a temporary folder. Everything ends with this process, however that ends.
 */
export class DemoCluster {
  readonly #directory: string;
  readonly #nats: LocalNats;
  readonly #members: Member[] = [];
  #natsUrls = '';

  private constructor(binary: string) {
    this.#directory = mkdtempSync(join(tmpdir(), 'topgun-demo-'));
    const directory = join(this.#directory, 'nats');
    this.#nats = new LocalNats({ binary, directory, servers: 1, say: () => undefined });
  }

  /** @throws Error that says what to do when there is no nats-server; CliError when something does not start */
  static async start(
    options: { readonly nodes: number; readonly signal: AbortSignal },
    say: (line: string) => void,
  ): Promise<DemoCluster> {
    const binary = await findNatsServer();
    if (binary === undefined) throw new Error(howToGetOne('nor has one been fetched'));
    const cluster = new DemoCluster(binary);
    try {
      say(`starting nats-server (${binary})`);
      cluster.#natsUrls = await cluster.#nats.start(options.signal);
      say(`starting ${options.nodes} nodes, a process each`);
      const names = Array.from({ length: options.nodes }, (_, index) => `node-${index + 1}`);
      const started = names.map((name) => ({ name, process: cluster.#spawn(name, 0), url: '' }));
      cluster.#members.push(...started);
      for (const member of started) member.url = await member.process.ready;
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get names(): readonly string[] {
    return this.#members.map(({ name }) => name);
  }

  get urls(): readonly string[] {
    return this.#members.map(({ url }) => url);
  }

  urlOf(name: string): string {
    return this.#member(name).url;
  }

  /** SIGKILL: no goodbye, nothing is handed over. Returns the id of the process. */
  kill(name: string): number {
    const { process } = this.#member(name);
    process.kill();
    return process.pid ?? 0;
  }

  /** Starts a killed node again, under its name and at its address. @throws CliError when it does not start */
  async bringBack(name: string): Promise<void> {
    const member = this.#member(name);
    await member.process.exited;
    member.process = this.#spawn(name, Number(new URL(member.url).port));
    member.url = await member.process.ready;
  }

  async stop(): Promise<void> {
    const kill = (): void => {
      for (const { process } of this.#members) process.kill();
    };
    for (const { process } of this.#members) process.stop();
    const timer = setTimeout(kill, STOP_MS);
    await Promise.all(this.#members.map(({ process }) => process.exited));
    clearTimeout(timer);
    await this.#nats.stop();
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }

  #spawn(name: string, port: number): NodeProcess {
    const own = Object.entries(process.env).filter(([key]) => !key.startsWith('TOPGUN_'));
    return new NodeProcess({
      name,
      args: [
        ...['--node-id', name, '--port', String(port), '--cluster', 'demo', '--shards', String(SHARDS)],
        ...['--no-auth', '--log-level', 'silent'],
      ],
      env: { ...Object.fromEntries(own), TOPGUN_NATS: this.#natsUrls },
      lifeline: this.#nats.lifeline,
      onOutput: () => undefined,
      onLog: () => undefined,
    });
  }

  #member(name: string): Member {
    const member = this.#members.find((one) => one.name === name);
    if (member === undefined) throw new Error(`there is no ${name}`);
    return member;
  }
}
