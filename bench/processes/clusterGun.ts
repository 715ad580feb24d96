import { ownerOfPartition, partitionOf } from '@topgunbuild/core';
import { answer } from '../harness/answer.js';
import { type Gun, loadGun, openGun, shoot } from '../harness/gun.js';
import { clock } from '../harness/sample.js';

/** A raw generator for the nodes of a cluster, which knows the partition map or pretends not to. */
const KEYS_EACH = 2_000;

export interface ClusterLoad {
  /** Spread evenly over the nodes. */
  readonly connections: number;
  /** For each connection. */
  readonly frames: number;
  readonly opsPerFrame: number;
  /** Each connection writes keys of its node alone; otherwise of all nodes, and each node forwards most. */
  readonly routed: boolean;
  /** Frames that a connection has unanswered. */
  readonly depth: number;
}

export interface Shots {
  /** Acknowledged. */
  readonly ops: number;
  readonly ms: number;
  /** Of this process, while it fired. */
  readonly cpuMs: number;
}

let guns: { readonly gun: Gun; readonly frames: readonly Buffer[] }[] = [];
let load: ClusterLoad | null = null;

const role = {
  async prepare(urls: readonly string[], wanted: ClusterLoad): Promise<void> {
    load = wanted;
    guns = await Promise.all(
      Array.from({ length: wanted.connections }, async (_, index) => {
        const url = urls[index % urls.length] as string;
        const gun = await openGun(url, `gun-${process.pid}-${index}`);
        const keys = keysFor(gun, url, `${process.pid}-${index}`, wanted.routed);
        return { gun, frames: loadGun(gun, { ...wanted, keys }, gun.map?.version) };
      }),
    );
  },

  /** Sends everything once and closes the connections. Null: nodes were given up or came meanwhile, and refused some. */
  async fire(): Promise<Shots | null> {
    const { depth, frames, connections, opsPerFrame } = load as ClusterLoad;
    const cpuBefore = process.cpuUsage();
    const from = clock();
    const shots = await Promise.allSettled(guns.map((gun) => shoot(gun.gun, gun.frames, depth)));
    const ms = clock() - from;
    const { user, system } = process.cpuUsage(cpuBefore);
    for (const { gun } of guns) gun.socket.destroy();
    if (shots.some(({ status }) => status === 'rejected')) return null;
    return { ops: connections * frames * opsPerFrame, ms, cpuMs: (user + system) / 1_000 };
  },
};

function keysFor({ map }: Gun, url: string, prefix: string, routed: boolean): string[] {
  const keys: string[] = [];
  for (let n = 0; keys.length < KEYS_EACH; n++) {
    const key = `${prefix}-${n}`;
    if (!routed || map === null || ownerOfPartition(map, partitionOf(key))?.endpoint === url) keys.push(key);
  }
  return keys;
}

export type ClusterGunRole = typeof role;
answer(role);
