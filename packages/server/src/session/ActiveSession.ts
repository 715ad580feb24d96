import {
  type EntryBatch,
  type ErrorCode,
  encodeMessage,
  type NotOwnerShard,
  type OpBatchMessage,
  type QuerySubMessage,
  type RejectedOp,
  shardOfKey,
  TopGunError,
  type TopicPubMessage,
  utf8Length,
  validateValue,
} from '@topgunbuild/core';
import type { Identity } from '../auth/Authenticator.js';
import { Verdicts } from '../permissions/Verdicts.js';
import type { WriteDone } from '../shard/DataPlane.js';
import { ackRanges } from './ackRanges.js';
import { ownersOf, whenMapIs } from './ClusterView.js';
import { OpGate } from './OpGate.js';
import type { Outbox } from './Outbox.js';
import { REFUSALS, type Refusal, tellable } from './Refusal.js';
import type { SessionRoutes } from './Routing.js';
import type { SessionPorts } from './SessionPorts.js';
import { Subscriptions } from './Subscriptions.js';

/** Bytes of operations that one session may have on their way to the log, in frames of the largest size. */
const MAX_FRAMES_IN_FLIGHT = 2;
/** Batches that may wait for a newer map at a time: whoever has more to send can as well be told the owners. */
const MAX_WAITING_FOR_MAP = 64;

/** What a session does once it is known who is on the other end. */
export class ActiveSession {
  readonly clientId: string;
  readonly #ports: SessionPorts;
  readonly #outbox: Outbox;
  readonly #onIdle: () => void;
  /** Null: what this node does not own cannot be reached from here. */
  readonly #routes: SessionRoutes | null;
  readonly #subscriptions: Subscriptions;
  #verdicts: Verdicts;
  #gate: OpGate;
  #batchesInFlight = 0;
  #bytesInFlight = 0;
  #waitingForMap = 0;
  #refusesOps = false;

  /** `onIdle` is called whenever the last batch under way has been answered. */
  constructor(ports: SessionPorts, outbox: Outbox, clientId: string, identity: Identity, onIdle: () => void) {
    this.clientId = clientId;
    this.#ports = ports;
    this.#outbox = outbox;
    this.#onIdle = onIdle;
    this.#verdicts = new Verdicts(identity, ports.permissions);
    this.#gate = new OpGate(ports, clientId, this.#verdicts);
    const writeHere = this.#writeHere.bind(this);
    this.#routes = ports.routing?.open({ clientId, identity, outbox, writeHere }) ?? null;
    this.#subscriptions = new Subscriptions(ports, outbox, this.#routes);
  }

  get identity(): Identity {
    return this.#verdicts.identity;
  }

  get isIdle(): boolean {
    return this.#batchesInFlight === 0;
  }

  /** The same subject with another token: from here on its claims count, for what is open as well. */
  renew(identity: Identity): void {
    this.#verdicts = new Verdicts(identity, this.#ports.permissions);
    this.#gate = new OpGate(this.#ports, this.clientId, this.#verdicts);
    this.#routes?.renew(identity);
    this.#subscriptions.rejudge(this.#verdicts);
  }

  /** Answers operations from now on with SHUTTING_DOWN. */
  refuseOps(): void {
    this.#refusesOps = true;
  }

  onOpBatch(message: OpBatchMessage, frameBytes: number): void {
    const { batchId, ops } = message;
    const { counters, limits, rates } = this.#ports;
    if (ops.count > limits.maxBatchOps) {
      throw new TopGunError('TOO_LARGE', `a batch has at most ${limits.maxBatchOps} operations`);
    }
    counters.opsReceived += ops.count;
    const overall = this.#refuseAll(frameBytes);
    if (overall !== null) {
      this.#answer(batchId, ops, refuseEach(ops.count, overall), []);
      return;
    }
    const rejected: RejectedOp[] = [];
    const accepted = this.#gate.judge(ops, rates.take(this.#rateOwner(), ops.count), rejected);
    if (rejected.length === ops.count) this.#answer(batchId, ops, rejected, []);
    else this.#write(message, accepted, rejected, frameBytes);
  }

  onQuerySub(message: QuerySubMessage): void {
    this.#guarded(message.queryId, () => {
      this.#spend();
      this.#subscriptions.openQuery(message, this.#verdicts);
    });
  }

  onQueryUnsub(queryId: number): void {
    this.#subscriptions.closeQuery(queryId);
  }

  onTopicSub(topic: string): void {
    this.#guarded(null, () => {
      this.#spend();
      this.#subscriptions.openTopic(topic, this.#verdicts);
    });
  }

  onTopicUnsub(topic: string): void {
    this.#subscriptions.closeTopic(topic);
  }

  onTopicPub({ topic, payload }: TopicPubMessage): void {
    this.#guarded(null, () => {
      this.#spend();
      this.#checkPublication(topic, payload);
      this.#ports.counters.topicPublished++;
      this.#ports.topics.publish(topic, payload, this.clientId, this.#ports.runtime.now());
    });
  }

  onDrain(): void {
    this.#routes?.onDrain();
    this.#subscriptions.resume();
  }

  close(): void {
    this.#subscriptions.close();
    this.#routes?.close();
  }

  sendError(code: ErrorCode, message: string, ref: number | null): void {
    this.#ports.counters.errorsSent.add(code);
    this.#outbox.send(encodeMessage({ type: 'ERROR', code, message, ref }));
  }

  #write(
    message: OpBatchMessage,
    accepted: readonly number[] | null,
    rejected: readonly RejectedOp[],
    frameBytes: number,
  ): void {
    const { batchId, ops } = message;
    this.#batchesInFlight++;
    this.#bytesInFlight += frameBytes;
    const done: WriteDone = (refused, notOwner) => {
      this.#bytesInFlight -= frameBytes;
      this.#batchesInFlight--;
      this.#answer(batchId, ops, inOrder(rejected, refused), notOwner);
      if (this.#batchesInFlight === 0) this.#onIdle();
    };
    if (this.#routes !== null && !message.routed) this.#routes.write(ops, accepted, done);
    else this.#writeRouted(message, accepted, done);
  }

  /** Whoever sends to this node because of a newer map is not turned away for knowing more. */
  #writeRouted({ ops, mapVersion }: OpBatchMessage, accepted: readonly number[] | null, done: WriteDone): void {
    const { cluster, plane, runtime } = this.#ports;
    const write = (): void => this.#writeHere(ops, accepted, done);
    const isBehind = cluster !== null && mapVersion > cluster.map.version;
    const owns = (key: string): boolean => plane.owns(shardOfKey(key, plane.shardCount));
    if (!isBehind || this.#waitingForMap >= MAX_WAITING_FOR_MAP || ops.keys.every(owns)) {
      write();
      return;
    }
    this.#waitingForMap++;
    whenMapIs(cluster, mapVersion, runtime, () => {
      this.#waitingForMap--;
      write();
    });
  }

  #writeHere(ops: EntryBatch, accepted: readonly number[] | null, done: WriteDone): void {
    const { permissions, plane } = this.#ports;
    if (!permissions.guardsRows) {
      plane.write(ops, accepted, done);
      return;
    }
    const rejected: RejectedOp[] = [];
    const rows = this.#gate.judgeRows(ops, accepted, rejected);
    if (rows.length === 0) {
      done(rejected, []);
      return;
    }
    const release = this.#guardRows(ops, rows);
    plane.write(ops, rows, (refused, notOwner) => {
      release();
      done([...rejected, ...refused], notOwner);
    });
  }

  /** Marks the keys as being written; returns how to take the marks away. */
  #guardRows(ops: EntryBatch, rows: readonly number[]): () => void {
    const { rowGuard } = this.#ports;
    const { subject } = this.identity;
    for (const row of rows) rowGuard.enter(ops.maps[row] as string, ops.keys[row] as string, subject);
    return () => {
      for (const row of rows) rowGuard.leave(ops.maps[row] as string, ops.keys[row] as string);
    };
  }

  #refuseAll(frameBytes: number): Refusal | null {
    if (this.#refusesOps) return REFUSALS.stopping;
    const most = this.#ports.limits.maxFrameBytes * MAX_FRAMES_IN_FLIGHT;
    return this.#bytesInFlight > 0 && this.#bytesInFlight + frameBytes > most ? REFUSALS.inFlight : null;
  }

  /** `notOwner`: indexes of ops that were not taken because their shards are another node's. */
  #answer(batchId: number, ops: EntryBatch, rejected: readonly RejectedOp[], notOwner: readonly number[]): void {
    const { counters } = this.#ports;
    counters.opsAcked += ops.count - rejected.length - notOwner.length;
    for (const { code } of rejected) counters.opsRejected.add(code);
    const ranges = ackRanges(ops.count, rejected, notOwner);
    const moved = notOwner.length === 0 ? [] : this.#ownersOf(ops, notOwner);
    this.#outbox.send(encodeMessage({ type: 'OP_ACK', batchId, ranges, rejected, notOwner: moved }));
  }

  #ownersOf(ops: EntryBatch, indexes: readonly number[]): NotOwnerShard[] {
    const { plane, cluster, nodeId, counters } = this.#ports;
    counters.notOwner += indexes.length;
    const shards = new Set(indexes.map((index) => shardOfKey(ops.keys[index] as string, plane.shardCount)));
    return ownersOf(cluster?.map ?? this.#ports.partitionMap(), shards, nodeId);
  }

  #checkPublication(topic: string, payload: Uint8Array): void {
    const { limits } = this.#ports;
    const name = JSON.stringify(topic);
    if (topic === '' || utf8Length(topic) > limits.maxNameBytes) {
      throw new TopGunError('TOO_LARGE', `a topic has a name of 1 to ${limits.maxNameBytes} bytes`);
    }
    if (!this.#verdicts.for('publish', topic).allowed) {
      throw new TopGunError('FORBIDDEN', `not allowed to publish to topic ${name}`);
    }
    if (payload.length > limits.maxValueBytes) {
      throw new TopGunError('TOO_LARGE', `the message to topic ${name} exceeds ${limits.maxValueBytes} bytes`);
    }
    if (!validateValue(payload, 0, payload.length, limits.maxValueDepth)) {
      throw new TopGunError('INVALID_VALUE', `the message to topic ${name} is not a well-formed value`);
    }
  }

  /** One token for anything that makes the node work. */
  #spend(): void {
    if (this.#ports.rates.take(this.#rateOwner(), 1) === 1) return;
    throw new TopGunError('RATE_LIMITED', 'too many requests; slow down');
  }

  /** Without authentication every client is the same subject, so there the client is what gets a bucket. */
  #rateOwner(): string {
    const { subject } = this.identity;
    return subject === '' ? `client ${this.clientId}` : `subject ${subject}`;
  }

  /** What is refused is told to the peer, and leaves the session alive. */
  #guarded(ref: number | null, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof TopGunError)) throw error;
      const { code, message } = tellable(error);
      this.sendError(code, message, ref);
    }
  }
}

/** By index: at which step an operation was refused is nobody's business. */
function inOrder(first: readonly RejectedOp[], then: readonly RejectedOp[]): readonly RejectedOp[] {
  if (first.length === 0 && then.length < 2) return then;
  return [...first, ...then].sort((a, b) => a.index - b.index);
}

function refuseEach(count: number, { code, message }: Refusal): RejectedOp[] {
  return Array.from({ length: count }, (_, index) => ({ index, code, message }));
}
