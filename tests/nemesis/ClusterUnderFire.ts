import { partitionOf } from '@topgunbuild/core';
import { OpSession } from '../e2e/support/OpSession.js';
import {
  type ClusterNodeProcess,
  type ClusterOptions,
  type ClusterProcesses,
  type ClusterReport,
  startCluster,
} from '../e2e/support/startCluster.js';
import { pause, type SystemUnderFire } from './runUnderFire.js';

/** How long writes to one key waited for their acks while something happened to its owner. */
export interface Gap {
  /** The slowest of them, ms. */
  readonly worstMs: number;
  readonly writes: number;
  /** Codes of writes that were refused. */
  readonly refused: readonly string[];
}

/** A cluster of processes, with writers at each node. */
export class ClusterUnderFire implements SystemUnderFire {
  readonly cluster: ClusterProcesses;

  constructor(cluster: ClusterProcesses) {
    this.cluster = cluster;
  }

  static async start(options: ClusterOptions = {}): Promise<ClusterUnderFire> {
    return new ClusterUnderFire(await startCluster(options));
  }

  get urls(): readonly string[] {
    return this.cluster.nodes.map(({ url }) => url);
  }

  async beforeReading(): Promise<void> {
    await this.cluster.settled();
  }

  /** A key that `node` owns, which no writer writes. */
  keyOf(node: ClusterNodeProcess, report: ClusterReport): string {
    for (let n = 0; ; n++) if (report.owners[partitionOf(`probe-${n}`)] === node.id) return `probe-${n}`;
  }

  /** Writes `key` by way of `entry`, one write after the other, until `fault` and `settleMs` are over. */
  async gapDuring(entry: ClusterNodeProcess, key: string, fault: () => Promise<void>, settleMs = 1_500): Promise<Gap> {
    const session = await OpSession.open(entry.url);
    let isOver = false;
    const after = fault()
      .then(() => pause(settleMs))
      .finally(() => {
        isOver = true;
      });
    let worstMs = 0;
    let writes = 0;
    const refused: string[] = [];
    let waitingSince: number | null = null;
    while (!isOver) {
      waitingSince ??= performance.now();
      const { rejected } = await session.write('probes', { [key]: writes });
      for (const { code } of rejected) refused.push(code);
      // A write that is refused for now is sent again by clients: the gap lasts until one is acked.
      if (rejected.length === 0) {
        worstMs = Math.max(worstMs, performance.now() - waitingSince);
        waitingSince = null;
      }
      writes++;
      await pause(rejected.length === 0 ? 2 : 20);
    }
    await after;
    session.raw.close();
    return { worstMs, writes, refused };
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
