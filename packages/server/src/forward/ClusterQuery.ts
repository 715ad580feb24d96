import {
  EntryBatch,
  encodeMessage,
  isTransient,
  pinnedKeys,
  type QueryResetMessage,
  type RecordsHead,
  rewriteRecordsHead,
  shardOfKey,
  TopGunError,
} from '@topgunbuild/core';
import type { Counters } from '../metrics/Counters.js';
import type { DataPlane, Stream, StreamSink, SubscribeSpec } from '../shard/DataPlane.js';
import type { Owners } from './Owners.js';
import type { RemoteSession } from './RemoteSession.js';
import { ShardCursors } from './ShardCursors.js';

export interface ClusterQueryPorts {
  readonly nodeId: string;
  /** What this node owns. */
  readonly plane: DataPlane;
  readonly owners: Owners;
  readonly counters: Counters;
  /** Takes the frames of streams on this node, and hands them to `onLocalRecords` and `onLocalReset`. */
  readonly localSink: StreamSink;
  /** To the client. */
  send(frame: Uint8Array): void;
  /** The session's way to another node; null: this node stops. */
  remote(nodeId: string): RemoteSession | null;
  /** Runs `run` some time later, the later the more `attempts` there were. Returns how to call it off. */
  later(attempts: number, run: () => void): () => void;
  /** The query has ended for good. */
  onFailed(error: TopGunError): void;
  onClosed(): void;
}

/** One stream of one node. Its shards stay the same; when one of them leaves the node the whole part ends. */
interface Part {
  readonly nodeId: string;
  readonly shards: readonly number[];
  /** Ends the stream, so that nothing of it comes any more. */
  close: () => void;
  resume: () => void;
}

/** Beyond so many parts at one node they are made one again. */
const MAX_PARTS_PER_NODE = 4;

/**
 * A live query over shards of several nodes: a stream at each owner, brought together into one. What each shard has sent is
 * noted, so that a shard that moves goes on where it stood, and nothing else is opened anew.
 *
 * `last` means for a client that nothing is missing: it is passed on when every shard has come to its end once, and again
 * after a RESET.
 */
export class ClusterQuery implements Stream {
  readonly #spec: SubscribeSpec;
  readonly #ports: ClusterQueryPorts;
  readonly #shards: readonly number[];
  readonly #isWindow: boolean;
  readonly #cursors: ShardCursors;
  readonly #partOf = new Map<number, Part>();
  /** Shards whose rows are not all sent yet. */
  readonly #pending: Set<number>;
  #owesLast = true;
  #attempts = 0;
  #callOff: (() => void) | null = null;
  #isClosed = false;

  constructor(spec: SubscribeSpec, ports: ClusterQueryPorts) {
    this.#spec = spec;
    this.#ports = ports;
    this.#isWindow = spec.query.limit !== undefined;
    this.#shards = concerned(spec, ports.plane.shardCount);
    this.#pending = new Set(this.#shards);
    this.#cursors = new ShardCursors(spec, ports.plane);
  }

  /** @throws TopGunError when the query is refused here */
  open(): void {
    if (this.#shards.length > 0) {
      this.#bringHome();
      return;
    }
    const { queryId } = this.#spec;
    const records = new EntryBatch();
    const nothing = { type: 'QUERY_RECORDS', queryId, cursors: [], records, initial: true, last: true } as const;
    this.#ports.send(encodeMessage(nothing));
  }

  /** Brings every shard's stream to its owner of the moment. */
  reconcile(): void {
    if (this.#isClosed) return;
    try {
      this.#bringHome();
    } catch (error) {
      this.#fail(error instanceof TopGunError ? error : new TopGunError('INTERNAL', 'the query failed; try again'));
    }
  }

  #bringHome(): void {
    const { ids } = this.#ports.owners;
    for (const shard of this.#shards) {
      const part = this.#partOf.get(shard);
      if (part !== undefined && part.nodeId !== ids[shard]) this.#drop(part);
    }
    const free = new Map<string, number[]>();
    let isComplete = true;
    for (const shard of this.#shards) {
      if (this.#partOf.has(shard)) continue;
      const id = ids[shard];
      if (id === null || id === undefined) isComplete = false;
      else free.set(id, [...(free.get(id) ?? []), shard]);
    }
    for (const [nodeId, shards] of free) {
      if (this.#isClosed) return;
      if (!this.#openPart(nodeId, [...this.#merged(nodeId), ...shards])) isComplete = false;
    }
    if (!isComplete) this.#retry();
  }

  resume(): void {
    for (const part of new Set(this.#partOf.values())) part.resume();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#callOff?.();
    this.#callOff = null;
    for (const part of new Set(this.#partOf.values())) part.close();
    this.#partOf.clear();
    this.#ports.onClosed();
  }

  /** A frame of a stream on this node, under this query's own id. */
  onLocalRecords(frame: Uint8Array, head: RecordsHead): void {
    // The last message of a catch-up names all its shards; of a window there is one part a node.
    const part = this.#isWindow ? this.#windowHere() : this.#partOf.get(head.cursors[0] ?? -1);
    this.#pass(frame, head, part ?? null);
  }

  onLocalReset({ shards, logId }: QueryResetMessage): void {
    this.#reset(shards, logId);
  }

  // --- parts -------------------------------------------------------------------------------------------------------

  /** Takes down the parts at a node that are to be one with what comes. */
  #merged(nodeId: string): readonly number[] {
    const parts = [...new Set(this.#partOf.values())].filter((part) => part.nodeId === nodeId);
    if (parts.length === 0 || (!this.#isWindow && parts.length < MAX_PARTS_PER_NODE)) return [];
    for (const part of parts) this.#drop(part);
    return parts.flatMap(({ shards }) => shards);
  }

  /** False: it did not come about; it is for the caller to try again. */
  #openPart(nodeId: string, unsorted: readonly number[]): boolean {
    const shards = [...unsorted].sort((a, b) => a - b);
    const part: Part = { nodeId, shards, close: () => undefined, resume: () => undefined };
    for (const shard of shards) this.#partOf.set(shard, part);
    const isOpen = nodeId === this.#ports.nodeId ? this.#openHere(part) : this.#openAt(part);
    if (!isOpen) this.#drop(part);
    return isOpen;
  }

  #openHere(part: Part): boolean {
    const { plane, localSink, counters } = this.#ports;
    const { shards } = part;
    const spec = { ...this.#spec, ...this.#cursors.of(shards), shards, onMoved: () => this.#lost(part) };
    try {
      const stream = plane.subscribe(spec, localSink);
      // Its first frames may have ended the session.
      if (this.#isClosed) {
        stream.close();
        return true;
      }
      part.close = () => stream.close();
      part.resume = () => stream.resume();
      counters.queryPartsHere++;
      return true;
    } catch (error) {
      if (error instanceof TopGunError && isTransient(error.code)) return false;
      throw error;
    }
  }

  #openAt(part: Part): boolean {
    const remote = this.#ports.remote(part.nodeId);
    if (remote === null) return false;
    const { map, query } = this.#spec;
    const { shards } = part;
    const id = remote.subscribe(
      { map, query: { ...query }, ...this.#cursors.of(shards), shards },
      {
        onRecords: (frame, head) => this.#pass(frame, head, part),
        onReset: (message) => this.#onRemoteReset(part, message),
        onMoved: () => this.#lost(part),
        onError: (error) => (isTransient(error.code) ? this.#lost(part) : this.#fail(error)),
      },
    );
    part.close = () => remote.unsubscribe(id);
    this.#ports.counters.queryPartsElsewhere++;
    return true;
  }

  /** The stream has ended by itself. */
  #lost(part: Part): void {
    if (this.#isClosed) return;
    part.close = () => undefined;
    this.#drop(part);
    this.#retry();
  }

  #drop(part: Part): void {
    for (const shard of part.shards) if (this.#partOf.get(shard) === part) this.#partOf.delete(shard);
    part.close();
  }

  #retry(): void {
    if (this.#callOff !== null || this.#isClosed) return;
    this.#callOff = this.#ports.later(this.#attempts++, () => {
      this.#callOff = null;
      this.reconcile();
    });
  }

  #fail(error: TopGunError): void {
    if (this.#isClosed) return;
    this.close();
    this.#ports.onFailed(error);
  }

  #windowHere(): Part | null {
    for (const part of this.#partOf.values()) if (part.nodeId === this.#ports.nodeId) return part;
    return null;
  }

  // --- frames ------------------------------------------------------------------------------------------------------

  #pass(frame: Uint8Array, head: RecordsHead, part: Part | null): void {
    if (this.#isClosed) return;
    if (part !== null) this.#cursors.begun(part.shards);
    this.#cursors.take(head.cursors);
    let last = false;
    if (head.last && part !== null) {
      this.#attempts = 0;
      for (const shard of part.shards) this.#pending.delete(shard);
      last = this.#owesLast && this.#pending.size === 0;
      if (last) this.#owesLast = false;
    }
    const { queryId } = this.#spec;
    const isRight = head.queryId === queryId && head.last === last;
    this.#ports.send(isRight ? frame : rewriteRecordsHead(frame, head, queryId, last));
  }

  #onRemoteReset(part: Part, { shards, logId }: QueryResetMessage): void {
    this.#reset(
      shards.filter((shard) => part.shards.includes(shard)),
      logId,
    );
  }

  #reset(shards: readonly number[], logId: string): void {
    if (this.#isClosed || shards.length === 0) return;
    this.#cursors.reset(shards);
    for (const shard of shards) this.#pending.add(shard);
    this.#owesLast = true;
    this.#ports.send(encodeMessage({ type: 'QUERY_RESET', queryId: this.#spec.queryId, logId, shards }));
  }
}

/** The shards that can hold rows of the query, ascending. */
function concerned({ query }: SubscribeSpec, shardCount: number): readonly number[] {
  const keys = pinnedKeys(query);
  if (keys === null) return Array.from({ length: shardCount }, (_, shard) => shard);
  return [...new Set(keys.map((key) => shardOfKey(key, shardCount)))].sort((a, b) => a - b);
}
