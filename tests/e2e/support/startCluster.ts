import { onTestFinished } from 'vitest';
import { NatsServer, type NatsServerOptions } from '../../support/NatsServer.js';
import type { ChildOptions } from './Child.js';
import { eventually } from './eventually.js';
import { type ServerProcess, spawnServer } from './startServer.js';

export interface ClusterOptions {
  readonly nodes?: number;
  /** Of nats-server; by default one that is started, and stopped after the test. */
  readonly nats?: { readonly url: string } | NatsServerOptions;
  /** Further arguments of every node. */
  readonly args?: readonly string[];
  readonly child?: ChildOptions;
}

/** What `GET /cluster` says, as far as tests look at it. */
export interface ClusterReport {
  readonly mapVersion: number;
  readonly shardCount: number;
  readonly nodes: readonly NodeRow[];
  /** By partition. */
  readonly owners: readonly (string | null)[];
  /** By shard. */
  readonly epochs: readonly number[];
  /** By shard. */
  readonly standbys: readonly (readonly string[])[];
}

export interface NodeRow {
  readonly id: string;
  readonly endpoint: string;
  readonly shards: number;
  readonly partitions: number;
}

/** One node of a cluster: a process that is killed, paused and started again under its name and port. */
export class ClusterNodeProcess {
  readonly id: string;
  readonly #args: readonly string[];
  readonly #options: ChildOptions;
  #server: ServerProcess;

  private constructor(id: string, args: readonly string[], options: ChildOptions, server: ServerProcess) {
    this.id = id;
    this.#args = args;
    this.#options = options;
    this.#server = server;
  }

  static async start(id: string, args: readonly string[], options: ChildOptions): Promise<ClusterNodeProcess> {
    const own = [...args, '--node-id', id];
    return new ClusterNodeProcess(id, own, options, await spawnServer(own, options));
  }

  get url(): string {
    return this.#server.url;
  }

  get http(): string {
    return this.#server.http;
  }

  get pid(): number {
    return this.#server.child.pid;
  }

  get stderr(): string {
    return this.#server.child.stderr;
  }

  async kill(): Promise<void> {
    await this.#server.child.kill();
  }

  /** SIGTERM; resolves with the exit code, or -1 when a signal ended it. */
  async stop(): Promise<number> {
    this.#server.child.signal('SIGTERM');
    return await this.ended();
  }

  /** Resolves as `stop`, when the process ends by itself. */
  async ended(): Promise<number> {
    return (await this.#server.child.exited).code ?? -1;
  }

  async restart(): Promise<void> {
    this.#server = await spawnServer([...this.#args, '--port', String(this.#server.port)], this.#options);
  }

  pause(): void {
    this.#server.child.signal('SIGSTOP');
  }

  resume(): void {
    this.#server.child.signal('SIGCONT');
  }

  async report(): Promise<ClusterReport> {
    const response = await fetch(`${this.http}/cluster`, { signal: AbortSignal.timeout(5_000) });
    if (!response.ok) throw new Error(`GET /cluster of ${this.id}: ${response.status}`);
    return (await response.json()) as ClusterReport;
  }

  async ready(): Promise<boolean> {
    const response = await fetch(`${this.http}/readyz`, { signal: AbortSignal.timeout(5_000) }).catch(() => null);
    return response?.status === 200;
  }

  /** The values of a metric, labels included in the name: `topgun_appends_total{shard="1"}`. */
  async metric(name: string): Promise<number> {
    const response = await fetch(`${this.http}/metrics`, { signal: AbortSignal.timeout(5_000) });
    let sum = 0;
    for (const line of (await response.text()).split('\n')) {
      const [, found, , value] = /^([a-z_]+)(\{.*\})? (\S+)$/.exec(line) ?? [];
      if (found === name || (found !== undefined && line.startsWith(`${name} `))) sum += Number(value);
    }
    return sum;
  }
}

/** Nodes as processes of their own over one NATS. */
export class ClusterProcesses {
  readonly natsUrl: string;
  /** Null when the test runs NATS itself. */
  readonly nats: NatsServer | null;
  readonly nodes: ClusterNodeProcess[] = [];
  readonly #args: readonly string[];
  readonly #options: ChildOptions;
  #started = 0;

  constructor(natsUrl: string, nats: NatsServer | null, args: readonly string[], options: ChildOptions) {
    this.natsUrl = natsUrl;
    this.nats = nats;
    this.#args = args;
    this.#options = options;
  }

  /** Starts one more, by default with the NATS and the arguments of the others. */
  async add(natsUrl = this.natsUrl, args: readonly string[] = this.#args): Promise<ClusterNodeProcess> {
    this.#started++;
    const id = `n${this.#started}`;
    const node = await ClusterNodeProcess.start(id, ['--nats', natsUrl, ...args], this.#options);
    this.nodes.push(node);
    return node;
  }

  node(id: string): ClusterNodeProcess {
    const node = this.nodes.find((one) => one.id === id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** Waits until `among` own everything, as evenly as can be, with a standby of each shard, and agree on it. */
  async settled(among: readonly ClusterNodeProcess[] = this.nodes, timeoutMs = 20_000): Promise<ClusterReport> {
    let last = '';
    try {
      return await eventually(
        'the cluster has settled',
        async () => {
          const reports = await Promise.all(among.map((node) => node.report().catch(() => null)));
          const ready = await Promise.all(among.map((node) => node.ready()));
          last = JSON.stringify({ ready, maps: reports.map((report) => report && summary(report)) });
          const [first] = reports;
          if (first === null || first === undefined || !ready.every(Boolean)) return null;
          const isAgreed = reports.every((report) => report?.mapVersion === first.mapVersion);
          return isAgreed && isBalanced(first, among) ? first : null;
        },
        timeoutMs,
      );
    } catch (error) {
      throw new Error(
        `${String(error)}; last seen: ${last}\n${among.map(({ stderr }) => stderr.slice(-2_000)).join('\n')}`,
      );
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.nats?.stop();
  }
}

function summary({ mapVersion, nodes, standbys }: ClusterReport): unknown {
  return {
    mapVersion,
    shards: nodes.map(({ id, shards }) => [id, shards]),
    bare: standbys.filter((of) => of.length === 0).length,
  };
}

function isBalanced({ nodes, owners, standbys }: ClusterReport, among: readonly ClusterNodeProcess[]): boolean {
  const shards = nodes.map((node) => node.shards);
  return (
    nodes.length === among.length &&
    among.every(({ id }) => nodes.some((node) => node.id === id)) &&
    owners.every((owner) => owner !== null) &&
    Math.max(...shards) - Math.min(...shards) <= 1 &&
    (nodes.length === 1 || standbys.every((of) => of.length === 1))
  );
}

/** A cluster whose shards are all owned and followed. Ended after the test. */
export async function startCluster(options: ClusterOptions = {}): Promise<ClusterProcesses> {
  const { nodes = 3, nats = {}, args = ['--no-auth'], child = {} } = options;
  const server = 'url' in nats ? null : await NatsServer.start(nats);
  const url = 'url' in nats ? nats.url : (server?.url ?? '');
  const cluster = new ClusterProcesses(url, server, args, child);
  onTestFinished(() => cluster.close());
  await Promise.all(Array.from({ length: nodes }, () => cluster.add()));
  await cluster.settled();
  return cluster;
}
