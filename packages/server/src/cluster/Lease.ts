import type { Runtime } from '@topgunbuild/core';
import { z } from 'zod';
import type { Registry, RegistryEntry } from '../backbone/Registry.js';
import type { Logger } from '../Logger.js';
import type { ClusterTiming } from './ClusterTiming.js';
import { type DocumentCodec, documentCodec } from './documentCodec.js';

export const LEADER_KEY = 'leader';

/** Who leads. Without a node nobody does: the last leader resigned. */
export interface LeaseDocument {
  readonly nodeId: string;
  readonly boot: string;
  /** Grows with each new leader. */
  readonly term: number;
  /** Grows with each renewal. */
  readonly beat: number;
}

const count = z.number().int().min(0);
const schema: z.ZodType<LeaseDocument> = z.object({ nodeId: z.string(), boot: z.string(), term: count, beat: count });
const codec: DocumentCodec<LeaseDocument> = documentCodec(schema);

export interface LeaseOptions {
  readonly self: { readonly id: string; readonly boot: string };
  readonly registry: Registry;
  readonly runtime: Runtime;
  readonly timing: ClusterTiming;
  readonly logger: Logger;
  /** The lower, the sooner this node takes a lease that is to be had; null = it must not. */
  readonly rank: () => number | null;
  readonly isDead: (leader: { readonly id: string; readonly boot: string }) => boolean;
  readonly onChange: () => void;
}

/**
 * One node's part in having one leader. The leader renews the lease in the registry; the others watch it, and take it
 * by compare-and-set once its holder is seen dead or it has not changed for too long by their own clock.
 *
 *   watching ──claimed──> leading ──renewed──> leading
 *       └────── lost, or not renewed in time ─────┘
 *
 * At most one request to the registry is under way. A leader believes in its lease for no longer than the others have to
 * wait, counted from before it asked for it. That two lead at once for a moment is possible all the same, and harmless: what
 * they write is compared and set.
 */
export class Lease {
  readonly #options: LeaseOptions;
  #state: 'watching' | 'leading' | 'closed' = 'watching';
  #document: LeaseDocument | null = null;
  /** Of the entry that was seen last; 0 = none is there. */
  #revision = 0;
  #changedAt: number;
  #isBusy = false;
  /** When this node will try to take the lease; null = it is not to be had. */
  #claimAt: number | null = null;
  #retryAt = Number.NEGATIVE_INFINITY;
  #renewAt = 0;
  #validUntil = Number.NEGATIVE_INFINITY;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#changedAt = options.runtime.monotonic();
  }

  get isLeading(): boolean {
    return this.#state === 'leading' && this.#now() < this.#validUntil;
  }

  /** Of the lease that was seen last. */
  get term(): number {
    return this.#document?.term ?? 0;
  }

  /** Who holds the lease, alive or not; null = nobody. */
  get leader(): { readonly id: string; readonly boot: string } | null {
    if (this.#document === null || this.#document.nodeId === '') return null;
    return { id: this.#document.nodeId, boot: this.#document.boot };
  }

  /** When the lease was last seen to change, or since when it is looked at. Monotonic ms. */
  get changedAt(): number {
    return this.#changedAt;
  }

  /** What the registry holds, or held a moment ago. */
  onEntry(entry: RegistryEntry | null): void {
    const revision = entry?.revision ?? 0;
    // Told late: this node has written since.
    if (entry !== null && revision <= this.#revision) return;
    this.#know(entry === null ? null : codec.decode(entry.value), revision);
    if (this.#state === 'leading' && !this.#isMine()) this.#stepDown('another node has taken the lease');
    else this.#options.onChange();
  }

  tick(now: number): void {
    if (this.#state === 'leading') {
      if (now >= this.#validUntil) this.#stepDown('the lease was not renewed in time');
      else if (now >= this.#renewAt && !this.#isBusy) void this.#renew();
      return;
    }
    if (this.#state === 'closed' || this.#isBusy || now < this.#retryAt) return;
    const { rankDelayMs } = this.#options.timing;
    const rank = this.#options.rank();
    if (rank === null || !this.#isToBeHad(now)) {
      this.#claimAt = null;
      return;
    }
    this.#claimAt ??= now + (this.#isOwnNode() ? 0 : (rank + this.#options.runtime.random()) * rankDelayMs);
    if (now >= this.#claimAt) void this.#claim();
  }

  /** This process stood still: it leads no more, and how long the lease has not changed is not known. */
  restart(): void {
    if (this.#state === 'leading') this.#stepDown('this process stood still');
    this.#changedAt = this.#now();
    this.#claimAt = null;
  }

  /** Leaves the lease to whoever takes it first. Never fails: it would only take longer. */
  async resign(): Promise<void> {
    const isLeading = this.isLeading;
    this.#state = 'closed';
    if (!isLeading) return;
    this.#options.onChange();
    const vacant = { nodeId: '', boot: '', term: this.term, beat: 0 };
    try {
      await this.#options.registry.compareAndSet(LEADER_KEY, codec.encode(vacant), this.#revision);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the lease of the leader could not be given back');
    }
  }

  close(): void {
    this.#state = 'closed';
  }

  async #claim(): Promise<void> {
    const { registry, self } = this.#options;
    this.#isBusy = true;
    this.#claimAt = null;
    try {
      const seen = this.#revision;
      this.onEntry(await registry.get(LEADER_KEY));
      // Renewed, or taken by another, while this node was about to.
      if (this.#state !== 'watching' || (this.#revision !== seen && !this.#isToBeHad(this.#now()))) return;
      const askedAt = this.#now();
      const document = { nodeId: self.id, boot: self.boot, term: this.term + 1, beat: 0 };
      const revision = await registry.compareAndSet(LEADER_KEY, codec.encode(document), this.#revision);
      // Taken by another already, while the answer was on its way.
      if (revision === null || revision < this.#revision || this.#isClosed()) return;
      this.#know(document, revision);
      this.#state = 'leading';
      this.#believe(askedAt);
      this.#options.logger.info({ term: document.term }, 'this node leads the cluster');
      this.#options.onChange();
    } catch (error) {
      this.#retry(error);
    } finally {
      this.#isBusy = false;
    }
  }

  async #renew(): Promise<void> {
    const { registry, timing } = this.#options;
    const document = this.#document;
    if (document === null) return;
    this.#isBusy = true;
    const askedAt = this.#now();
    this.#renewAt = askedAt + timing.renewEveryMs;
    try {
      const renewed = { ...document, beat: document.beat + 1 };
      const revision = await registry.compareAndSet(LEADER_KEY, codec.encode(renewed), this.#revision);
      if (this.#state !== 'leading') return;
      if (revision === null) {
        // Another's, or our own that was thought lost: then the next one renews it.
        this.onEntry(await registry.get(LEADER_KEY));
        this.#renewAt = this.#now();
      } else {
        this.#know(renewed, revision);
        this.#believe(askedAt);
      }
    } catch (error) {
      this.#renewAt = this.#now() + timing.retryMs;
      this.#retry(error);
    } finally {
      this.#isBusy = false;
    }
  }

  #isToBeHad(now: number): boolean {
    const { leader } = this;
    if (leader === null || this.#isOwnNode()) return true;
    return this.#options.isDead(leader) || now - this.#changedAt >= this.#options.timing.leaseMs;
  }

  /** Held by this process, or by an earlier one of the same node, which is gone. */
  #isOwnNode(): boolean {
    return this.leader?.id === this.#options.self.id;
  }

  #isMine(): boolean {
    return this.#isOwnNode() && this.leader?.boot === this.#options.self.boot;
  }

  #know(document: LeaseDocument | null, revision: number): void {
    this.#document = document;
    this.#revision = revision;
    this.#changedAt = this.#now();
  }

  #believe(askedAt: number): void {
    const { leaseMs, renewEveryMs } = this.#options.timing;
    this.#validUntil = askedAt + leaseMs;
    this.#renewAt = askedAt + renewEveryMs;
  }

  #stepDown(reason: string): void {
    this.#state = 'watching';
    this.#validUntil = Number.NEGATIVE_INFINITY;
    this.#changedAt = this.#now();
    this.#options.logger.info({ reason }, 'this node no longer leads the cluster');
    this.#options.onChange();
  }

  #retry(error: unknown): void {
    this.#retryAt = this.#now() + this.#options.timing.retryMs;
    this.#options.logger.debug({ err: error }, 'the registry could not be asked for the leader');
  }

  /** As a method: the state changes while others are awaited. */
  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #now(): number {
    return this.#options.runtime.monotonic();
  }
}
