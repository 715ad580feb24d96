import type { LogRecord, LogTails, Tail } from '../backbone/Backbone.js';
import { applyRecord } from './applyRecord.js';
import type { HostingEnvironment } from './HostingEnvironment.js';
import type { LogExtent } from './LogExtent.js';
import type { ShardStore } from './ShardStore.js';

/** How far a follower is behind. */
export interface Lag {
  /** Log sequences that are known to be missing; other shards' records may be among them. Null: never asked. */
  readonly behind: number | null;
  /** Since everything was last known to be there, ms. */
  readonly ms: number;
}

/** Behind by something that it has known of for so long, a follower is no longer hot. */
const HOT_MS = 2_000;
/** Behind for so long without any record, a tail is given up for another. */
const STALLED_MS = 10_000;

/** Keeps the store of a standby up to date with its log. */
export class Follower {
  readonly #store: ShardStore;
  readonly #extent: LogExtent;
  readonly #env: HostingEnvironment;
  readonly #tails: LogTails;
  readonly #onBroken: (reason: unknown) => void;
  #tail: Tail | null = null;
  #isClosed = false;
  #head: number | null = null;
  /** Monotonic times: when the store was last known to be at the head, and when the tail last showed life. */
  #currentAt: number;
  #aliveAt: number;

  /** `onBroken`: a record is missing or cannot be applied; the follower has closed. */
  constructor(
    store: ShardStore,
    extent: LogExtent,
    env: HostingEnvironment,
    tails: LogTails,
    onBroken: (reason: unknown) => void,
  ) {
    this.#store = store;
    this.#extent = extent;
    this.#env = env;
    this.#tails = tails;
    this.#onBroken = onBroken;
    this.#currentAt = env.runtime.monotonic();
    this.#aliveAt = this.#currentAt;
  }

  start(): void {
    const tail = this.#tails.tail(this.#store.shard, this.#store.appliedSeq, (record) => this.#onRecord(record));
    if (this.#isClosed) tail.close();
    else this.#tail = tail;
  }

  close(): void {
    this.#isClosed = true;
    this.#tail?.close();
    this.#tail = null;
  }

  /** Not known to miss anything for long: it could take over at once. */
  get isHot(): boolean {
    return this.#isCurrent || this.#env.runtime.monotonic() - this.#currentAt < HOT_MS;
  }

  get lag(): Lag {
    const behind = this.#head === null ? null : Math.max(0, this.#head - this.#store.appliedSeq);
    return { behind, ms: this.#env.runtime.monotonic() - this.#currentAt };
  }

  /** The log was at `head` when it was asked at the monotonic time `askedAt`. */
  noteHead(head: number, askedAt: number): void {
    if (this.#isClosed) return;
    this.#head = head;
    if (this.#isCurrent) this.#currentAt = Math.max(this.#currentAt, askedAt);
    else if (this.#env.runtime.monotonic() - Math.max(this.#aliveAt, this.#currentAt) > STALLED_MS) this.#restart();
  }

  get #isCurrent(): boolean {
    return this.#head === null || this.#store.appliedSeq >= this.#head;
  }

  #restart(): void {
    const { appliedSeq, shard } = this.#store;
    this.#env.logger.warn({ shard, appliedSeq, head: this.#head }, 'the tail of the log stands still, opening another');
    this.#aliveAt = this.#env.runtime.monotonic();
    this.#tail?.close();
    this.start();
  }

  #onRecord(record: LogRecord): void {
    const store = this.#store;
    if (this.#isClosed || record.seq <= store.appliedSeq) return;
    try {
      applyRecord(store, record, this.#env.shardCount);
    } catch (error) {
      this.close();
      this.#onBroken(error);
      return;
    }
    this.#extent.add(record.bytes);
    this.#env.clock.observe(store.latestMs);
    this.#aliveAt = this.#env.runtime.monotonic();
    if (this.#isCurrent) this.#currentAt = this.#aliveAt;
  }
}
