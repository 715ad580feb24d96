import { readFileSync } from 'node:fs';
import type { NatsServer } from '../../tests/support/NatsServer.js';
import type { NodeRole } from '../processes/node.js';
import { Child } from './Child.js';
import { clock, pause } from './sample.js';

interface Member {
  readonly id: string;
  readonly url: string;
  readonly child: Child<NodeRole>;
}

/** What `GET /cluster` says, as far as benches look at it. */
interface Report {
  readonly mapVersion: number;
  readonly nodes: readonly { readonly id: string; readonly shards: number; readonly ready: boolean | null }[];
  /** By partition. */
  readonly owners: readonly (string | null)[];
  /** By shard. */
  readonly standbys: readonly (readonly string[])[];
}

const SETTLES_WITHIN_MS = 30_000;
const LOOK_AGAIN_MS = 50;
/** In which the kernel counts, ms (`getconf CLK_TCK`). */
const TICK_MS = 10;

/** Nodes in processes of their own, over one NATS, which other clusters may share. */
export class Cluster {
  readonly members: Member[] = [];
  readonly #nats: NatsServer;
  readonly #name: string;
  readonly #backups: number;
  #started = 0;

  private constructor(nats: NatsServer, name: string, backups: number) {
    this.#nats = nats;
    this.#name = name;
    this.#backups = backups;
  }

  static async start(nats: NatsServer, name: string, nodes: number, backups = 1): Promise<Cluster> {
    const cluster = new Cluster(nats, name, backups);
    await Promise.all(Array.from({ length: nodes }, () => cluster.add()));
    await cluster.settled();
    return cluster;
  }

  get urls(): readonly string[] {
    return this.members.map(({ url }) => url);
  }

  async add(): Promise<void> {
    const id = `n${++this.#started}`;
    const child = new Child<NodeRole>(new URL('../processes/node.ts', import.meta.url), ['--expose-gc']);
    const url = await child.call('join', this.#nats.url, this.#name, id, this.#backups);
    this.members.push({ id, url, child });
  }

  /** Ends a node as a crash would. */
  async kill(member: Member): Promise<void> {
    this.members.splice(this.members.indexOf(member), 1);
    await member.child.kill();
  }

  async report(member: Member): Promise<Report> {
    return (await (await this.#get(member, '/cluster')).json()) as Report;
  }

  /** Waits until all shards are owned, as evenly as can be, and followed, and all nodes agree on that. */
  async settled(): Promise<void> {
    const deadline = clock() + SETTLES_WITHIN_MS;
    while (!this.#isSettled(await Promise.all(this.members.map((member) => this.report(member))))) {
      if (clock() > deadline) throw new Error(`cluster ${this.#name} does not settle`);
      await pause(LOOK_AGAIN_MS);
    }
  }

  /** The samples of a metric, over all nodes and labels. */
  async metric(name: string): Promise<readonly number[]> {
    const texts = await Promise.all(this.members.map(async (member) => (await this.#get(member, '/metrics')).text()));
    const samples = texts.flatMap((text) => text.split('\n')).filter((line) => /^[a-z_]+/.exec(line)?.[0] === name);
    return samples.map((line) => Number(line.slice(line.lastIndexOf(' '))));
  }

  /** Processor time of all its nodes, ms. */
  cpuMs(): number {
    return this.members.reduce((sum, { child }) => sum + cpuMsOf(child.pid), 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map(({ child }) => child.stop()));
  }

  #isSettled(reports: readonly Report[]): boolean {
    const [first] = reports;
    if (first === undefined || first.nodes.length !== this.members.length) return false;
    const shards = first.nodes.map((node) => node.shards);
    const backups = Math.min(this.#backups, this.members.length - 1);
    return (
      reports.every(({ mapVersion }) => mapVersion === first.mapVersion) &&
      reports.every(({ nodes }) => nodes.every(({ ready }) => ready !== false)) &&
      first.owners.every((owner) => owner !== null) &&
      first.standbys.every((of) => of.length === backups) &&
      Math.max(...shards) - Math.min(...shards) <= 1
    );
  }

  #get({ url }: Member, path: string): Promise<Response> {
    return fetch(url.replace('ws', 'http') + path, { signal: AbortSignal.timeout(5_000) });
  }
}

/** Processor time that a process has used, ms, as Linux counts it; elsewhere NaN. */
export function cpuMsOf(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Behind the name, which may hold anything: state is field 3, utime 14, stime 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
