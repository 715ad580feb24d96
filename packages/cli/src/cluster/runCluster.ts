import { CliError, runtimeError } from '../CliError.js';
import { exitCodeOf, StopSignals } from '../serve/StopSignals.js';
import { awaitWhole } from './awaitWhole.js';
import { describeExit } from './describeExit.js';
import { LocalNats } from './LocalNats.js';
import { NodeProcess } from './NodeProcess.js';
import { nodeLogLine } from './nodeLogLine.js';

export interface ClusterPlan {
  /** One that runs already, as an environment variable holds it, or one to start. */
  readonly nats: { readonly type: 'url'; readonly urls: string } | LocalPlan;
  readonly nodes: readonly NodePlan[];
  /** Of every node, without what is particular to one. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

interface LocalPlan {
  readonly type: 'local';
  readonly binary: string;
  readonly directory: string;
  readonly servers: 1 | 3;
}

interface NodePlan {
  readonly name: string;
  readonly port: number;
}

/** A node ends by itself within ten seconds of being told. */
const NODE_STOP_MS = 15_000;

/**
 * Runs a cluster until a signal ends it, or until none of its nodes is left.
 * @throws CliError when it did not start, or ended by itself
 */
export async function runCluster(plan: ClusterPlan): Promise<void> {
  const run = new ClusterRun(plan);
  const signals = new StopSignals();
  const stopping = new Promise<void>((resolve) => signals.onFirst(() => resolve()));
  signals.onSecond((signal) => {
    run.kill();
    process.exit(exitCodeOf(signal));
  });
  try {
    await Promise.race([stopping, run.runs()]);
  } finally {
    await run.stop();
    signals.close();
  }
}

class ClusterRun {
  readonly #plan: ClusterPlan;
  readonly #nats: LocalNats | null;
  readonly #stop = new AbortController();
  #nodes: readonly NodeProcess[] = [];

  constructor(plan: ClusterPlan) {
    this.#plan = plan;
    const { nats } = plan;
    this.#nats = nats.type === 'url' ? null : new LocalNats({ ...nats, say });
  }

  /** Never resolves: a cluster runs until it is stopped. @throws CliError when it cannot start, or nothing of it is left */
  async runs(): Promise<never> {
    const { signal } = this.#stop;
    const { nats } = this.#plan;
    const urls = this.#nats === null ? (nats.type === 'url' ? nats.urls : '') : await this.#nats.start(signal);
    signal.throwIfAborted();
    this.#nodes = this.#plan.nodes.map((node) => this.#startNode(node, urls));
    const nodeUrls = await Promise.all(this.#nodes.map((node) => node.ready));
    for (const node of this.#nodes) void this.#watch(node);
    await Promise.race([this.#becomeWhole(nodeUrls), this.#allEnded()]);
    await this.#allEnded();
    throw runtimeError('no node is left');
  }

  async stop(): Promise<void> {
    this.#stop.abort(new CliError(1, 'stopped'));
    // All at once: a node that would hand over has nobody to hand over to.
    for (const node of this.#nodes) node.stop();
    const timer = setTimeout(() => {
      for (const node of this.#nodes) node.kill();
    }, NODE_STOP_MS);
    await this.#allEnded();
    clearTimeout(timer);
    await this.#nats?.stop();
  }

  kill(): void {
    for (const node of this.#nodes) node.kill();
    this.#nats?.kill();
  }

  #startNode({ name, port }: NodePlan, natsUrls: string): NodeProcess {
    return new NodeProcess({
      name,
      args: ['--node-id', name, '--port', String(port), ...this.#plan.args],
      // Passwords are for the environment: everybody on the machine can read arguments.
      env: { ...this.#plan.env, TOPGUN_NATS: natsUrls },
      lifeline: this.#nats?.lifeline ?? null,
      onOutput: (line) => process.stdout.write(`${line}\n`),
      onLog: (line) => process.stderr.write(`${nodeLogLine(name, line, process.stderr.isTTY)}\n`),
    });
  }

  async #becomeWhole(urls: readonly string[]): Promise<void> {
    const names = this.#nodes.map((node) => node.name);
    await awaitWhole(urls, names, this.#stop.signal);
    process.stdout.write(`topgun cluster ready nodes=${names.length} urls=${urls.join(',')}\n`);
  }

  async #watch(node: NodeProcess): Promise<void> {
    const exit = await node.exited;
    if (!this.#stop.signal.aborted) say(`${node.name} (process ${node.pid}) ${describeExit(exit)}; the others go on`);
  }

  async #allEnded(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.exited));
  }
}

function say(line: string): void {
  process.stderr.write(`topgun: ${line}\n`);
}
