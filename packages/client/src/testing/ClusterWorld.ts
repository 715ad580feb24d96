import type { TopGunClientOptions } from '../TopGunClient.js';
import { TopGunClient } from '../TopGunClient.js';
import { FakeCluster } from './FakeCluster.js';
import { MemoryTransport } from './MemoryTransport.js';
import { type VirtualRuntime, VirtualTime } from './VirtualTime.js';

/** A time line, a network with a cluster, and any number of clients on them. */
export class ClusterWorld {
  readonly time = new VirtualTime();
  readonly transport: MemoryTransport;
  cluster: FakeCluster;
  readonly network: VirtualRuntime;
  /** What the clients had to log as an error: listeners that threw. */
  readonly errors: object[] = [];
  #seed: number;

  constructor(ids: readonly string[] = ['a', 'b', 'c'], seed = 1, shardCount = 8) {
    this.#seed = seed;
    this.network = this.time.runtime({ seed });
    this.transport = new MemoryTransport(this.network);
    this.cluster = new FakeCluster(this.transport, this.network, ids, shardCount);
  }

  /** A client that is not started yet; by default node a is its seed. */
  client(
    cluster: Partial<NonNullable<TopGunClientOptions['cluster']>> = {},
    options: TopGunClientOptions = {},
  ): TopGunClient {
    const logger = { debug() {}, info() {}, warn() {}, error: (details: object) => this.errors.push(details) };
    return new TopGunClient({
      cluster: { seeds: ['ws://a/'], ...cluster },
      runtime: this.time.runtime({ seed: ++this.#seed * 7919 }),
      transportPort: this.transport,
      logger,
      ...options,
    });
  }

  /** A client that is connected to all of the cluster. */
  async online(
    cluster: Partial<NonNullable<TopGunClientOptions['cluster']>> = {},
    options: TopGunClientOptions = {},
  ): Promise<TopGunClient> {
    const client = this.client(cluster, options);
    await client.start();
    await this.time.advance(100);
    return client;
  }

  /** Lets time pass until `promise` settles. */
  async during<T>(promise: Promise<T>, maxMs = 120_000): Promise<T> {
    let isSettled = false;
    const done = () => {
      isSettled = true;
    };
    promise.then(done, done);
    for (let passed = 0; passed < maxMs && !isSettled; passed += 10) await this.time.advance(10);
    return promise;
  }

  /** A key that `nodeId` owns. */
  keyOf(nodeId: string, nth = 0): string {
    for (let n = 0, found = 0; n < 10_000; n++) {
      if (this.cluster.ownerOf(`key${n}`) === nodeId && found++ === nth) return `key${n}`;
    }
    throw new Error(`${nodeId} owns nothing`);
  }

  /** Messages of a type that a node has got. */
  received(nodeId: string, type: string): readonly { readonly type: string }[] {
    return this.cluster.node(nodeId).received.filter((message) => message.type === type);
  }
}
