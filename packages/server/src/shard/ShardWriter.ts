import { type ByteWriter, type EntryBatch, type ErrorCode, type Runtime, TopGunError } from '@topgunbuild/core';
import type { AppendResult, Backbone, LogRecord } from '../backbone/Backbone.js';
import type { Logger } from '../Logger.js';
import type { LatencyRecorder } from './LatencyRecorder.js';
import type { LogExtent } from './LogExtent.js';
import { encodeEntriesRecord, encodeHorizonRecord } from './logRecord.js';
import { PendingRecord, queuedBytes } from './PendingRecord.js';
import type { QueueBudget } from './QueueBudget.js';
import { retryDelay } from './retryDelay.js';
import type { ShardCounts } from './ShardCounts.js';
import type { ShardStore } from './ShardStore.js';
import type { ShardTuning } from './ShardTuning.js';
import { type Refusal, refusalOf, Verdict } from './Verdict.js';
import type { Flight, WriterState } from './WriterState.js';
import type { WriteTicket } from './WriteTicket.js';

export interface WriterOwner {
  /** Ops were queued in an idle writer: `kick` it, together with others, when the caller has handed in everything. */
  hasWork(writer: ShardWriter): void;
  /** The log has grown so much that a snapshot is due. Told once, until `snapshotSaved`. */
  snapshotDue(writer: ShardWriter): void;
  /** Somebody else has written to the log. Nobody waits for this writer any more. */
  fenced(writer: ShardWriter): void;
}

/** What all writers of a node share. */
export interface WriterEnvironment {
  /** Its log is there once it is open, before the first writer begins. */
  readonly backbone: Pick<Backbone, 'log'>;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly tuning: ShardTuning;
  readonly budget: QueueBudget;
  readonly latency: LatencyRecorder;
  readonly bytes: ByteWriter;
  /** Other nodes may take over: what is not in the log then is theirs to take. */
  isClustered(): boolean;
}

/**
 * Merging into a large set writes it anew. Bytes rewritten count as bytes queued at this rate, so that one log record asks
 * for some ten milliseconds of merging at most, and the loop turns between records.
 */
const REWRITTEN_AS_QUEUED = 64;

const CLOSING: Refusal = { code: 'SHUTTING_DOWN', message: 'The node is shutting down. Try again elsewhere or later.' };
const FENCED: Refusal = { code: 'UNAVAILABLE', message: 'This node no longer owns the shard. Try again soon.' };
const OVERLOADED: Refusal = {
  code: 'UNAVAILABLE',
  message: 'Too many writes are waiting for the log. Try again soon.',
};

/**
 * One shard's writes, while this node serves it: queues ops, appends everything queued as one log record, one record at a
 * time, and merges a record only once it is durable. So whatever the store says is durable, and an op may be answered
 * from it.
 */
export class ShardWriter {
  readonly store: ShardStore;
  readonly #extent: LogExtent;
  readonly #counts: ShardCounts;
  readonly #env: WriterEnvironment;
  readonly #owner: WriterOwner;
  #state: WriterState = { name: 'idle' };
  /** Why ops cannot be taken now. Follows from the state; kept because every op asks. */
  #refusal: Refusal | null = null;
  readonly #queue: PendingRecord[] = [];
  #onClosed: (() => void) | null = null;
  /** Scratch of `#merge`. */
  readonly #verdicts: Verdict[] = [];
  #snapshotWanted = false;

  /** `store` is at the head of its log. */
  constructor(store: ShardStore, extent: LogExtent, counts: ShardCounts, env: WriterEnvironment, owner: WriterOwner) {
    this.store = store;
    this.#extent = extent;
    this.#counts = counts;
    this.#env = env;
    this.#owner = owner;
  }

  /** To be called once the writer is in its place. */
  start(): void {
    this.#askForSnapshot();
  }

  get id(): number {
    return this.store.shard;
  }

  get isServing(): boolean {
    return this.#state.name === 'idle' || this.#state.name === 'appending' || this.#state.name === 'recovering';
  }

  /** Why the shard does not take writes, or null. */
  get problem(): string | null {
    const state = this.#state;
    switch (state.name) {
      case 'idle':
        return null;
      case 'appending': {
        const ms = this.#env.runtime.monotonic() - state.flight.startedAt;
        return ms < this.#env.tuning.refuseAfterMs ? null : `shard ${this.id}: the log does not answer`;
      }
      case 'recovering':
        return `shard ${this.id}: the log fails: ${state.error.message}`;
      case 'fenced':
        return `shard ${this.id}: somebody else has written to its log`;
      default:
        return `shard ${this.id} is closed`;
    }
  }

  submit(batch: EntryBatch, index: number, ticket: WriteTicket): void {
    const refusal = this.#refusal;
    if (refusal !== null) {
      this.#counts.opsRejected++;
      ticket.refuse(index, refusal.code, refusal.message);
      return;
    }
    // Answered from what is durable: an op that changes nothing needs no log record.
    const verdict = this.store.judge(batch, index);
    if (verdict !== Verdict.APPLIED) {
      this.#answer(ticket, index, verdict);
      return;
    }
    const bytes = queuedBytes(batch, index) + this.store.rewrites(batch, index) / REWRITTEN_AS_QUEUED;
    if (!this.#env.budget.take(bytes)) {
      this.#counts.opsRejected++;
      ticket.refuse(index, OVERLOADED.code, OVERLOADED.message);
      return;
    }
    this.#openRecord().add(batch, index, ticket, bytes);
  }

  /** Queues a move of the horizon. Nobody is told: it is tried again by and by. */
  proposeHorizon(horizonMs: number): void {
    if (this.#refusal !== null || !this.store.hasCollectable(horizonMs)) return;
    this.#queue.push(new PendingRecord(horizonMs));
    if (this.#state.name === 'idle') this.#owner.hasWork(this);
  }

  /** Appends what is queued, unless an append is under way: then it follows by itself. Returns how many ops it appends. */
  kick(): number {
    if (this.#state.name !== 'idle') return 0;
    for (let record = this.#queue.shift(); record !== undefined; record = this.#queue.shift()) {
      const bytes = this.#encode(record);
      if (bytes === null) continue;
      const flight = {
        record,
        bytes,
        expectedSeq: this.store.appliedSeq,
        startedAt: this.#env.runtime.monotonic(),
      };
      this.#enter({ name: 'appending', flight });
      this.#append(flight);
      return record.entries.count;
    }
    this.#closeWhenDrained();
    return 0;
  }

  /** Takes no more ops, and resolves when those queued are durable or refused. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#state.name === 'closed') {
        resolve();
        return;
      }
      this.#onClosed = resolve;
      this.#refusal = CLOSING;
      if (this.#state.name === 'recovering' && this.#state.isRefusing) this.#giveUp(this.#state.error.code);
      this.kick();
      this.#closeWhenDrained();
    });
  }

  /** Another node is to take over: what is queued is its business, what is on its way to the log is waited for. */
  handOver(): Promise<void> {
    for (const record of this.#queue.splice(0)) this.#move(record);
    return this.close();
  }

  /** The log has records of somebody else behind what this writer has. */
  succeeded(): void {
    if (this.#state.name === 'idle') this.#stepDown();
  }

  /** Waits no longer for what is on its way to the log. */
  abandon(): void {
    if (this.#state.name === 'closed') return;
    this.#giveUp('UNAVAILABLE');
    this.#endClosed();
  }

  /** A snapshot stands for what of the log was there at that time. */
  snapshotSaved(...saved: Parameters<LogExtent['saved']>): void {
    this.#extent.saved(...saved);
    this.#snapshotWanted = false;
    this.#askForSnapshot();
  }

  snapshotFailed(): void {
    this.#snapshotWanted = false;
  }

  /** The log since the last snapshot, as it is now. */
  get log(): LogExtent['log'] {
    return this.#extent.log;
  }

  get stateName(): WriterState['name'] {
    return this.#state.name;
  }

  /** Bytes of ops that wait for their log records. */
  get queuedBytes(): number {
    let queued = 0;
    for (const record of this.#queue) queued += record.bytes;
    return queued;
  }

  #openRecord(): PendingRecord {
    const last = this.#queue.at(-1);
    if (last !== undefined && last.horizonMs === 0 && last.bytes < this.#env.tuning.maxRecordBytes) return last;
    const record = new PendingRecord();
    if (this.#queue.push(record) === 1 && this.#state.name === 'idle') this.#owner.hasWork(this);
    return record;
  }

  #encode(record: PendingRecord): Uint8Array | null {
    if (record.horizonMs !== 0) return encodeHorizonRecord(record.horizonMs);
    try {
      return encodeEntriesRecord(this.#env.bytes, record.entries);
    } catch (error) {
      // Only names that no frame can carry end here: the session's checks and this one disagree.
      this.#env.logger.error({ shard: this.id, error }, 'ops could not be encoded for the log');
      this.#refuse(record, 'INVALID_VALUE', 'The operation cannot be written down: its key or map is no valid text.');
      return null;
    }
  }

  #append(flight: Flight): void {
    this.#env.backbone.log.append(this.id, flight.bytes, flight.expectedSeq).then(this.#appended, this.#appendFailed);
  }

  readonly #appended = (result: AppendResult): void => {
    const state = this.#state;
    if (state.name !== 'appending' && state.name !== 'recovering') return;
    // Being fenced by one's own record happens: an earlier attempt had reached the log after all.
    if (result.status === 'fenced') {
      void this.#findOut('fenced');
      return;
    }
    this.#settle(state.flight, result.seq);
    this.#proceed();
  };

  readonly #appendFailed = (cause: unknown): void => {
    const state = this.#state;
    if (state.name !== 'appending' && state.name !== 'recovering') return;
    const error =
      cause instanceof TopGunError
        ? cause
        : new TopGunError('STORAGE_FAILED', 'The log cannot be written. See the log of the server.', { cause });
    const { runtime, tuning, logger } = this.#env;
    const now = runtime.monotonic();
    const attempt = state.name === 'recovering' ? state.attempt + 1 : 0;
    const since = state.name === 'recovering' ? state.since : now;
    const isRefusing = now - since >= tuning.refuseAfterMs || (state.name === 'recovering' && state.isRefusing);
    if (attempt === 0) logger.warn({ shard: this.id, error }, 'append failed, trying again');
    const timer = runtime.setTimer(retryDelay(tuning, runtime, attempt), this.#retry);
    this.#enter({ name: 'recovering', flight: state.flight, error, since, attempt, timer, isRefusing });
    if (isRefusing) this.#giveUp(error.code);
  };

  readonly #retry = (): void => {
    if (this.#state.name !== 'recovering') return;
    this.#enter({ ...this.#state, timer: null });
    void this.#findOut('failed');
  };

  /**
   * Asks the log what became of the record, and sends it again when it is not there. Never another one: a record that is
   * merely late would then be taken for a stranger's.
   */
  async #findOut(after: 'fenced' | 'failed'): Promise<void> {
    const state = this.#state;
    if (state.name !== 'appending' && state.name !== 'recovering') return;
    const { flight } = state;
    try {
      const [first, second] = await this.#recordsSince(flight.expectedSeq);
      if (this.#isClosed()) return;
      if (first === undefined) {
        if (after === 'fenced') throw new TopGunError('STORAGE_FAILED', 'The log refuses records at its own head.');
        this.#append(flight);
      } else if (first.prev !== flight.expectedSeq || !sameBytes(first.bytes, flight.bytes)) {
        this.#counts.appendsFenced++;
        this.#stepDown();
      } else {
        this.#settle(flight, first.seq);
        if (second === undefined) this.#proceed();
        else this.#stepDown();
      }
    } catch (error) {
      this.#appendFailed(error);
    }
  }

  /** The first two of them. */
  async #recordsSince(seq: number): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for await (const record of this.#env.backbone.log.read(this.id, seq)) if (records.push(record) === 2) break;
    return records;
  }

  /** The record is durable: merge it, and answer. */
  #settle(flight: Flight, seq: number): void {
    const { record } = flight;
    const { runtime, latency, budget } = this.#env;
    latency.add(runtime.monotonic() - flight.startedAt);
    this.#counts.appends++;
    this.#extent.add(flight.bytes);
    budget.give(record.bytes);
    this.#merge(record, seq);
    const verdicts = this.#verdicts.slice(0, record.tickets.length);
    // Behind the end of the turn, at which streams are told: whoever is answered has then been sent what became of the
    // record. Before the next record, and with this one merged whole: whoever is answered may come back with more.
    queueMicrotask(() => this.#answerAll(record, verdicts));
    this.#enter({ name: 'idle' });
  }

  #proceed(): void {
    if (this.#queue.length > 0 && this.#onClosed === null) this.#owner.hasWork(this);
    else this.kick();
    this.#askForSnapshot();
  }

  #answerAll({ tickets, indexes }: PendingRecord, verdicts: readonly Verdict[]): void {
    for (let i = 0; i < tickets.length; i++) {
      this.#answer(tickets[i] as WriteTicket, indexes[i] as number, verdicts[i] as Verdict);
    }
  }

  #merge(record: PendingRecord, seq: number): void {
    const { store } = this;
    const { entries } = record;
    if (record.horizonMs !== 0) store.applyHorizon(record.horizonMs, seq);
    for (let i = 0; i < entries.count; i++) this.#verdicts[i] = store.apply(entries, i, seq);
    store.appliedSeq = seq;
  }

  #answer(ticket: WriteTicket, index: number, verdict: Verdict): void {
    const refusal = refusalOf(verdict);
    if (verdict === Verdict.APPLIED) this.#counts.opsApplied++;
    else if (refusal === null) this.#counts.opsSuperseded++;
    else this.#counts.opsRejected++;
    if (refusal === null) ticket.settle();
    else ticket.refuse(index, refusal.code, refusal.message);
  }

  /** Refuses everybody who waits. What becomes of the record in flight stays unknown to them: they will send it again. */
  #giveUp(code: ErrorCode): void {
    const message = 'The log does not answer; whether the operation is in it is not known. Send it again.';
    const record = this.#inFlight();
    if (record !== null) {
      const { tickets, indexes } = record;
      record.tickets = [];
      record.indexes = [];
      this.#refuseAll(tickets, indexes, code, message);
    }
    for (const queued of this.#queue.splice(0)) this.#refuse(queued, code, message);
    this.#closeWhenDrained();
  }

  #inFlight(): PendingRecord | null {
    const state = this.#state;
    return state.name === 'appending' || state.name === 'recovering' ? state.flight.record : null;
  }

  #move({ bytes, tickets, indexes }: PendingRecord): void {
    this.#env.budget.give(bytes);
    for (let i = 0; i < tickets.length; i++) tickets[i]?.move(indexes[i] as number);
  }

  #refuse(record: PendingRecord, code: ErrorCode, message: string): void {
    this.#env.budget.give(record.bytes);
    this.#refuseAll(record.tickets, record.indexes, code, message);
  }

  #refuseAll(tickets: readonly WriteTicket[], indexes: readonly number[], code: ErrorCode, message: string): void {
    for (let i = 0; i < tickets.length; i++) {
      this.#counts.opsRejected++;
      tickets[i]?.refuse(indexes[i] as number, code, message);
    }
  }

  #stepDown(): void {
    const { logger } = this.#env;
    const about = { shard: this.id, seq: this.store.appliedSeq };
    const record = this.#inFlight();
    // Nothing that waits is in the log.
    const waiting = [...(record === null ? [] : [record]), ...this.#queue.splice(0)];
    this.#enter({ name: 'fenced' });
    if (this.#env.isClustered()) {
      logger.warn(about, 'another node writes to the log of the shard; stepping down');
      for (const lost of waiting) this.#move(lost);
    } else {
      logger.error(about, 'somebody else has written to the log of the shard; stepping down');
      for (const lost of waiting) this.#refuse(lost, FENCED.code, FENCED.message);
    }
    this.#closeWhenDrained();
    this.#owner.fenced(this);
  }

  #closeWhenDrained(): void {
    if (this.#onClosed === null) return;
    const state = this.#state;
    const isDrained = state.name === 'recovering' ? state.isRefusing : state.name !== 'appending';
    if (isDrained && this.#queue.length === 0) this.#endClosed();
  }

  #endClosed(): void {
    const state = this.#state;
    if (state.name === 'recovering' && state.timer !== null) this.#env.runtime.clearTimer(state.timer);
    this.#env.budget.give(this.#inFlight()?.bytes ?? 0);
    const onClosed = this.#onClosed;
    this.#onClosed = null;
    this.#enter({ name: 'closed' });
    onClosed?.();
  }

  #isClosed(): boolean {
    return this.#state.name === 'closed';
  }

  #enter(state: WriterState): void {
    this.#state = state;
    if (this.#onClosed !== null || state.name === 'closed') this.#refusal = CLOSING;
    else this.#refusal = refusalIn(state);
  }

  #askForSnapshot(): void {
    const { snapshotLogBytes, recordCostBytes } = this.#env.tuning;
    const due = Math.max(snapshotLogBytes, this.#extent.snapshotBytes / 2);
    if (this.#snapshotWanted || this.#extent.cost(recordCostBytes) < due) return;
    this.#snapshotWanted = true;
    this.#owner.snapshotDue(this);
  }
}

function refusalIn(state: WriterState): Refusal | null {
  switch (state.name) {
    case 'idle':
    case 'appending':
      return null;
    case 'recovering':
      return state.isRefusing ? { code: state.error.code, message: 'The log fails. Try again soon.' } : null;
    case 'fenced':
      return FENCED;
    case 'closed':
      return CLOSING;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
