import {
  type ErrorMessage,
  isTransient,
  type NotOwnerMessage,
  type Query,
  type QueryRecordsMessage,
  type QueryResetMessage,
  type QuerySubMessage,
  type QueryUnsubMessage,
  TopGunError,
} from '@topgunbuild/core';
import type { ReplicaMap } from '../replica/ReplicaMap.js';
import type { PendingOp } from './PendingOp.js';
import { Stream, streamIdentity } from './Stream.js';

export interface StreamsOwner {
  /** False: not sent, a reconnect or drain will follow. */
  send(message: QuerySubMessage | QueryUnsubMessage): boolean;
  /** A stream's state changed and should be stored. */
  onState(stream: Stream): void;
  /** What storage holds of a stream that nobody has opened is not true any more. */
  onForgotten(identity: string): void;
  /** The server refuses a stream for good. */
  onRefused(stream: Stream, error: TopGunError): void;
  /** A stream could not be served for a passing reason: call `retry` later. */
  onTransient(stream: Stream): void;
}

/** Every stream that somebody wants, kept subscribed over whatever connection there is. */
export class Streams {
  readonly #owner: StreamsOwner;
  readonly #byId = new Map<number, Stream>();
  readonly #byIdentity = new Map<string, Stream>();
  readonly #byMap = new Map<string, Set<Stream>>();
  /** States from storage of streams that nobody has opened yet. */
  #stored = new Map<string, Uint8Array>();
  /** Subscriptions that found no room in the socket. */
  readonly #unsent = new Set<Stream>();
  readonly #inDoubt = new Set<Stream>();
  #nextId = 1;

  constructor(owner: StreamsOwner) {
    this.#owner = owner;
  }

  /** The stream of `query` (checked) on `map`; one for all who ask for the same. Pair with `close`. */
  open(map: ReplicaMap, query: Query): Stream {
    const identity = streamIdentity(map.name, query);
    let stream = this.#byIdentity.get(identity);
    if (stream === undefined) {
      stream = new Stream(this.#nextId++, map, query);
      const stored = this.#stored.get(identity);
      if (stored !== undefined) stream.restoreState(stored);
      this.#stored.delete(identity);
      this.#byIdentity.set(identity, stream);
      this.#byId.set(stream.id, stream);
      const others = this.#byMap.get(map.name) ?? new Set();
      this.#byMap.set(map.name, others.add(stream));
    }
    if (stream.users++ === 0) this.#subscribe(stream);
    return stream;
  }

  close(stream: Stream): void {
    if (--stream.users > 0) return;
    this.#unsent.delete(stream);
    this.#owner.send({ type: 'QUERY_UNSUB', queryId: stream.id });
    if (stream.isWindow) this.#closeWindow(stream);
    // Rows that this one kept up to date are not rows of other windows any more.
    for (const other of this.#byMap.get(stream.map.name) ?? []) if (other.isWindow) other.recheck();
  }

  /**
   * Whether the record of `key` may count as a row of `stream`. Beyond a window there may be records that nobody keeps up to
   * date, such as this client's own writes of long ago.
   */
  standsFor(stream: Stream, key: string): boolean {
    return !stream.knowsMembers || stream.map.newestPending(key) !== null || this.isCovered(stream.map, key);
  }

  /** A server has acked `op`, which counts as pending yet. */
  onAcked(op: PendingOp, shardCount: number): void {
    for (const stream of this.#byMap.get(op.map) ?? []) {
      if (!stream.onAcked(op, shardCount)) continue;
      // Once, for all that one message has answered.
      if (this.#inDoubt.size === 0) queueMicrotask(() => this.#askAgain());
      this.#inDoubt.add(stream);
    }
  }

  /** Whether a stream keeps the record of `key`, as it is now, up to date. */
  isCovered(map: ReplicaMap, key: string): boolean {
    for (const stream of this.#byMap.get(map.name) ?? []) if (stream.covers(key)) return true;
    return false;
  }

  #closeWindow(stream: Stream): void {
    // A window has no cursor: what only it kept up to date would grow stale unnoticed.
    const gone = [...stream.members].filter((key) => !this.#isCoveredBeside(stream, key));
    this.#byIdentity.delete(stream.identity);
    this.#byId.delete(stream.id);
    this.#byMap.get(stream.map.name)?.delete(stream);
    stream.map.drop(gone);
  }

  /**
   * Whether another stream keeps `key` up to date, so that it may stay although it left `stream`. A row can leave a window
   * without having changed; a stream that is closed now, and would go on from its cursor, would then never hear of it
   * again, so it has to start over.
   */
  #isCoveredBeside(stream: Stream, key: string): boolean {
    const others = this.#byMap.get(stream.map.name) ?? [];
    for (const other of others) if (other !== stream && other.covers(key)) return true;
    if (!stream.isWindow) return false;
    for (const other of others) {
      if (other.users > 0 || other.isWindow || !other.matches(key)) continue;
      other.forget();
      this.#owner.onForgotten(other.identity);
    }
    for (const identity of [...this.#stored.keys()]) {
      if (!identity.startsWith(`${stream.map.name}\u0000`)) continue;
      this.#stored.delete(identity);
      this.#owner.onForgotten(identity);
    }
    return false;
  }

  /** A connection was made: subscribes everything that is wanted; or what was not sent yet, where the rest is kept. */
  onConnected(isKept: boolean): void {
    if (isKept) {
      this.onDrain();
      return;
    }
    this.#unsent.clear();
    for (const stream of this.#byId.values()) if (stream.users > 0) this.#subscribe(stream);
  }

  /** The socket has room again. */
  onDrain(): void {
    const unsent = [...this.#unsent];
    this.#unsent.clear();
    for (const stream of unsent) this.#subscribe(stream);
  }

  retry(stream: Stream): void {
    if (stream.users > 0) this.#subscribe(stream);
  }

  onReset(message: QueryResetMessage, shardCount: number): void {
    const stream = this.#byId.get(message.queryId);
    if (stream === undefined || stream.users === 0) return;
    stream.onReset(message, shardCount);
    this.#owner.onState(stream);
  }

  onRecords(message: QueryRecordsMessage, logId: string, shardCount: number): void {
    const stream = this.#byId.get(message.queryId);
    if (stream === undefined || stream.users === 0) return;
    const others = [...(this.#byMap.get(stream.map.name) ?? [])].filter((other) => other !== stream);
    const asksAgain = stream.onRecords(message, logId, shardCount, {
      cover: (key) => this.#isCoveredBeside(stream, key),
      toldSince: (key, seq) => others.some((other) => other.hasToldSince(key, seq, logId, shardCount)),
    });
    this.#owner.onState(stream);
    if (asksAgain) this.#subscribeAnew(stream);
  }

  /** Its shards have moved: wherever the provider takes it next, it goes on from its cursors. */
  onNotOwner(message: NotOwnerMessage): void {
    const stream = this.#byId.get(message.ref);
    if (stream !== undefined) this.#owner.onTransient(stream);
  }

  /** An error that names a query. */
  onError(message: ErrorMessage): void {
    const stream = message.ref === null ? undefined : this.#byId.get(message.ref);
    if (stream === undefined) return;
    if (isTransient(message.code)) {
      this.#owner.onTransient(stream);
      return;
    }
    const error = new TopGunError(message.code, message.message);
    stream.onRefused(error, (key) => this.#isCoveredBeside(stream, key));
    this.#owner.onState(stream);
    this.#owner.onRefused(stream, error);
  }

  /** Takes over states from storage, by identity. */
  restore(states: Map<string, Uint8Array>): void {
    this.#stored = states;
    for (const [identity, stream] of this.#byIdentity) {
      const state = states.get(identity);
      if (state === undefined) continue;
      stream.restoreState(state);
      states.delete(identity);
    }
  }

  /** Replaces every stream by one that knows nothing, for another subject; users keep theirs. */
  forget(): void {
    this.#stored.clear();
    for (const stream of this.#byId.values()) stream.forget();
  }

  #askAgain(): void {
    const streams = [...this.#inDoubt];
    this.#inDoubt.clear();
    for (const stream of streams) {
      this.#owner.onState(stream);
      if (stream.users > 0) this.#subscribeAnew(stream);
    }
  }

  /** Under another id: what is under way to the former one would tell of shards that it will not send in full. */
  #subscribeAnew(stream: Stream): void {
    this.#owner.send({ type: 'QUERY_UNSUB', queryId: stream.id });
    this.#byId.delete(stream.id);
    stream.id = this.#nextId++;
    this.#byId.set(stream.id, stream);
    this.#subscribe(stream);
  }

  #subscribe(stream: Stream): void {
    if (!this.#owner.send(stream.subscription())) this.#unsent.add(stream);
  }
}
