import {
  EntryBatch,
  type ErrorMessage,
  isTransient,
  type NotOwnerMessage,
  pinnedKeys,
  type Query,
  type QueryRecordsMessage,
  type QueryResetMessage,
  type QuerySubMessage,
  type ServerMessage,
  shardOfKey,
} from '@topgunbuild/core';
import type { PooledConnection } from './PoolNode.js';
import { ShardCursors } from './ShardCursors.js';

/** One stream at one node. Its shards stay the same; when one of them leaves the node the whole part ends. */
export interface QueryPart {
  readonly query: ClusterQuery;
  readonly connection: PooledConnection;
  /** Null: all of the cluster, brought together by the node. */
  readonly shards: readonly number[] | null;
  /** What the subscription goes by at the node. */
  wireId: number;
}

export interface ClusterQueryPorts {
  /** False: one node brings everything together. */
  readonly isSmart: boolean;
  /** Null: there is no map yet. */
  shardCount(): number | null;
  ownerOfShard(shard: number): string | null;
  /** The ready connection to a node (null: to any) for the traffic of a map; null: there is none. */
  connectionFor(nodeId: string | null, map: string): PooledConnection | null;
  /** Sends the subscription under an id of its own, which it notes in the part; false: it was not sent. */
  open(part: QueryPart, message: QuerySubMessage): boolean;
  close(part: QueryPart): void;
  emit(message: ServerMessage): void;
  now(): number;
  /** Runs `run` some time later, the later the more `attempts` there were. Returns how to call it off. */
  later(attempts: number, run: () => void): () => void;
  /** The query has ended for good. */
  onEnded(queryId: number): void;
}

/** Beyond so many parts at one node they are made one again. */
const MAX_PARTS_PER_NODE = 4;
/** An owner that is out of reach for so long is read through another node; and the other way round when it is back. */
const DETOUR_AFTER_MS = 2_000;

/**
 * A live query over the shards of several nodes: a stream at each owner, brought together into one. It is a wish, brought
 * in line with map and connections whenever one of them changes. What each shard has sent is noted, so that a shard that
 * moves goes on where it stood, and nothing else is opened anew.
 *
 * `last` means that nothing is missing: it is passed on when every shard has come to its end once, and again after a RESET.
 */
export class ClusterQuery {
  readonly #message: QuerySubMessage;
  readonly #ports: ClusterQueryPorts;
  readonly #isWindow: boolean;
  readonly #cursors: ShardCursors;
  readonly #parts = new Set<QueryPart>();
  /** The shards that can hold rows, ascending; null while there is no map. */
  #shards: readonly number[] | null = null;
  /** Shards whose rows have not all come yet. */
  #pending = new Set<number>();
  #owesLast = true;
  /** One node is asked for everything, since then. */
  #detourSince: number | null = null;
  #unreachableSince: number | null = null;
  #attempts = 0;
  #callOff: (() => void) | null = null;
  #isClosed = false;

  constructor(message: QuerySubMessage, ports: ClusterQueryPorts) {
    this.#message = message;
    this.#ports = ports;
    this.#isWindow = (message.query as Query).limit !== undefined;
    this.#cursors = new ShardCursors(message);
  }

  /** Some of its shards are not where they should be, and are tried again. */
  get isIncomplete(): boolean {
    return this.#callOff !== null;
  }

  get parts(): ReadonlySet<QueryPart> {
    return this.#parts;
  }

  /** Brings every shard's stream to its owner of the moment. */
  reconcile(): void {
    if (this.#isClosed) return;
    this.#learnShards();
    for (const part of [...this.#parts]) if (!part.connection.isReady) this.#drop(part);
    const isComplete = this.#goesThroughOne() ? this.#reconcileOne() : this.#reconcileAll();
    if (!isComplete) this.#retry();
  }

  /** Every wish starts over: the cluster is another one. */
  restart(): void {
    for (const part of [...this.#parts]) this.#drop(part);
    this.#shards = null;
    this.#owesLast = true;
  }

  close(): void {
    this.#isClosed = true;
    this.#callOff?.();
    this.#callOff = null;
    for (const part of [...this.#parts]) this.#drop(part);
  }

  // --- what parts say ----------------------------------------------------------------------------------------------

  onRecords(part: QueryPart, message: QueryRecordsMessage): void {
    const shards = this.#shardsOf(part);
    this.#cursors.begun(shards);
    this.#cursors.take(message.cursors);
    let last = false;
    if (message.last) {
      this.#attempts = 0;
      for (const shard of shards) this.#pending.delete(shard);
      last = this.#owesLast && this.#pending.size === 0;
      if (last) this.#owesLast = false;
    }
    this.#ports.emit({ ...message, queryId: this.#message.queryId, last });
  }

  onReset(part: QueryPart, message: QueryResetMessage): void {
    const { shards } = part;
    const reset = shards === null ? message.shards : message.shards.filter((shard) => shards.includes(shard));
    if (reset.length === 0) return;
    this.#cursors.reset(reset);
    for (const shard of reset) this.#pending.add(shard);
    this.#owesLast = true;
    this.#ports.emit({ ...message, queryId: this.#message.queryId, shards: reset });
  }

  /** The part has ended. `hasProgress`: it is known where else its shards are. */
  onNotOwner(part: QueryPart, _message: NotOwnerMessage, hasProgress: boolean): void {
    this.#drop(part);
    if (hasProgress) this.reconcile();
    else this.#retry();
  }

  onError(part: QueryPart, message: ErrorMessage): void {
    this.#drop(part);
    if (isTransient(message.code)) {
      this.#retry();
      return;
    }
    this.close();
    this.#ports.onEnded(this.#message.queryId);
    this.#ports.emit({ ...message, ref: this.#message.queryId });
  }

  // --- inside ------------------------------------------------------------------------------------------------------

  #learnShards(): void {
    const shardCount = this.#ports.shardCount();
    if (this.#shards !== null || shardCount === null) return;
    const keys = pinnedKeys(this.#message.query as Query);
    const all = Array.from({ length: shardCount }, (_, shard) => shard);
    const pinned = keys === null ? null : new Set(keys.map((key) => shardOfKey(key, shardCount)));
    this.#shards = pinned === null ? all : all.filter((shard) => pinned.has(shard));
    if (this.#owesLast) this.#pending = new Set(this.#shards);
    if (this.#shards.length > 0 || !this.#owesLast) return;
    this.#owesLast = false;
    const { queryId } = this.#message;
    const records = new EntryBatch();
    this.#ports.emit({ type: 'QUERY_RECORDS', queryId, cursors: [], records, initial: true, last: true });
  }

  /** Whether one node is asked for everything: where that is wanted, or because it reaches an owner and this client does not. */
  #goesThroughOne(): boolean {
    const { isSmart, now } = this.#ports;
    if (!isSmart || this.#shards === null) return true;
    const isReachable = this.#shards.every((shard) => {
      const owner = this.#ports.ownerOfShard(shard);
      return owner === null || this.#ports.connectionFor(owner, this.#message.map) !== null;
    });
    if (isReachable) this.#unreachableSince = null;
    else this.#unreachableSince ??= now();
    if (this.#detourSince === null) {
      if (this.#unreachableSince !== null && now() - this.#unreachableSince >= DETOUR_AFTER_MS)
        this.#detourSince = now();
    } else if (isReachable && now() - this.#detourSince >= DETOUR_AFTER_MS) this.#detourSince = null;
    return this.#detourSince !== null;
  }

  #reconcileOne(): boolean {
    for (const part of [...this.#parts]) if (part.shards !== null) this.#drop(part);
    if (this.#shards?.length === 0) return true;
    if (this.#parts.size === 0 && !this.#open(null, null)) return false;
    // A detour ends by itself.
    return this.#detourSince === null;
  }

  #reconcileAll(): boolean {
    const { ownerOfShard } = this.#ports;
    const served = new Set<number>();
    for (const part of [...this.#parts]) {
      const { shards, connection } = part;
      if (shards === null || shards.some((shard) => ownerOfShard(shard) !== connection.nodeId)) this.#drop(part);
      else for (const shard of shards) served.add(shard);
    }
    const free = new Map<string, number[]>();
    let isComplete = true;
    for (const shard of this.#shards ?? []) {
      if (served.has(shard)) continue;
      const owner = ownerOfShard(shard);
      const shards = owner === null ? undefined : free.get(owner);
      if (owner === null) isComplete = false;
      else if (shards === undefined) free.set(owner, [shard]);
      else shards.push(shard);
    }
    for (const [nodeId, shards] of free) {
      if (!this.#open(nodeId, [...this.#merged(nodeId), ...shards])) isComplete = false;
    }
    return isComplete;
  }

  /** Takes down the parts at a node that are to be one with what comes. */
  #merged(nodeId: string): readonly number[] {
    const parts = [...this.#parts].filter(({ connection }) => connection.nodeId === nodeId);
    if (parts.length === 0 || (!this.#isWindow && parts.length < MAX_PARTS_PER_NODE)) return [];
    for (const part of parts) this.#drop(part);
    return parts.flatMap(({ shards }) => shards ?? []);
  }

  /** False: it did not come about. */
  #open(nodeId: string | null, unsorted: readonly number[] | null): boolean {
    const connection = this.#ports.connectionFor(nodeId, this.#message.map);
    const logId = connection?.standing.hello?.logId;
    if (connection === null || logId === undefined) return false;
    if (this.#cursors.bind(logId)) {
      this.#owesLast = true;
      this.#pending = new Set(this.#shards ?? []);
    }
    const shards = unsorted === null ? null : [...unsorted].sort((a, b) => a - b);
    const part: QueryPart = { query: this, connection, shards, wireId: 0 };
    const { logId: heldLogId, cursors } = this.#cursors.of(shards ?? this.#shards ?? []);
    if (!this.#ports.open(part, { ...this.#message, logId: heldLogId, cursors, shards })) return false;
    this.#parts.add(part);
    return true;
  }

  #drop(part: QueryPart): void {
    if (this.#parts.delete(part)) this.#ports.close(part);
  }

  #shardsOf(part: QueryPart): readonly number[] {
    return part.shards ?? this.#shards ?? [];
  }

  #retry(): void {
    if (this.#callOff !== null || this.#isClosed) return;
    this.#callOff = this.#ports.later(this.#attempts++, () => {
      this.#callOff = null;
      this.reconcile();
    });
  }
}
