import { DEFAULT_LIMITS, type Limits, type Query, type RejectedOp, type Where } from '@topgunbuild/core';
import type { LiveTuning } from '../live/LiveTuning.js';
import type { Stream } from '../shard/DataPlane.js';
import { LocalDataPlane } from '../shard/LocalDataPlane.js';
import type { ShardTuning } from '../shard/ShardTuning.js';
import { FaultyBackbone } from './FaultyBackbone.js';
import { batchOf, DEFAULT_MAP, type Op } from './ops.js';
import { StreamClient } from './StreamClient.js';
import { TestRuntime } from './TestRuntime.js';

export interface PlaneHarnessOptions {
  readonly shardCount?: number;
  readonly tuning?: Partial<ShardTuning & LiveTuning>;
  readonly limits?: Partial<Limits>;
  readonly backbone?: FaultyBackbone;
  readonly runtime?: TestRuntime;
  readonly atTurnEnd?: (run: () => void) => void;
}

export interface Subscription {
  readonly map?: string;
  readonly queryId?: number;
  readonly restriction?: Where;
  /** Continues with what this client holds. */
  readonly client?: StreamClient;
  /** Begins with a sink that is full. */
  readonly full?: boolean;
}

/** A data plane on virtual time and faulty logs, with words for what tests do to it. */
export class PlaneHarness {
  readonly runtime: TestRuntime;
  readonly backbone: FaultyBackbone;
  readonly shardCount: number;
  readonly plane: LocalDataPlane;

  constructor({ shardCount = 4, tuning = {}, limits = {}, backbone, runtime, atTurnEnd }: PlaneHarnessOptions = {}) {
    this.runtime = runtime ?? new TestRuntime();
    this.backbone = backbone ?? new FaultyBackbone();
    this.shardCount = shardCount;
    this.plane = new LocalDataPlane({
      backbone: this.backbone,
      runtime: this.runtime,
      limits: { ...DEFAULT_LIMITS, ...limits },
      shardCount,
      options: { recordCostBytes: 0, snapshotDelayMs: 0, ...tuning },
      atTurnEnd,
    });
  }

  static async open(options: PlaneHarnessOptions = {}): Promise<PlaneHarness> {
    const harness = new PlaneHarness(options);
    await harness.plane.open();
    return harness;
  }

  /** Another data plane over the same logs, as after a crash: the old one is simply left. */
  reopened(options: PlaneHarnessOptions = {}): Promise<PlaneHarness> {
    return PlaneHarness.open({
      shardCount: this.shardCount,
      backbone: this.backbone,
      runtime: this.runtime,
      ...options,
    });
  }

  /** Writes, and resolves with what was refused. */
  write(...ops: readonly Op[]): Promise<readonly RejectedOp[]> {
    return new Promise((resolve) => this.plane.write(batchOf(ops), null, resolve));
  }

  subscribe(query: Query = {}, options: Subscription = {}): StreamClient & { readonly stream: Stream } {
    const client = options.client ?? new StreamClient(this.shardCount);
    if (options.full === true) client.hasRoom = false;
    const stream = this.plane.subscribe(
      {
        queryId: options.queryId ?? 1,
        map: options.map ?? DEFAULT_MAP,
        query,
        logId: client.logId,
        cursors: client.flatCursors(),
        restriction: options.restriction ?? null,
        shards: null,
        onMoved: () => undefined,
      },
      client,
    );
    client.logId = this.plane.logId;
    return Object.assign(client, { stream });
  }

  /** Lets promises and timers that are due run. */
  async settle(ms = 0): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      this.runtime.advance(i === 0 ? ms : 0);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
