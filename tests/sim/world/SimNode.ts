import { DEFAULT_LIMITS, decodeServerMessage, type EntryBatch, type PartitionMap } from '@topgunbuild/core';
import { NoAuthenticator } from '../../../packages/server/src/auth/NoAuthenticator.js';
import type { Logger } from '../../../packages/server/src/Logger.js';
import { Counters } from '../../../packages/server/src/metrics/Counters.js';
import { createPermissions } from '../../../packages/server/src/permissions/createPermissions.js';
import { RowGuard } from '../../../packages/server/src/permissions/RowGuard.js';
import type { Rule } from '../../../packages/server/src/permissions/Rule.js';
import type { Peer } from '../../../packages/server/src/session/Peer.js';
import { RateLimiter } from '../../../packages/server/src/session/RateLimiter.js';
import type { Session } from '../../../packages/server/src/session/Session.js';
import { Sessions } from '../../../packages/server/src/session/Sessions.js';
import { LocalDataPlane } from '../../../packages/server/src/shard/LocalDataPlane.js';
import type { ShardTuning } from '../../../packages/server/src/shard/ShardTuning.js';
import { TopicHub } from '../../../packages/server/src/topic/TopicHub.js';
import type { SimProcess } from '../kernel/SimProcess.js';
import type { Faults } from './Faults.js';
import type { ServerDisk } from './ServerDisk.js';
import { SimAuthenticator } from './tokens.js';

export interface NodeSettings {
  readonly shardCount: number;
  readonly tuning: Partial<ShardTuning>;
  readonly maxSendBufferBytes: number;
  readonly auth: boolean;
  readonly rules: readonly Rule[] | null;
}

/** One start of the node: a whole one, but for sockets. */
export class SimNode {
  readonly process: SimProcess;
  readonly plane: LocalDataPlane;
  readonly #settings: NodeSettings;
  readonly #disk: ServerDisk;
  readonly #faults: Faults;
  readonly #logger: Logger;
  #sessions: Sessions | null = null;

  constructor(process: SimProcess, disk: ServerDisk, faults: Faults, settings: NodeSettings, logger: Logger) {
    this.process = process;
    this.#disk = disk;
    this.#faults = faults;
    this.#settings = settings;
    this.#logger = logger;
    this.plane = new LocalDataPlane({
      backbone: disk.backbone(process),
      runtime: process,
      limits: DEFAULT_LIMITS,
      shardCount: settings.shardCount,
      logger,
      options: settings.tuning,
    });
  }

  get isServing(): boolean {
    return this.#sessions !== null && this.process.isAlive;
  }

  get sessionCount(): number {
    return this.#sessions?.size ?? 0;
  }

  /** Reads the disk and begins to serve. Fails when the disk does. */
  async start(): Promise<void> {
    await this.plane.open();
    this.#sessions = this.#createSessions();
  }

  accept(peer: Peer): { readonly session: Session; readonly process: SimProcess } | null {
    if (this.#sessions === null || !this.process.isAlive) return null;
    return { session: this.#sessions.accept(peer), process: this.process };
  }

  /** As a node stops on SIGTERM: see TopGunNode. */
  async stop(): Promise<'closed' | 'hung'> {
    const sessions = this.#sessions;
    this.#sessions = null;
    sessions?.goodbye('the node stops');
    const closed = this.plane.close().then(() => 'closed' as const);
    const how = await Promise.race([closed, this.process.after(7_000).then(() => 'hung' as const)]);
    sessions?.closeAll('the node stops');
    await sessions?.emptied(1_500);
    return how;
  }

  /** Every row that the node has of `map`, tombstones included. */
  rows(map: string): EntryBatch[] {
    const batches: EntryBatch[] = [];
    const sink = {
      hasRoom: true,
      send: (frame: Uint8Array) => {
        const message = decodeServerMessage(frame);
        if (message.type === 'QUERY_RECORDS') batches.push(message.records);
      },
    };
    this.plane
      .subscribe(
        {
          queryId: 1,
          map,
          query: {},
          logId: null,
          cursors: [],
          restriction: null,
          shards: null,
          onMoved: () => undefined,
        },
        sink,
      )
      .close();
    return batches;
  }

  #createSessions(): Sessions {
    const { process, plane } = this;
    const { auth, rules, shardCount, maxSendBufferBytes } = this.#settings;
    const nodeId = process.name;
    const limits = { ...DEFAULT_LIMITS, maxSendBufferBytes };
    const map: PartitionMap = {
      clusterId: this.#disk.logId,
      incarnation: process.id(8),
      version: 1,
      shardCount,
      nodes: [{ id: nodeId, endpoint: 'ws://node' }],
      owners: new Array<number>(shardCount).fill(0),
      epochs: new Array<number>(shardCount).fill(1),
    };
    return new Sessions({
      nodeId,
      clusterId: map.clusterId,
      runtime: process,
      limits,
      plane,
      authenticator: auth ? new SimAuthenticator(process, this.#faults) : new NoAuthenticator(),
      permissions: createPermissions(rules ?? undefined, this.#logger),
      topics: new TopicHub(),
      rates: new RateLimiter(process, limits),
      rowGuard: new RowGuard(),
      counters: new Counters(),
      logger: this.#logger,
      cluster: null,
      routing: null,
      streamsPerQuery: 1,
      partitionMap: () => map,
    });
  }
}
