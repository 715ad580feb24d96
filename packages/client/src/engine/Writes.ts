import {
  compareTimestamps,
  decodeTotals,
  decodeValue,
  encodeStamps,
  type Limits,
  type Runtime,
  Tag,
  type Timestamp,
  TopGunError,
} from '@topgunbuild/core';
import type { Replica } from '../replica/Replica.js';
import type { ReplicaMap } from '../replica/ReplicaMap.js';
import type { StorageWriter } from '../storage/StorageWriter.js';
import type { WriteRejection } from './ClientEvents.js';
import { CounterTotals } from './CounterTotals.js';
import { OpLog } from './OpLog.js';
import { PendingOp } from './PendingOp.js';
import { operationsOf } from './reoffer.js';
import { restamp, stampAnew } from './restamp.js';
import type { ReplicaClock, ServerClock } from './ServerClock.js';
import { Write } from './Write.js';

export interface WritesPorts {
  readonly runtime: Runtime;
  readonly replica: Replica;
  readonly clock: ServerClock;
  /** The clock of the replica that writes now. */
  replicaClock(): ReplicaClock;
  limits(): Limits;
  /** There is storage, though it may not be open yet. */
  readonly hasStorage: boolean;
  /** Where operations are stored; null without storage, or while none is open. */
  writer(): StorageWriter | null;
  /** The replica's clock is hopelessly ahead: goes on as a new incarnation, whose clock starts at the time of now. */
  startIncarnation(): void;
  /** There is something to send. */
  onQueued(): void;
  onRejected(rejection: WriteRejection): void;
}

const NO_BYTES = new Uint8Array(0);

/** After so many refusals of its timestamp an operation is refused for good. */
const MAX_DRIFT_REFUSALS = 8;

/** A server whose clock is set back may have taken timestamps that are so far ahead of it now. */
const LATEST_MS = 60 * 60 * 1_000;

/** A clock that is further ahead than this has been wrong, rather than carried along by others. */
const AHEAD_MS = 1_000;

interface FlushWaiter {
  /** Number of the last operation that it waits for. */
  readonly upTo: number;
  readonly resolve: () => void;
  readonly reject: (error: TopGunError) => void;
}

/**
 * The life of a write: applied to the replica at once, stored and queued, then accepted or taken back as the server
 * says. Every operation leaves the log by exactly one of these doors: accepted, rejected, superseded, withdrawn.
 */
export class Writes {
  readonly log = new OpLog();
  readonly #ports: WritesPorts;
  readonly #totals = new CounterTotals();
  #flushWaiters: FlushWaiter[] = [];
  #refusal: TopGunError | null = null;

  constructor(ports: WritesPorts) {
    this.#ports = ports;
  }

  /** Applies an operation at once and queues it. `ttlMs`: 0 = lives for ever. */
  write(map: ReplicaMap, key: string, tag: Tag, value: Uint8Array, ttlMs = 0): Write {
    const op = this.#make(map, key, tag, value, ttlMs);
    const refusal = tooLarge(op, this.#ports.limits());
    if (refusal !== null) return this.#refuse(op, refusal);
    this.#enqueue(map, op, replacedBy(map, op));
    return new Write(op);
  }

  addToCounter(map: ReplicaMap, key: string, delta: number): Write {
    const payload = this.#totals.add(this.#ports.replicaClock().hlc.replica, map.name, key, delta);
    return this.write(map, key, Tag.COUNTER_ADD, payload);
  }

  /** Removes the elements named by `stamps` from an OR set. */
  removeElements(map: ReplicaMap, key: string, stamps: readonly Timestamp[]): Write {
    // An addition that was never sent is simply taken back: nobody else will ever hear of it.
    const sent = stamps.filter((stamp) => !this.#withdraw(map, key, stamp));
    if (sent.length > 0) return this.write(map, key, Tag.OR_REMOVE, encodeStamps(sent.sort(compareTimestamps)));
    const done = this.#make(map, key, Tag.OR_REMOVE, NO_BYTES, 0);
    done.markStored();
    done.markAcked();
    return new Write(done);
  }

  // --- answers -----------------------------------------------------------------------------------------------------

  /** `tellStreams` is called while the operation counts as pending yet. */
  accept(op: PendingOp, tellStreams: () => void): void {
    this.log.remove(op);
    tellStreams();
    if (op.tag === Tag.COUNTER_ADD) this.#totals.accepted(op);
    op.markAcked();
    this.#ports.replica.map(op.map).accept(op);
    this.#ports.writer()?.removeOp(op);
    this.#settled();
  }

  /** The server refused the timestamp, not the write. Returns whether to send it again. */
  stampAnew(op: PendingOp): boolean {
    const { replica, clock } = this.#ports;
    // An element whose addition was taken when it was sent before, and only the answer lost, would be there twice. It
    // waits for the server's clock, if that can ever have been so late.
    if (op.tag === Tag.OR_ADD && op.sendings > 1 && op.ms - clock.now() < LATEST_MS) return true;
    if (op.driftRefusals++ >= MAX_DRIFT_REFUSALS) return false;
    if (this.#ports.replicaClock().isAheadOf(clock.now(), AHEAD_MS)) this.#ports.startIncarnation();
    stampAnew(op, replica, this.#ports.replicaClock());
    op.sendings = 0;
    this.#ports.writer()?.putOp(op);
    replica.map(op.map).rebuild(op.key);
    return true;
  }

  reject(op: PendingOp, error: TopGunError): void {
    const map = this.#ports.replica.map(op.map);
    this.log.remove(op);
    if (op.tag === Tag.COUNTER_ADD) this.#rollBack(map, op);
    op.markRejected(error);
    map.revert(op);
    this.#ports.writer()?.removeOp(op);
    this.#ports.onRejected(rejectionOf(op, error));
    this.#settled();
  }

  /** Resolves when every operation made so far was answered. */
  flushed(): Promise<void> {
    const upTo = this.log.lastNumber;
    if (this.#isSettledUpTo(upTo)) return Promise.resolve();
    if (this.#refusal !== null) return Promise.reject(this.#refusal);
    return new Promise((resolve, reject) => this.#flushWaiters.push({ upTo, resolve, reject }));
  }

  /** Why no server lets this client in; null while none has refused its token. */
  get refusal(): TopGunError | null {
    return this.#refusal;
  }

  /** There will be no answers for the time being: nobody waits for them. */
  set refusal(refusal: TopGunError | null) {
    this.#refusal = refusal;
    if (refusal !== null) this.stopWaiting(refusal);
  }

  /** Ends every wait for answers. */
  stopWaiting(error: TopGunError): void {
    for (const waiter of this.#flushWaiters) waiter.reject(error);
    this.#flushWaiters = [];
  }

  // --- timestamps --------------------------------------------------------------------------------------------------

  /** Operations whose timestamps were taken before the server's time was known. */
  untrusted(): PendingOp[] {
    return [...this.log.ops()].filter((op) => !op.trusted);
  }

  /** Gives operations that no server has seen timestamps of the server's time; they were made `behindMs` later. */
  restamp(ops: readonly PendingOp[], behindMs: number): void {
    const { replica, clock } = this.#ports;
    const writer = this.#ports.writer();
    restamp(ops, behindMs, clock.now(), replica, this.#ports.replicaClock());
    for (const op of ops) {
      if (writer !== null) {
        op.stored = false;
        op.isStoredFirst = true;
        writer.putOp(op);
      }
      replica.map(op.map).rebuild(op.key);
    }
  }

  // --- coming and going --------------------------------------------------------------------------------------------

  /** Takes over an operation from storage; the record below it is loaded already. */
  restore(op: PendingOp): void {
    const map = this.#ports.replica.map(op.map);
    this.log.startAfter(op.number);
    this.#ports.replicaClock().follow(op);
    if (op.tag === Tag.COUNTER_ADD) this.#totals.restore(op, map.baseTotals(op.key, op.replica));
    this.log.add(op);
    map.restore(op);
  }

  /** Empties the log and takes its operations out of the replica, in order to `repeat` them. */
  takeAll(): PendingOp[] {
    const ops = this.log.clear();
    this.#totals.clear();
    for (const op of ops) this.#ports.replica.map(op.map).withdraw(op);
    return ops;
  }

  /** Makes an operation again, under the replica of now. */
  repeat(op: PendingOp): void {
    const map = this.#ports.replica.map(op.map);
    let value = op.value;
    if (op.tag === Tag.COUNTER_ADD) {
      const { replica } = this.#ports.replicaClock().hlc;
      const { added, removed } = decodeTotals(op.value);
      this.#totals.add(replica, map.name, op.key, added);
      value = this.#totals.add(replica, map.name, op.key, -removed);
    }
    const again = this.#make(map, op.key, op.tag, value, op.expires === 0 ? 0 : op.expires - op.ms);
    this.#enqueue(map, again, replacedBy(map, again));
    op.supersedeBy(again);
  }

  /** Takes back operations of a subject that has come back; those that storage had are in the log already. */
  unpark(ops: readonly PendingOp[]): void {
    for (const op of ops) {
      const stored = this.log.get(op.number);
      if (stored !== null) {
        op.supersedeBy(stored);
      } else {
        op.state = 'queued';
        this.restore(op);
        this.#ports.writer()?.putOp(op);
      }
    }
  }

  /** Offers what servers may have lost of this client's answered operations; its replica ids begin with `prefix`. */
  offerAgain(prefix: string): void {
    for (const map of this.#ports.replica.maps()) {
      for (const { key, tag, stamp, expires, value } of operationsOf(map, prefix)) {
        const { ms, counter, replica } = stamp;
        // A pending operation of a counter's slot carries its total: it says this as well, and more.
        if (tag === Tag.COUNTER_ADD && hasPendingTotal(map, key, replica)) continue;
        const op = new PendingOp(this.log.nextNumber(), map.name, key, tag, ms, counter, replica, expires, value, true);
        op.sendings = 1;
        this.#enqueue(map, op, null);
      }
    }
  }

  // --- inside ------------------------------------------------------------------------------------------------------

  #make(map: ReplicaMap, key: string, tag: Tag, value: Uint8Array, ttlMs: number): PendingOp {
    const trusted = this.#ports.clock.isTrusted;
    const clock = this.#ports.replicaClock();
    clock.advance(trusted);
    const { ms, counter, replica } = clock.hlc;
    const expires = ttlMs === 0 ? 0 : ms + ttlMs;
    return new PendingOp(this.log.nextNumber(), map.name, key, tag, ms, counter, replica, expires, value, trusted);
  }

  /** Takes back the addition of an element, if it is pending and was never sent. */
  #withdraw(map: ReplicaMap, key: string, stamp: Timestamp): boolean {
    for (let op = map.newestPending(key); op !== null; op = op.older) {
      if (op.tag !== Tag.OR_ADD || op.everSent || op.state !== 'queued' || compareTimestamps(op, stamp) !== 0) continue;
      this.log.remove(op);
      map.withdraw(op);
      op.markStored();
      op.markAcked();
      this.#ports.writer()?.removeOp(op);
      this.#settled();
      return true;
    }
    return false;
  }

  #enqueue(map: ReplicaMap, op: PendingOp, replaced: PendingOp | null): void {
    const writer = this.#ports.writer();
    if (replaced !== null) {
      replaced.supersedeBy(op);
      this.log.remove(replaced);
      writer?.removeOp(replaced);
    }
    this.log.add(op);
    if (writer !== null) writer.putOp(op);
    else if (!this.#ports.hasStorage) op.stored = true;
    map.applyLocal(op, replaced);
    this.#ports.onQueued();
  }

  /** Answers a write that no server would take, the way a server would. */
  #refuse(op: PendingOp, error: TopGunError): Write {
    op.markStorageFailed(error);
    op.markRejected(error);
    this.#ports.onRejected(rejectionOf(op, error));
    return new Write(op);
  }

  /** A refused counter operation must not live on in the totals of those behind it; none of them was sent yet. */
  #rollBack(map: ReplicaMap, refused: PendingOp): void {
    const without = this.#totals.rollBack(refused);
    for (let op = map.newestPending(refused.key); op !== null && op !== refused; op = op.older) {
      if (op.replica !== refused.replica) continue;
      op.value = without(op.value);
      this.#ports.writer()?.putOp(op);
    }
  }

  #settled(): void {
    if (this.#flushWaiters.length === 0) return;
    const waiting = this.#flushWaiters;
    this.#flushWaiters = waiting.filter((waiter) => !this.#isSettledUpTo(waiter.upTo));
    for (const waiter of waiting) if (this.#isSettledUpTo(waiter.upTo)) waiter.resolve();
  }

  #isSettledUpTo(number: number): boolean {
    const oldest = this.log.oldestNumber;
    return oldest === null || oldest > number;
  }
}

/** The last operation on the key, if it was never sent and `op` says everything that it said. */
function replacedBy(map: ReplicaMap, op: PendingOp): PendingOp | null {
  const newest = map.newestPending(op.key);
  if (newest === null || newest.everSent || newest.state !== 'queued') return null;
  if (isLww(op.tag) && isLww(newest.tag)) return newest;
  const sameSlot = op.tag === Tag.COUNTER_ADD && newest.tag === Tag.COUNTER_ADD && op.replica === newest.replica;
  return sameSlot ? newest : null;
}

function hasPendingTotal(map: ReplicaMap, key: string, replica: string): boolean {
  for (let op = map.newestPending(key); op !== null; op = op.older) {
    if (op.tag === Tag.COUNTER_ADD && op.replica === replica) return true;
  }
  return false;
}

function isLww(tag: Tag): boolean {
  return tag === Tag.LWW_SET || tag === Tag.LWW_REMOVE;
}

function tooLarge(op: PendingOp, limits: Limits): TopGunError | null {
  const over = (what: string, bytes: number, max: number) =>
    new TopGunError('TOO_LARGE', `The ${what} has ${bytes} bytes, ${max} are allowed; store it in parts.`);
  if (op.value.length > limits.maxValueBytes) return over('value', op.value.length, limits.maxValueBytes);
  const key = utf8Size(op.key, limits.maxKeyBytes);
  if (key > limits.maxKeyBytes) return over('key', key, limits.maxKeyBytes);
  const name = utf8Size(op.map, limits.maxNameBytes);
  return name > limits.maxNameBytes ? over('map name', name, limits.maxNameBytes) : null;
}

/** The size of `text` as UTF-8, or any number up to `max` when it is surely not above that. */
function utf8Size(text: string, max: number): number {
  // A UTF-16 unit takes at most three bytes: only then is it worth counting.
  return text.length * 3 <= max ? 0 : new TextEncoder().encode(text).length;
}

function rejectionOf(op: PendingOp, error: TopGunError): WriteRejection {
  const base = { opId: new Write(op).opId, map: op.map, key: op.key, error };
  switch (op.tag) {
    case Tag.LWW_SET:
      return { ...base, operation: 'set', value: decodeValue(op.value) };
    case Tag.OR_ADD:
      return { ...base, operation: 'add', value: decodeValue(op.value) };
    case Tag.COUNTER_ADD:
      return { ...base, operation: 'count', value: decodeTotals(op.value) };
    default:
      return { ...base, operation: 'remove', value: undefined };
  }
}
