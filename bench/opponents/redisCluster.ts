import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { withFreePorts } from '../../tests/support/withFreePorts.js';
import { cpuMsOf } from '../harness/Cluster.js';
import { clock, pause } from '../harness/sample.js';
import type { RedisProgram } from './redisServer.js';
import { SLOT_GROUP, SLOTS } from './redisSlots.js';

export interface RedisOptions {
  readonly directory: string;
  readonly appendfsync: 'everysec' | 'always';
  /** Each of the three masters has this many replicas. */
  readonly replicas: 0 | 1;
  readonly nodeTimeoutMs: number;
}

interface Member {
  readonly port: number;
  readonly busPort: number;
  readonly redis: Redis;
  process: ChildProcess;
}

const HOST = '127.0.0.1';
const MASTERS = 3;
const SETTLES_WITHIN_MS = 60_000;
const LOOK_AGAIN_MS = 50;

/** Redis Cluster: three masters and their replicas, in processes of their own on this machine. */
export class RedisCluster {
  readonly #program: RedisProgram;
  readonly #options: RedisOptions;
  readonly #members: readonly Member[];

  private constructor(program: RedisProgram, options: RedisOptions, ports: readonly number[]) {
    this.#program = program;
    this.#options = options;
    this.#members = Array.from({ length: ports.length / 2 }, (_, i) => {
      const [port = 0, busPort = 0] = ports.slice(2 * i);
      const redis = new Redis(port, HOST, { retryStrategy: () => LOOK_AGAIN_MS });
      redis.on('error', () => undefined);
      return { port, busPort, redis, process: this.#spawn(port, busPort) };
    });
  }

  static async start(program: RedisProgram, options: RedisOptions): Promise<RedisCluster> {
    return await withFreePorts(2 * MASTERS * (1 + options.replicas), async (ports) => {
      const cluster = new RedisCluster(program, options, ports);
      await cluster.#form();
      return cluster;
    });
  }

  get ports(): readonly number[] {
    return this.#members.map(({ port }) => port);
  }

  /** Processor time of all its servers, ms. */
  cpuMs(): number {
    return this.#members.reduce((sum, { process }) => sum + cpuMsOf(process.pid ?? -1), 0);
  }

  /** The masters now: the port of each, and the groups of slots it has. */
  async masters(): Promise<readonly { readonly port: number; readonly groups: readonly number[] }[]> {
    const member = this.#members.find(({ process }) => isAlive(process));
    const slots = (await member?.redis.cluster('SLOTS')) as [number, number, [string, number]][] | undefined;
    const groups = new Map<number, number[]>();
    for (const [from, to, [, port]] of slots ?? []) {
      const list = groups.get(port) ?? [];
      for (let group = from / SLOT_GROUP; group <= to / SLOT_GROUP; group++) list.push(group);
      groups.set(port, list);
    }
    return [...groups].map(([port, list]) => ({ port, groups: list }));
  }

  /** As a crash would end it. */
  async kill(port: number): Promise<void> {
    const { process } = this.#at(port);
    const exited = once(process, 'exit');
    process.kill('SIGKILL');
    await exited;
  }

  /** Starts one that was killed again, with what is in its folder, and waits until the cluster is whole. */
  async restart(port: number): Promise<void> {
    const member = this.#at(port);
    member.process = this.#spawn(port, member.busPort);
    await this.settled();
  }

  /** Waits until all see all slots served and nobody failing, and the replicas follow. */
  async settled(): Promise<void> {
    const deadline = clock() + SETTLES_WITHIN_MS;
    while (!(await Promise.all(this.#members.map((member) => this.#isSettled(member)))).every(Boolean)) {
      if (clock() > deadline) throw new Error('the Redis Cluster does not settle');
      await pause(LOOK_AGAIN_MS);
    }
  }

  async stop(): Promise<void> {
    for (const { redis, process } of this.#members) {
      redis.disconnect();
      const exited = isAlive(process) ? once(process, 'exit') : null;
      process.kill('SIGKILL');
      await exited;
    }
  }

  /** As `redis-cli --cluster create` does it. */
  async #form(): Promise<void> {
    const masters = this.#members.slice(0, MASTERS);
    const [first] = masters;
    if (first === undefined) return;
    for (const [index, { redis }] of this.#members.entries()) {
      await redis.cluster('SET-CONFIG-EPOCH', index + 1);
    }
    const perMaster = Math.ceil(SLOTS / SLOT_GROUP / MASTERS) * SLOT_GROUP;
    for (const [index, { redis }] of masters.entries()) {
      const from = index * perMaster;
      await redis.call('CLUSTER', 'ADDSLOTSRANGE', from, Math.min(SLOTS, from + perMaster) - 1);
    }
    for (const { port, busPort } of this.#members.slice(1)) {
      await first.redis.call('CLUSTER', 'MEET', HOST, port, busPort);
    }
    for (const [index, { redis }] of this.#members.slice(MASTERS).entries()) {
      const master = await masters[index]?.redis.call('CLUSTER', 'MYID');
      // Refused until it has heard of its master.
      while (!(await accepts(redis.call('CLUSTER', 'REPLICATE', String(master))))) await pause(LOOK_AGAIN_MS);
    }
    await this.settled();
  }

  async #isSettled({ redis }: Member): Promise<boolean> {
    try {
      const info = String(await redis.call('CLUSTER', 'INFO'));
      const nodes = String(await redis.call('CLUSTER', 'NODES'))
        .trim()
        .split('\n');
      const role = String(await redis.info('replication'));
      return (
        info.includes('cluster_state:ok') &&
        info.includes(`cluster_slots_ok:${SLOTS}`) &&
        nodes.length === this.#members.length &&
        nodes.every((line) => !line.includes('fail') && !line.includes('handshake')) &&
        (role.includes('role:master')
          ? role.includes(`connected_slaves:${this.#options.replicas}`)
          : role.includes('master_link_status:up'))
      );
    } catch {
      return false;
    }
  }

  #at(port: number): Member {
    const member = this.#members.find((candidate) => candidate.port === port);
    if (member === undefined) throw new Error(`no Redis listens on ${port}`);
    return member;
  }

  #spawn(port: number, busPort: number): ChildProcess {
    const dir = join(this.#options.directory, String(port));
    mkdirSync(dir, { recursive: true });
    const settings: Readonly<Record<string, string | number>> = {
      bind: HOST,
      port,
      'cluster-port': busPort,
      'cluster-enabled': 'yes',
      'cluster-node-timeout': this.#options.nodeTimeoutMs,
      // Masters that live go on while one is away: otherwise all would wait for all.
      'cluster-require-full-coverage': 'no',
      dir,
      logfile: join(dir, 'redis.log'),
      appendonly: 'yes',
      appendfsync: this.#options.appendfsync,
      // Snapshots are not asked for: the log is all that counts here.
      save: '',
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const child = spawn(this.#program.path, args, { stdio: 'ignore', env: this.#program.env });
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    return child;
  }
}

function isAlive({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

function accepts(answer: Promise<unknown>): Promise<boolean> {
  return answer.then(
    () => true,
    () => false,
  );
}
