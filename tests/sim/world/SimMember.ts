import { DEFAULT_LIMITS, decodeServerMessage, type EntryBatch } from '@topgunbuild/core';
import { NoAuthenticator } from '../../../packages/server/src/auth/NoAuthenticator.js';
import type { Logger } from '../../../packages/server/src/Logger.js';
import { NodeCore } from '../../../packages/server/src/NodeCore.js';
import { createPermissions } from '../../../packages/server/src/permissions/createPermissions.js';
import type { Peer } from '../../../packages/server/src/session/Peer.js';
import type { SimBackbone } from '../backbone/SimBackbone.js';
import type { SimProcess } from '../kernel/SimProcess.js';
import type { ClusterProfile } from '../workload/ClusterProfile.js';
import type { Faults } from './Faults.js';
import type { Acceptance } from './Link.js';
import { SimAuthenticator } from './tokens.js';

/** One start of one node of a cluster: a whole one, but for sockets and for what it shares with others. */
export class SimMember {
  readonly id: string;
  readonly process: SimProcess;
  readonly backbone: SimBackbone;
  core: NodeCore | null = null;
  #isStopping = false;

  constructor(id: string, process: SimProcess, backbone: SimBackbone) {
    this.id = id;
    this.process = process;
    this.backbone = backbone;
  }

  /** It has joined, and takes sessions. */
  get isServing(): boolean {
    return this.core !== null && !this.#isStopping && this.process.isAlive;
  }

  /** Null: all is well with it. */
  get problem(): string | null {
    if (this.core === null) return 'has not joined';
    return this.process.isStopped ? 'stands still' : this.core.readyProblem();
  }

  /** As TopGunNode starts. @throws TopGunError when the cluster cannot be joined */
  async start(profile: ClusterProfile, faults: Faults, logger: Logger): Promise<void> {
    await this.backbone.open();
    const core = await NodeCore.open({
      nodeId: this.id,
      endpoint: `ws://${this.id}`,
      backbone: this.backbone,
      runtime: this.process,
      limits: { ...DEFAULT_LIMITS, maxSendBufferBytes: profile.maxSendBufferBytes },
      authenticator: profile.auth ? new SimAuthenticator(this.process, faults) : new NoAuthenticator(),
      permissions: createPermissions(profile.rules ?? undefined, logger),
      logger,
      tuning: profile.tuning,
      shardCount: profile.shardCount,
      backups: profile.backups,
      clusterTiming: profile.timing,
    });
    this.core = core;
  }

  accept(peer: Peer): Acceptance {
    if (!this.isServing || this.core === null) return null;
    return this.process.isStopped ? 'unanswered' : { session: this.core.sessions.accept(peer), process: this.process };
  }

  /** As TopGunNode stops on SIGTERM. */
  async stop(): Promise<void> {
    const { core } = this;
    if (core === null) return;
    this.#isStopping = true;
    await core.drain();
    await core.close();
    await this.backbone.close();
  }

  /** Every row of `map` in the shards that it owns, tombstones included. */
  rows(map: string): EntryBatch[] {
    const { core } = this;
    if (core === null) return [];
    const { plane } = core;
    const batches: EntryBatch[] = [];
    const sink = {
      hasRoom: true,
      send: (frame: Uint8Array) => {
        const message = decodeServerMessage(frame);
        if (message.type === 'QUERY_RECORDS') batches.push(message.records);
      },
    };
    const shards = Array.from({ length: plane.shardCount }, (_, shard) => shard).filter((shard) => plane.owns(shard));
    if (shards.length === 0) return [];
    const spec = { queryId: 1, map, query: {}, logId: null, cursors: [], restriction: null };
    plane.subscribe({ ...spec, shards, onMoved: () => undefined }, sink).close();
    return batches;
  }
}
