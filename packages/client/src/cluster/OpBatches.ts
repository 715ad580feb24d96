import {
  EntryBatch,
  type NotOwnerShard,
  type OpAckMessage,
  type Runtime,
  shardOfKey,
  type Timer,
} from '@topgunbuild/core';
import type { SentBatch } from '../connection/ConnectionProvider.js';
import type { ConnectionPool } from './ConnectionPool.js';
import type { PartitionRouter } from './PartitionRouter.js';
import type { PooledConnection } from './PoolNode.js';

export interface OpBatchesPorts {
  readonly runtime: Runtime;
  readonly pool: ConnectionPool;
  readonly router: PartitionRouter;
  readonly isSmart: boolean;
  /** What is to be told of a batch. */
  readonly onAck: (nodeId: string, ack: OpAckMessage) => void;
  /** A node said that these shards are not its own; `ops` have to be sent again. Returns whether all have another way to go. */
  readonly onNotOwner: (shards: readonly NotOwnerShard[], nodeId: string, ops: number) => boolean;
}

/** Operations of one batch that go the same way. */
interface Group {
  readonly connection: PooledConnection;
  readonly isDirect: boolean;
  readonly shards: (number | null)[];
  readonly indexes: number[];
}

interface InFlight {
  readonly batchId: number;
  readonly connection: PooledConnection;
  readonly ops: number;
  readonly sentAt: number;
}

/** Nodes forward for five seconds at most; one that has not answered by then is not going to. */
const ANSWER_MS = 7_000;

/** Operations on their way: to the owner of each key, in one batch a connection, until they are answered. */
export class OpBatches {
  readonly #ports: OpBatchesPorts;
  readonly #inFlight = new Map<number, InFlight>();
  #watchdog: Timer | null = null;

  constructor(ports: OpBatchesPorts) {
    this.#ports = ports;
  }

  send(ops: EntryBatch, nextBatchId: () => number): readonly SentBatch[] {
    const { router, pool, runtime } = this.#ports;
    const sent: SentBatch[] = [];
    const now = runtime.monotonic();
    for (const { connection, isDirect, shards, indexes } of this.#groups(ops)) {
      if (!pool.hasRoom(connection, indexes.length)) continue;
      const batchId = nextBatchId();
      const part = indexes.length === ops.count ? ops : selected(ops, indexes);
      const mapVersion = router.version;
      if (!connection.send({ type: 'OP_BATCH', batchId, routed: isDirect, mapVersion, ops: part })) continue;
      this.#inFlight.set(batchId, { batchId, connection, ops: indexes.length, sentAt: now });
      connection.breaker.sent(now);
      pool.pendingChanged(connection, indexes.length);
      for (const shard of shards) router.count(shard, isDirect, 1);
      sent.push({ batchId, nodeId: connection.nodeId, indexes });
    }
    if (this.#inFlight.size > 0) this.#watch(ANSWER_MS);
    return sent;
  }

  /** An answer came. Operations that the node does not own have another way to go, or wait until they have. */
  onAck(connection: PooledConnection, ack: OpAckMessage): void {
    const batch = this.#inFlight.get(ack.batchId);
    if (batch?.connection !== connection) return;
    this.#take(batch);
    connection.breaker.succeeded();
    let told = ack;
    if (ack.notOwner.length > 0) {
      let answered = ack.rejected.length;
      for (let i = 1; i < ack.ranges.length; i += 2) answered += ack.ranges[i] as number;
      const retries = Math.max(0, batch.ops - answered);
      // What an answer does not speak of is sent again at once; shards that it names are left alone for a while.
      if (this.#ports.onNotOwner(ack.notOwner, connection.nodeId, retries)) told = { ...ack, notOwner: [] };
    }
    this.#ports.onAck(connection.nodeId, told);
  }

  /** The connection has ended: nobody will answer what was sent over it. */
  connectionLost(connection: PooledConnection): void {
    for (const batch of [...this.#inFlight.values()]) if (batch.connection === connection) this.#giveUp(batch);
  }

  close(): void {
    if (this.#watchdog !== null) this.#ports.runtime.clearTimer(this.#watchdog);
    this.#watchdog = null;
    this.#inFlight.clear();
  }

  #groups(ops: EntryBatch): Iterable<Group> {
    const { router, pool, isSmart } = this.#ports;
    const shardCount = isSmart ? router.shardCount : null;
    const byWay = new Map<string, Map<number, Group | null>>();
    const groups = new Map<PooledConnection, Group[]>();
    for (let index = 0; index < ops.count; index++) {
      const map = ops.maps[index] as string;
      const shard = shardCount === null ? null : shardOfKey(ops.keys[index] as string, shardCount);
      let ways = byWay.get(map);
      if (ways === undefined) {
        ways = new Map();
        byWay.set(map, ways);
      }
      let group = ways.get(shard ?? -1);
      if (group === undefined) {
        const route = router.routeShard(shard);
        const connection = route === null ? null : pool.opConnectionFor(route.nodeId, map);
        group = connection === null ? null : groupOf(groups, connection, route?.isDirect === true);
        ways.set(shard ?? -1, group);
      }
      group?.indexes.push(index);
      group?.shards.push(shard);
    }
    return [...groups.values()].flat();
  }

  #take(batch: InFlight): void {
    this.#inFlight.delete(batch.batchId);
    this.#ports.pool.pendingChanged(batch.connection, -batch.ops);
  }

  /** Says that the batch has no answer, so that its operations are sent again. */
  #giveUp(batch: InFlight): void {
    this.#take(batch);
    const { batchId, connection } = batch;
    this.#ports.onAck(connection.nodeId, { type: 'OP_ACK', batchId, ranges: [], rejected: [], notOwner: [] });
  }

  #watch(delayMs: number): void {
    if (this.#watchdog !== null) return;
    const { runtime } = this.#ports;
    this.#watchdog = runtime.setTimer(delayMs, () => {
      this.#watchdog = null;
      const now = runtime.monotonic();
      const late = [...this.#inFlight.values()].filter(({ sentAt }) => now - sentAt >= ANSWER_MS);
      // First the breakers, of the whole node, then the operations: none is to go the way again that has failed.
      for (const { connection } of late) for (const { breaker } of connection.node.connections) breaker.trip(now);
      for (const batch of late) this.#giveUp(batch);
      let next = ANSWER_MS;
      for (const { sentAt } of this.#inFlight.values()) next = Math.min(next, sentAt + ANSWER_MS - now);
      if (this.#inFlight.size > 0) this.#watch(Math.max(1, next));
    });
  }
}

function groupOf(groups: Map<PooledConnection, Group[]>, connection: PooledConnection, isDirect: boolean): Group {
  const known = groups.get(connection);
  let group = known?.find((one) => one.isDirect === isDirect);
  if (group !== undefined) return group;
  group = { connection, isDirect, shards: [], indexes: [] };
  if (known === undefined) groups.set(connection, [group]);
  else known.push(group);
  return group;
}

function selected(ops: EntryBatch, indexes: readonly number[]): EntryBatch {
  const part = new EntryBatch();
  for (const index of indexes) part.addFrom(ops, index);
  return part;
}
