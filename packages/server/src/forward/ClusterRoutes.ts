import {
  decodeServerMessage,
  type EntryBatch,
  type Runtime,
  readRecordsHead,
  shardOfKey,
  type Timer,
  type TopGunError,
} from '@topgunbuild/core';
import type { Identity } from '../auth/Authenticator.js';
import type { Logger } from '../Logger.js';
import type { Counters } from '../metrics/Counters.js';
import { REFUSALS } from '../session/Refusal.js';
import type { RouteUser, SessionRoutes } from '../session/Routing.js';
import type { DataPlane, Stream, StreamSink, SubscribeSpec, WriteDone } from '../shard/DataPlane.js';
import { ClusterQuery } from './ClusterQuery.js';
import { ForwardedWrite } from './ForwardedWrite.js';
import type { OriginEnd } from './OriginEnd.js';
import type { Owners } from './Owners.js';
import { encodePassport } from './passport.js';
import { type Leg, type RemoteOwner, RemoteSession } from './RemoteSession.js';
import { retryDelay } from './retryDelay.js';

export interface RoutesPorts {
  readonly nodeId: string;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly plane: DataPlane;
  readonly owners: Owners;
  /** For the operations of all sessions that other nodes have to take. */
  readonly budget: ByteBudget;
  /** The way to another node; null: this node stops. */
  link(nodeId: string): OriginEnd | null;
  onClosed(routes: ClusterRoutes): void;
}

/** Bytes that may be held in all. */
export interface ByteBudget {
  /** False: that would be too much, and nothing was taken. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** Ops that no node has taken within this time are refused, for the client to send again. */
const GIVE_UP_MS = 5_000;

interface Waiting {
  readonly leg: Leg;
  readonly timer: Timer;
}

/** The data of the whole cluster for one session: what is here directly, the rest by a virtual session at each owner. */
export class ClusterRoutes implements SessionRoutes, RemoteOwner {
  readonly #user: RouteUser;
  readonly #ports: RoutesPorts;
  readonly #remotes = new Map<string, RemoteSession>();
  readonly #queries = new Map<number, ClusterQuery>();
  /** Ops that nobody has taken yet, until they are sent again. */
  readonly #waiting = new Set<Waiting>();
  readonly #localSink: StreamSink;
  #identity: Identity;
  /** Made when the first other node is to be reached: most sessions of clients that route never need it. */
  #passport: Uint8Array | null = null;
  /** Bytes of the budget that this session has taken. */
  #heldBytes = 0;
  #isClosed = false;

  constructor(user: RouteUser, ports: RoutesPorts) {
    this.#user = user;
    this.#ports = ports;
    this.#identity = user.identity;
    const { outbox } = user;
    this.#localSink = {
      get hasRoom(): boolean {
        return outbox.hasRoom;
      },
      send: (frame) => this.#onLocalFrame(frame),
    };
  }

  get hasRoom(): boolean {
    return this.#user.outbox.hasRoom;
  }

  /** Whether ops wait for an owner. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  // --- session -----------------------------------------------------------------------------------------------------

  write(batch: EntryBatch, indexes: readonly number[] | null, done: WriteDone): void {
    const rows = indexes ?? Array.from({ length: batch.count }, (_, index) => index);
    if (rows.length === 0) {
      done([], []);
      return;
    }
    const { runtime } = this.#ports;
    const write = new ForwardedWrite(batch, rows.length, runtime.monotonic() + GIVE_UP_MS, (rejected) => {
      this.#giveBack(write.heldBytes);
      done(rejected, []);
    });
    this.#dispatch({ write, indexes: rows, attempt: 0 });
  }

  subscribe(spec: SubscribeSpec, onFailed: (error: TopGunError) => void): Stream {
    const { nodeId, plane, owners, counters } = this.#ports;
    const query: ClusterQuery = new ClusterQuery(spec, {
      nodeId,
      plane,
      owners,
      counters,
      localSink: this.#localSink,
      send: (frame) => this.#user.outbox.send(frame),
      remote: (id) => this.#remote(id),
      later: (attempts, run) => this.#later(attempts, run),
      onFailed,
      onClosed: () => {
        if (this.#queries.get(spec.queryId) === query) this.#queries.delete(spec.queryId);
      },
    });
    this.#queries.set(spec.queryId, query);
    try {
      query.open();
    } catch (error) {
      query.close();
      throw error;
    }
    return query;
  }

  renew(identity: Identity): void {
    this.#identity = identity;
    this.#passport = null;
    for (const remote of this.#remotes.values()) remote.renew(this.#vouch());
  }

  onDrain(): void {
    for (const remote of this.#remotes.values()) remote.onDrain();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { runtime } = this.#ports;
    for (const { timer } of this.#waiting) runtime.clearTimer(timer);
    this.#waiting.clear();
    for (const query of [...this.#queries.values()]) query.close();
    for (const remote of this.#remotes.values()) remote.close();
    this.#remotes.clear();
    this.#ports.budget.give(this.#heldBytes);
    this.#ports.onClosed(this);
  }

  /** Who owns what has changed. */
  onMap(): void {
    for (const query of [...this.#queries.values()]) query.reconcile();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const { leg, timer } of waiting) {
      this.#ports.runtime.clearTimer(timer);
      this.#dispatch(leg);
    }
  }

  // --- other nodes -------------------------------------------------------------------------------------------------

  onNotTaken(leg: Leg): void {
    const { runtime, counters } = this.#ports;
    if (this.#isClosed) return;
    if (runtime.monotonic() >= leg.write.deadline) {
      leg.write.refuseAll(leg.indexes, REFUSALS.unavailable);
      return;
    }
    counters.opsForwardedAgain += leg.indexes.length;
    const delay = Math.min(retryDelay(leg.attempt, runtime), leg.write.deadline - runtime.monotonic());
    const waiting: Waiting = {
      leg: { ...leg, attempt: leg.attempt + 1 },
      timer: runtime.setTimer(delay, () => {
        this.#waiting.delete(waiting);
        this.#dispatch(waiting.leg);
      }),
    };
    this.#waiting.add(waiting);
  }

  onLost(remote: RemoteSession): void {
    if (this.#remotes.get(remote.nodeId) === remote) this.#remotes.delete(remote.nodeId);
  }

  onFailure(error: unknown): void {
    this.#ports.logger.error({ err: error }, 'what another node sent could not be passed on');
  }

  /** Sends each op to where its shard is now. */
  #dispatch(leg: Leg): void {
    const { owners, plane, nodeId } = this.#ports;
    const { write, indexes } = leg;
    const { ids } = owners;
    const { keys } = write.batch;
    const here: number[] = [];
    const nowhere: number[] = [];
    const elsewhere = new Map<string, number[]>();
    for (const index of indexes) {
      const id = ids[shardOfKey(keys[index] as string, plane.shardCount)] ?? null;
      if (id === nodeId) here.push(index);
      else if (id === null) nowhere.push(index);
      else {
        const rows = elsewhere.get(id);
        if (rows === undefined) elsewhere.set(id, [index]);
        else rows.push(index);
      }
    }
    for (const [id, rows] of elsewhere) {
      if (this.#hold(leg, rows)) this.#forward(id, { ...leg, indexes: rows });
    }
    if (nowhere.length > 0 && this.#hold(leg, nowhere)) this.onNotTaken({ ...leg, indexes: nowhere });
    if (here.length > 0) this.#writeHere({ ...leg, indexes: here });
  }

  /** Takes these ops, which have to wait for another node, on the budget; once. False: they were refused. */
  #hold({ write, attempt }: Leg, indexes: readonly number[]): boolean {
    if (attempt > 0) return true;
    const bytes = write.bytesOf(indexes);
    if (!this.#ports.budget.take(bytes)) {
      write.refuseAll(indexes, REFUSALS.inFlight);
      return false;
    }
    write.heldBytes += bytes;
    this.#heldBytes += bytes;
    return true;
  }

  #giveBack(bytes: number): void {
    if (this.#isClosed) return;
    this.#heldBytes -= bytes;
    this.#ports.budget.give(bytes);
  }

  #writeHere(leg: Leg): void {
    const { write, indexes } = leg;
    const all = indexes.length === write.batch.count ? null : indexes;
    this.#user.writeHere(write.batch, all, (rejected, notOwner) => {
      if (notOwner.length > 0) this.onNotTaken({ ...leg, indexes: notOwner });
      write.refuse(rejected);
      const settled = indexes.length - rejected.length - notOwner.length;
      if (settled > 0) write.settle(settled);
    });
  }

  #forward(nodeId: string, leg: Leg): void {
    const { owners, counters } = this.#ports;
    const remote = this.#remote(nodeId);
    if (remote === null) {
      this.onNotTaken(leg);
      return;
    }
    counters.opsForwarded += leg.indexes.length;
    remote.write(leg, owners.mapVersion);
  }

  #remote(nodeId: string): RemoteSession | null {
    const known = this.#remotes.get(nodeId);
    if (known !== undefined) return known;
    const end = this.#isClosed ? null : this.#ports.link(nodeId);
    if (end === null) return null;
    const remote = new RemoteSession(nodeId, this, (user) => end.open(this.#vouch(), user));
    this.#remotes.set(nodeId, remote);
    return remote;
  }

  #vouch(): Uint8Array {
    this.#passport ??= encodePassport({ clientId: this.#user.clientId, identity: this.#identity });
    return this.#passport;
  }

  #later(attempts: number, run: () => void): () => void {
    const { runtime } = this.#ports;
    const timer = runtime.setTimer(retryDelay(attempts, runtime), run);
    return () => runtime.clearTimer(timer);
  }

  #onLocalFrame(frame: Uint8Array): void {
    const head = readRecordsHead(frame);
    if (head !== null) {
      this.#queries.get(head.queryId)?.onLocalRecords(frame, head);
      return;
    }
    const message = decodeServerMessage(frame);
    if (message.type === 'QUERY_RESET') this.#queries.get(message.queryId)?.onLocalReset(message);
  }
}
