import { EntryBatch, isTransient, type OpAckMessage, type Runtime, type Timer, TopGunError } from '@topgunbuild/core';
import type { SentBatch } from '../connection/ConnectionProvider.js';
import type { OpLog } from './OpLog.js';
import type { PendingOp } from './PendingOp.js';

/** How many operations and bytes go into one batch, and how many bytes may be under way. */
export interface SendWindow {
  readonly batchOps: number;
  readonly batchBytes: number;
  readonly inFlightBytes: number;
}

export const DEFAULT_WINDOW: SendWindow = { batchOps: 1_000, batchBytes: 32 * 1024, inFlightBytes: 128 * 1024 };

export interface SenderPorts {
  readonly runtime: Runtime;
  readonly log: OpLog;
  isConnected(): boolean;
  /** Hands operations to connections; those in none of the returned batches were not sent. */
  send(ops: EntryBatch, nextBatchId: () => number): readonly SentBatch[];
  onAccepted(op: PendingOp): void;
  onRejected(op: PendingOp, error: TopGunError): void;
  /** The server refused the timestamp. Returns whether to send the operation again: it has another one then. */
  onDrift(op: PendingOp): boolean;
}

/** A batch that nobody answers although the connection lives is sent again after this time. */
const ANSWER_TIMEOUT_MS = 30_000;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;

/**
 * Sends what is in the op-log and takes in the answers. An operation leaves the log when it was accepted or refused for
 * good, and only then; one that was refused for a passing reason waits aside, so that it holds up nobody else.
 */
export class Sender {
  readonly #ports: SenderPorts;
  readonly #window: SendWindow;
  #scheduled = false;
  /** Nothing is sent while paused. */
  #paused = true;
  #nextBatchId = 1;
  /** Refused for a passing reason, until the retry timer. */
  #aside: PendingOp[] = [];
  #retry: Timer | null = null;
  #retries = 0;
  #watchdog: Timer | null = null;

  constructor(ports: SenderPorts, window: SendWindow = DEFAULT_WINDOW) {
    this.#ports = ports;
    this.#window = window;
  }

  /**
   * Sends soon, so that writes made together travel together. While answers are outstanding it waits for the end of the
   * turn: several may arrive in it, from several nodes, and each lets the application write again.
   */
  schedule(): void {
    if (this.#scheduled || this.#paused) return;
    this.#scheduled = true;
    const { runtime, log } = this.#ports;
    if (log.inFlightBytes > 0 && runtime.afterTurn !== undefined) runtime.afterTurn(this.#run);
    else queueMicrotask(this.#run);
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    this.#pump();
  };

  /** Operations that had to wait for others, or for storage, may go now. */
  release(): void {
    this.#ports.log.releaseHeld();
    this.schedule();
  }

  resume(): void {
    this.#paused = false;
    this.schedule();
  }

  pause(): void {
    this.#paused = true;
  }

  onAck(message: OpAckMessage): void {
    const { log } = this.#ports;
    const batch = log.answered(message.batchId);
    if (batch === null) return;
    const { ops } = batch;
    for (let i = 0; i + 1 < message.ranges.length; i += 2) {
      const first = message.ranges[i] as number;
      const end = Math.min(ops.length, first + (message.ranges[i + 1] as number));
      for (let index = first; index < end; index++) this.#accepted(ops[index] as PendingOp);
    }
    if (message.ranges.length > 0) this.#retries = 0;
    for (const { index, code, message: reason } of message.rejected) {
      const op = ops[index];
      if (op === undefined || op.isSettled) continue;
      if (isTransient(code) || (code === 'CLOCK_DRIFT' && this.#ports.onDrift(op))) this.#putAside(op);
      else this.#ports.onRejected(op, new TopGunError(code, reason));
    }
    // Whatever the answer did not speak of, or left in doubt, has an unknown outcome, or was not taken because its shard
    // has moved.
    const unanswered = ops.filter((op) => op.state === 'sent' && !this.#aside.includes(op));
    if (message.notOwner.length > 0) for (const op of unanswered) this.#putAside(op);
    else if (unanswered.length > 0) log.requeue(unanswered);
    log.releaseHeld();
    this.schedule();
  }

  /** A node is gone, and with it the answers to what was under way to it. */
  onNodeLost(nodeId: string): void {
    this.#ports.log.nodeLost(nodeId);
    this.schedule();
  }

  close(): void {
    this.#paused = true;
    for (const timer of [this.#retry, this.#watchdog]) if (timer !== null) this.#ports.runtime.clearTimer(timer);
    this.#retry = null;
    this.#watchdog = null;
    this.#aside = [];
  }

  /** One in doubt is sent again: of what it finds then the streams will tell, be it its row or that it has LEFT. */
  #accepted(op: PendingOp): void {
    if (!op.isSettled && !op.isInDoubt) this.#ports.onAccepted(op);
  }

  #pump(): void {
    const { log } = this.#ports;
    while (
      !this.#paused &&
      log.hasQueued &&
      log.inFlightBytes < this.#window.inFlightBytes &&
      this.#ports.isConnected()
    ) {
      const ops = log.takeBatch(this.#window.batchOps, this.#window.batchBytes);
      if (ops.length === 0 || !this.#send(ops)) return;
    }
  }

  /** False: not everything was sent, so the sockets are full. */
  #send(ops: readonly PendingOp[]): boolean {
    const { log, runtime } = this.#ports;
    const batch = new EntryBatch();
    for (const op of ops) op.addTo(batch);
    const sent = this.#ports.send(batch, () => this.#nextBatchId++);
    let count = 0;
    for (const { batchId, nodeId, indexes } of sent) {
      const part = indexes.length === ops.length ? ops : indexes.map((index) => ops[index] as PendingOp);
      for (const op of part) {
        op.sendings++;
        op.isInDoubt = false;
      }
      log.sent(batchId, nodeId, part, runtime.monotonic());
      count += part.length;
    }
    this.#watch();
    if (count === ops.length) return true;
    const taken = new Set(sent.flatMap(({ indexes }) => indexes));
    log.requeue(ops.filter((_, index) => !taken.has(index)));
    return false;
  }

  #putAside(op: PendingOp): void {
    this.#aside.push(op);
    if (this.#retry !== null) return;
    const ceiling = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#retries++);
    const { runtime, log } = this.#ports;
    this.#retry = runtime.setTimer(ceiling * (0.5 + runtime.random() / 2), () => {
      this.#retry = null;
      const aside = this.#aside;
      this.#aside = [];
      log.requeue(aside);
      this.schedule();
    });
  }

  #watch(): void {
    if (this.#watchdog !== null) return;
    const { runtime, log } = this.#ports;
    this.#watchdog = runtime.setTimer(ANSWER_TIMEOUT_MS / 2, () => {
      this.#watchdog = null;
      if (log.giveUpOn(runtime.monotonic() - ANSWER_TIMEOUT_MS) > 0) this.schedule();
      if (log.inFlightBytes > 0) this.#watch();
    });
  }
}
