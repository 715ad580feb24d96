import { DEFAULT_LIMITS, type Query, type RejectedOp, type Where } from '@topgunbuild/core';
import { MemoryCluster } from '../backbone/MemoryCluster.js';
import type { MemoryClusterBackbone } from '../backbone/memory/MemoryClusterBackbone.js';
import type { MemoryLink } from '../backbone/memory/MemoryLink.js';
import type { Logger } from '../Logger.js';
import type { LiveTuning } from '../live/LiveTuning.js';
import type { Stream } from '../shard/DataPlane.js';
import { LocalDataPlane } from '../shard/LocalDataPlane.js';
import type { HostingState, Role } from '../shard/Role.js';
import type { ShardTuning } from '../shard/ShardTuning.js';
import { FaultyLog } from './FaultyLog.js';
import { batchOf, DEFAULT_MAP, type Op } from './ops.js';
import { StreamClient } from './StreamClient.js';
import { TestRuntime } from './TestRuntime.js';

export interface PlaneClusterOptions {
  readonly shardCount?: number;
  readonly tuning?: Partial<ShardTuning & LiveTuning>;
  readonly delay?: () => number;
  readonly logger?: Logger;
}

export interface Answer {
  readonly rejected: readonly RejectedOp[];
  readonly notOwner: readonly number[];
}

/** A write whose answer can be looked at before it has come. */
export interface PendingAnswer {
  answer: Answer | null;
  answers: number;
}

export interface ClusterSubscription {
  readonly queryId?: number;
  readonly map?: string;
  readonly shards?: readonly number[] | null;
  readonly restriction?: Where;
  /** Continues with what this client holds. */
  readonly client?: StreamClient;
}

export const NONE: Role = { name: 'none' };
export const STANDBY: Role = { name: 'standby' };
export const owner = (epoch: number): Role => ({ name: 'owner', epoch });

/** A node of a PlaneCluster, with words for what tests do to it. */
export class PlaneNode {
  readonly plane: LocalDataPlane;
  readonly link: MemoryLink;
  readonly log: FaultyLog;
  readonly #shardCount: number;
  #roles: Role[];

  constructor(id: string, backbone: MemoryClusterBackbone, runtime: TestRuntime, options: PlaneClusterOptions) {
    const { shardCount = 1, tuning = {}, logger } = options;
    this.#shardCount = shardCount;
    this.#roles = new Array<Role>(shardCount).fill(NONE);
    this.link = backbone.link;
    this.log = new FaultyLog(backbone.log);
    this.plane = new LocalDataPlane({
      nodeId: id,
      backbone: {
        type: 'faulty',
        problem: null,
        log: this.log,
        cluster: backbone.cluster,
        open: () => Promise.resolve(),
        close: () => Promise.resolve(),
      },
      runtime,
      limits: DEFAULT_LIMITS,
      shardCount,
      // Tests of lingering are beside the pacer; here time stands still unless a test lets it pass.
      options: { maxLingerMs: 0, recordCostBytes: 0, snapshotDelayMs: 0, ...tuning },
      ...(logger === undefined ? {} : { logger }),
    });
  }

  /** Gives the role for one shard (default: all). */
  be(role: Role, shard: number | null = null): void {
    this.#roles = this.#roles.map((old, id) => (shard === null || shard === id ? role : old));
    this.plane.setRoles(this.#roles);
  }

  hosting(shard = 0): HostingState {
    return this.plane.hosting()[shard] as HostingState;
  }

  start(...ops: readonly Op[]): PendingAnswer {
    const pending: PendingAnswer = { answer: null, answers: 0 };
    this.plane.write(batchOf(ops), null, (rejected, notOwner) => {
      pending.answer = { rejected, notOwner };
      pending.answers++;
    });
    return pending;
  }

  read(key: string): unknown {
    return this.plane.read(DEFAULT_MAP, key)?.value;
  }

  subscribe(query: Query = {}, options: ClusterSubscription = {}): StreamClient & { readonly stream: Stream } {
    const client = options.client ?? new StreamClient(this.#shardCount);
    const stream = this.plane.subscribe(
      {
        queryId: options.queryId ?? 1,
        map: options.map ?? DEFAULT_MAP,
        query,
        logId: client.cursors.size === 0 ? null : client.logId,
        cursors: client.flatCursors(),
        restriction: options.restriction ?? null,
        shards: options.shards ?? null,
        onMoved: () => {
          client.moved++;
        },
      },
      client,
    );
    client.logId = this.plane.logId;
    return Object.assign(client, { stream });
  }
}

/** Data planes that share a MemoryCluster, on virtual time. Roles are given by the test. */
export class PlaneCluster {
  readonly runtime = new TestRuntime();
  readonly shared: MemoryCluster;
  readonly #options: PlaneClusterOptions;
  #nodes = 0;

  constructor(options: PlaneClusterOptions = {}) {
    const { shardCount = 1, delay } = options;
    this.#options = options;
    this.shared = new MemoryCluster({
      runtime: this.runtime,
      shardCount,
      ...(delay === undefined ? {} : { delay }),
    });
  }

  async node(tuning: Partial<ShardTuning & LiveTuning> = {}): Promise<PlaneNode> {
    const backbone = this.shared.backbone();
    const opening = backbone.open();
    await this.settle(100);
    await opening;
    const options = { ...this.#options, tuning: { ...this.#options.tuning, ...tuning } };
    const node = new PlaneNode(`node-${this.#nodes++}`, backbone, this.runtime, options);
    await node.plane.open();
    return node;
  }

  /** Lets promises run, and timers that fall due within `ms`. */
  async settle(ms = 0): Promise<void> {
    const steps = 4;
    for (let i = 0; i < steps; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      this.runtime.advance(ms / steps);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
