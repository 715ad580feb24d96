import type { TopGunClient } from '@topgunbuild/client';
import { PARTITION_COUNT, partitionOf } from '@topgunbuild/core';
import { LatencyHistogram } from '../../packages/cli/src/bench/LatencyHistogram.js';

export interface Order {
  readonly n: number;
  readonly item: string;
  readonly table: number;
}

/** A write that is shown, from the moment it is made. */
export interface Sample {
  readonly key: string;
  readonly partition: number;
  readonly madeAt: number;
  /** Who owned the key when it was written. */
  readonly from: string | null;
  /** Who owned it when the ack came. */
  by: string | null;
  ackedMs: number | null;
}

export const ORDERS = 'orders';
/** Acks are counted in steps of this length. */
export const STEP_MS = 100;

const TICK_MS = 10;
const SAMPLE_MS = 160;
const SAMPLES = 5;
const STEPS = 100;
/** A partition with an unanswered write for so long is shown as waiting. */
const WAITING_MS = 150;
/** Unanswered writes, in seconds of writing: more are not made until some are answered. */
const BACKLOG_S = 5;
const RECENT_MS = 2_000;
/** Orders whose time is known. */
const REMEMBERED = 1 << 17;
const ITEMS = ['espresso', 'flat white', 'cortado', 'cold brew', 'matcha', 'croissant', 'cheesecake', 'lemonade'];

/**
 * An application that takes orders at an even pace, and whoever watches it: each order is a record of its own, so that in
 * the end every single acknowledged one can be asked for. It knows no nodes: the client routes.
 */
export class Traffic {
  readonly #client: TopGunClient;
  readonly #ratePerSecond: number;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  #due = 0;
  #lastTick = performance.now();
  /** By order: 1 = acked. */
  #ackedOrders: Uint8Array = new Uint8Array(4_096);

  made = 0;
  acked = 0;
  rejected = 0;
  firstError: string | null = null;
  readonly latencies = new LatencyHistogram();
  slowestMs = 0;
  /** The last ones, oldest first. */
  readonly samples: Sample[] = [];
  /** Acks by step of STEP_MS since the start, by owner: a ring. */
  readonly #steps: Map<string, number>[] = Array.from({ length: STEPS }, () => new Map());
  #step = 0;
  readonly #recent: { readonly at: number; readonly ms: number }[] = [];
  readonly #pending = new Int32Array(PARTITION_COUNT);
  readonly #quietSince = new Float64Array(PARTITION_COUNT);
  readonly #madeAt = new Float64Array(REMEMBERED);
  /** Hears of every ack: the partition, when the write was made, and when it was acked. */
  onAck: (partition: number, madeAt: number, now: number) => void = () => undefined;

  constructor(client: TopGunClient, ratePerSecond: number) {
    this.#client = client;
    this.#ratePerSecond = ratePerSecond;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  get unanswered(): number {
    return this.made - this.acked - this.rejected;
  }

  /** When an order was made; null when that is too long ago to be known. */
  madeAt(n: number): number | null {
    return n >= this.made || n < this.made - REMEMBERED ? null : (this.#madeAt[n % REMEMBERED] ?? null);
  }

  wasAcked(n: number): boolean {
    return this.#ackedOrders[n] === 1;
  }

  /** Whether writes to this partition have been waiting for a time that a person may notice. */
  isWaiting(partition: number, now = performance.now()): boolean {
    return (this.#pending[partition] ?? 0) > 0 && now - (this.#quietSince[partition] ?? now) > WAITING_MS;
  }

  /** Acks of the last `count` whole steps, oldest first; of one owner, or of all. */
  perStep(count: number, owner?: string): readonly number[] {
    this.#advance();
    return Array.from({ length: count }, (_, index) => {
      const step = this.#step - count + index;
      const counts = step < 0 || step <= this.#step - STEPS ? undefined : this.#steps[step % STEPS];
      if (counts === undefined) return 0;
      if (owner !== undefined) return counts.get(owner) ?? 0;
      return [...counts.values()].reduce((sum, one) => sum + one, 0);
    });
  }

  /** Acks a second, over the last second. */
  rate(owner?: string): number {
    return this.perStep(1_000 / STEP_MS, owner).reduce((sum, one) => sum + one, 0);
  }

  /** Milliseconds from write to ack, over the last two seconds; null without acks. */
  recent(): { readonly p50: number; readonly p99: number } | null {
    const since = performance.now() - RECENT_MS;
    const expired = this.#recent.findIndex(({ at }) => at >= since);
    this.#recent.splice(0, expired < 0 ? this.#recent.length : expired);
    const sorted = this.#recent.map(({ ms }) => ms).sort((a, b) => a - b);
    const quantile = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
    return sorted.length === 0 ? null : { p50: quantile(0.5), p99: quantile(0.99) };
  }

  #tick(): void {
    const now = performance.now();
    this.#due = Math.min(this.#due + ((now - this.#lastTick) / 1_000) * this.#ratePerSecond, this.#ratePerSecond / 5);
    this.#lastTick = now;
    while (this.#due >= 1) {
      this.#due--;
      if (this.unanswered >= this.#ratePerSecond * BACKLOG_S) continue;
      this.#order(now);
    }
  }

  #order(now: number): void {
    const n = this.made++;
    this.#madeAt[n % REMEMBERED] = now;
    const key = keyOf(n);
    const partition = partitionOf(key);
    const last = this.samples.at(-1);
    const sample = last === undefined || now - last.madeAt >= SAMPLE_MS ? this.#sample(key, partition, now) : null;
    if (this.#pending[partition] === 0) this.#quietSince[partition] = now;
    this.#pending[partition] = (this.#pending[partition] ?? 0) + 1;
    const item = ITEMS[n % ITEMS.length] ?? '';
    const write = this.#client.getMap<Order>(ORDERS).set(key, { n, item, table: n % 40 });
    write.acked.then(
      () => this.#onAck(n, key, partition, now, sample),
      (error: unknown) => {
        this.rejected++;
        this.firstError ??= String(error);
        this.#answered(partition);
      },
    );
  }

  #sample(key: string, partition: number, madeAt: number): Sample {
    const from = this.#client.getOwner(key)?.nodeId ?? null;
    const sample: Sample = { key, partition, madeAt, from, by: null, ackedMs: null };
    this.samples.push(sample);
    // One that waits stays in sight.
    while (this.samples.length > SAMPLES) {
      const answered = this.samples.findIndex((one) => one.ackedMs !== null);
      this.samples.splice(Math.max(answered, 0), 1);
    }
    return sample;
  }

  #onAck(n: number, key: string, partition: number, madeAt: number, sample: Sample | null): void {
    const now = this.#answered(partition);
    const ms = now - madeAt;
    const owner = this.#client.getOwner(key)?.nodeId ?? null;
    this.acked++;
    this.#remember(n);
    this.latencies.add(ms);
    this.#recent.push({ at: now, ms });
    this.slowestMs = Math.max(this.slowestMs, ms);
    this.#advance();
    const counts = this.#steps[this.#step % STEPS];
    if (owner !== null) counts?.set(owner, (counts.get(owner) ?? 0) + 1);
    if (sample !== null) {
      sample.by = owner;
      sample.ackedMs = ms;
    }
    this.onAck(partition, madeAt, now);
  }

  #answered(partition: number): number {
    const now = performance.now();
    this.#pending[partition] = (this.#pending[partition] ?? 0) - 1;
    this.#quietSince[partition] = now;
    return now;
  }

  #remember(n: number): void {
    if (n >= this.#ackedOrders.length) {
      const larger = new Uint8Array(Math.max(n + 1, this.#ackedOrders.length * 2));
      larger.set(this.#ackedOrders);
      this.#ackedOrders = larger;
    }
    this.#ackedOrders[n] = 1;
  }

  /** Empties the steps that the ring comes to anew. */
  #advance(): void {
    const step = Math.floor((performance.now() - this.#startedAt) / STEP_MS);
    if (step - this.#step >= STEPS) this.#step = step - STEPS;
    while (this.#step < step) this.#steps[++this.#step % STEPS]?.clear();
  }
}

export function keyOf(n: number): string {
  return `order-${String(n).padStart(6, '0')}`;
}
