import {
  EntryBatch,
  encodeValue,
  type OpAckMessage,
  type OpBatchMessage,
  type QuerySubMessage,
  type RejectedOp,
  Tag,
} from '@topgunbuild/core';
import { TopGunClient, type TopGunClientOptions } from '../TopGunClient.js';
import { MemoryTransport } from './MemoryTransport.js';
import { ScriptedNode } from './ScriptedNode.js';
import { type VirtualRuntime, VirtualTime } from './VirtualTime.js';

export const URL = 'ws://node/';

/** A time line, a network with one scripted node, and any number of clients on them. */
export class World {
  readonly time = new VirtualTime();
  readonly #network: VirtualRuntime;
  readonly transport: MemoryTransport;
  readonly node: ScriptedNode;
  #seed = 100;

  constructor() {
    this.#network = this.time.runtime({ seed: 1 });
    this.transport = new MemoryTransport(this.#network);
    this.node = new ScriptedNode(this.transport, this.#network, URL);
  }

  runtime(wallAt?: number): VirtualRuntime {
    return this.time.runtime({ seed: this.#seed++, ...(wallAt === undefined ? {} : { wallAt }) });
  }

  /** A client that is not started yet. */
  client(options: TopGunClientOptions = {}): TopGunClient {
    return new TopGunClient({ url: URL, runtime: this.runtime(), transportPort: this.transport, ...options });
  }

  /** A client that is online. */
  async online(options: TopGunClientOptions = {}): Promise<TopGunClient> {
    const client = this.client(options);
    await this.during(client.start());
    await this.time.advance(100);
    return client;
  }

  /** Lets time pass until `promise` settles. */
  async during<T>(promise: Promise<T>, maxMs = 120_000): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    for (let passed = 0; passed < maxMs && !settled; passed += 10) await this.time.advance(10);
    return promise;
  }

  get batches(): OpBatchMessage[] {
    return this.node.received.filter((message) => message.type === 'OP_BATCH');
  }

  get subscriptions(): QuerySubMessage[] {
    return this.node.received.filter((message) => message.type === 'QUERY_SUB');
  }

  lastBatch(): OpBatchMessage {
    const batch = this.batches.at(-1);
    if (batch === undefined) throw new Error('no batch has arrived');
    return batch;
  }

  /** Answers `batch`: everything is durable, but for `rejected`. */
  async answer(batch: OpBatchMessage, rejected: readonly RejectedOp[] = []): Promise<void> {
    const refused = new Set(rejected.map((op) => op.index));
    const ranges: number[] = [];
    for (let i = 0; i < batch.ops.count; i++) if (!refused.has(i)) ranges.push(i, 1);
    const ack: OpAckMessage = { type: 'OP_ACK', batchId: batch.batchId, ranges, rejected, notOwner: [] };
    this.node.say(ack);
    await this.time.advance(10);
  }

  /** Sends rows of the latest subscription. */
  async stream(
    records: EntryBatch,
    more: { cursors?: number[]; last?: boolean; queryId?: number } = {},
  ): Promise<void> {
    const queryId = more.queryId ?? this.subscriptions.at(-1)?.queryId ?? 0;
    const { cursors = [], last = false } = more;
    this.node.say({ type: 'QUERY_RECORDS', queryId, cursors, records, initial: last, last });
    await this.time.advance(10);
  }
}

/** LWW rows of another client: [key, value, ms]; undefined deletes; no ms: the row LEFT. */
export function rowsOf(map: string, rows: readonly (readonly [string, unknown, number?])[]): EntryBatch {
  const batch = new EntryBatch();
  for (const [key, value, ms] of rows) {
    if (ms === undefined) batch.add(map, key, Tag.LEFT, 0, 0, '', 0);
    else if (value === undefined) batch.add(map, key, Tag.LWW_REMOVE, ms, 0, 'other.1.x', 0);
    else batch.add(map, key, Tag.LWW_SET, ms, 0, 'other.1.x', 0, encodeValue(value));
  }
  return batch;
}
