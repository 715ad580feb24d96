import type { NotOwnerShard } from '@topgunbuild/core';
import type { Logger } from '../connection/Logger.js';
import { messageOf } from '../connection/messageOf.js';
import { webSocketUrl } from '../connection/webSocketUrl.js';
import type { CheckedClusterOptions } from './ClusterOptions.js';
import type { ConnectionPool } from './ConnectionPool.js';
import type { PartitionRouter } from './PartitionRouter.js';
import type { PooledConnection } from './PoolNode.js';
import { spread } from './spread.js';

/** Which nodes this client talks to: all that the map lists or, without smart routing, the one that was there first. */
export class ClusterNodes {
  readonly #options: CheckedClusterOptions;
  readonly #pool: ConnectionPool;
  readonly #router: PartitionRouter;
  readonly #logger: Logger | undefined;
  /** Without smart routing: the node that forwards everything. */
  #home: string | null = null;

  constructor(
    options: CheckedClusterOptions,
    pool: ConnectionPool,
    router: PartitionRouter,
    logger: Logger | undefined,
  ) {
    this.#options = options;
    this.#pool = pool;
    this.#router = router;
    this.#logger = logger;
  }

  /** Connects to the nodes that are wanted, and to no others. A map that lists none, or that there is not, changes nothing. */
  arrange(): void {
    const { map } = this.#router;
    const ready = this.#pool.readyNodes;
    if (map === null) return;
    if (this.#options.smartRouting) {
      for (const { id, endpoint } of map.nodes) this.#add(endpoint, id);
    }
    if (ready.length === 0) return;
    const wanted = this.#wanted(map.nodes.map(({ id }) => id));
    for (const node of [...this.#pool.nodes]) {
      // Somebody without a name may yet turn out to be one of them.
      if (wanted.has(node.id) || (node.isNameless && node.isTrying)) continue;
      // Nobody cuts the branch he sits on: a node that the map does not know stays until another one is there.
      const isOnly = ready.length === 1 && ready[0] === node.id;
      if (!isOnly) this.#pool.removeNode(node.id);
    }
  }

  /** Owners that a node told of, and that nothing was known of until now. */
  learn(shards: readonly NotOwnerShard[]): void {
    if (!this.#options.smartRouting) return;
    for (const { owner, endpoint } of shards) {
      if (owner !== '' && this.#pool.node(owner) === null) this.#add(endpoint, owner);
    }
  }

  /** Where nodes may be found, by the map. */
  get endpoints(): readonly string[] {
    return (this.#router.map?.nodes ?? []).flatMap(({ id, endpoint }) => this.#reachable(endpoint, id) ?? []);
  }

  /** The ready connection for traffic of `lane` to a node, or with null to any node; null: there is none. */
  connectionFor(nodeId: string | null, lane: string): PooledConnection | null {
    if (nodeId !== null) return this.#pool.connectionFor(nodeId, lane);
    const ready = this.#pool.readyNodes;
    const any = this.#options.smartRouting ? ready[spread(lane, ready.length)] : this.#homeAmong(ready);
    return any === undefined ? null : this.#pool.connectionFor(any, lane);
  }

  #wanted(listed: readonly string[]): ReadonlySet<string> {
    if (this.#options.smartRouting) return new Set([...listed, ...this.#router.learnedNodes]);
    const home = this.#homeAmong(this.#pool.readyNodes);
    return new Set(home === undefined ? [] : [home]);
  }

  #homeAmong(ready: readonly string[]): string | undefined {
    if (this.#home === null || !ready.includes(this.#home)) this.#home = ready[0] ?? null;
    return this.#home ?? undefined;
  }

  #add(endpoint: string, nodeId: string): void {
    const reachable = this.#reachable(endpoint, nodeId);
    if (reachable !== null) this.#pool.addNode(reachable, nodeId);
  }

  /** Where this client finds what a node advertises; null: nowhere. */
  #reachable(endpoint: string, nodeId: string): string | null {
    try {
      return webSocketUrl(this.#options.endpointMapper?.(endpoint, nodeId) ?? endpoint);
    } catch (error) {
      this.#logger?.warn({ nodeId, reason: messageOf(error) }, 'A node cannot be reached under what it advertises');
      return null;
    }
  }
}
