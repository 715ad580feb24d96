import { type Runtime, TopGunError } from '@topgunbuild/core';
import type { Bus } from '../backbone/Bus.js';
import type { ClusterTiming } from './ClusterTiming.js';
import { PING, type PingReply, pingReplyCodec, pingSubject } from './PingReply.js';

/** unknown: neither answered nor given up yet. */
export type Liveness = 'unknown' | 'alive' | 'dead';

export interface ProbeEnvironment {
  readonly bus: Bus;
  readonly runtime: Runtime;
  readonly timing: ClusterTiming;
  /** Who probes. */
  readonly selfId: string;
  /** Something else is known about the node now. */
  readonly onChange: (probe: Probe) => void;
}

/** Misses in a row after which a node is given up. */
const MISSES = 2;

/**
 * Finds out whether one process lives, by asking it again and again; one question at a time. A question is missed when
 * nobody serves it, another process answers, or no answer comes in time. It counts only if the bus carries a question to
 * ourselves right after: whoever is cut off knows nothing of the others.
 */
export class Probe {
  readonly id: string;
  readonly boot: string;
  readonly #environment: ProbeEnvironment;
  #liveness: Liveness = 'unknown';
  #reply: PingReply | null = null;
  #misses = 0;
  #isAsking = false;
  #dueAt = Number.NEGATIVE_INFINITY;
  /** Until then misses do not count: after the bus broke the node may need a while to come back to it. */
  #patientUntil = Number.NEGATIVE_INFINITY;
  /** Changes when what was found out is void: answers to older questions are as well. */
  #round = 0;

  constructor(target: { readonly id: string; readonly boot: string }, environment: ProbeEnvironment) {
    this.id = target.id;
    this.boot = target.boot;
    this.#environment = environment;
  }

  get liveness(): Liveness {
    return this.#liveness;
  }

  /** The last answer, if there was one. */
  get reply(): PingReply | null {
    return this.#reply;
  }

  tick(now: number): void {
    if (!this.#isAsking && now >= this.#dueAt) void this.#ask();
  }

  /** Begins anew, as if nothing had been found out. `patienceMs`: for so long misses do not count, unless it answers. */
  restart(patienceMs = 0): void {
    this.#round++;
    this.#liveness = 'unknown';
    this.#reply = null;
    this.#misses = 0;
    this.#dueAt = Number.NEGATIVE_INFINITY;
    this.#patientUntil = this.#now() + patienceMs;
  }

  /** Nothing is told any more. */
  close(): void {
    this.#round++;
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  async #ask(): Promise<void> {
    const { timing } = this.#environment;
    const round = this.#round;
    this.#isAsking = true;
    const answer = await this.#question();
    const counts = answer instanceof Uint8Array || (await this.#reachesItself());
    this.#isAsking = false;
    if (round !== this.#round) return;
    const reply = answer instanceof Uint8Array ? pingReplyCodec.decode(answer) : null;
    if (reply?.boot === this.boot) {
      this.#answered(reply);
    } else if (counts) {
      this.#missed(answer === 'silence' ? 0 : timing.confirmMs);
    } else {
      this.#misses = 0;
      this.#dueAt = this.#now() + timing.probeEveryMs;
    }
  }

  async #question(): Promise<Uint8Array | 'silence' | 'nobody'> {
    const { bus, timing } = this.#environment;
    try {
      return await bus.request(pingSubject(this.id), PING, timing.probeTimeoutMs);
    } catch (error) {
      return error instanceof TopGunError && error.code === 'TIMEOUT' ? 'silence' : 'nobody';
    }
  }

  async #reachesItself(): Promise<boolean> {
    const { bus, timing, selfId } = this.#environment;
    try {
      await bus.request(pingSubject(selfId), PING, timing.probeTimeoutMs);
      return true;
    } catch {
      return false;
    }
  }

  #answered(reply: PingReply): void {
    const isNews = this.#liveness !== 'alive' || !isSame(reply, this.#reply);
    this.#liveness = 'alive';
    this.#reply = reply;
    this.#misses = 0;
    this.#patientUntil = Number.NEGATIVE_INFINITY;
    this.#dueAt = this.#now() + this.#environment.timing.probeEveryMs;
    if (isNews) this.#environment.onChange(this);
  }

  #missed(pauseMs: number): void {
    const now = this.#now();
    if (now < this.#patientUntil) {
      this.#dueAt = now + this.#environment.timing.confirmMs;
      return;
    }
    this.#misses++;
    const isDead = this.#misses >= MISSES;
    this.#dueAt = now + (isDead ? this.#environment.timing.probeEveryMs : pauseMs);
    if (!isDead || this.#liveness === 'dead') return;
    this.#liveness = 'dead';
    this.#environment.onChange(this);
  }

  #now(): number {
    return this.#environment.runtime.monotonic();
  }
}

function isSame(a: PingReply, b: PingReply | null): boolean {
  if (b === null || a.mapVersion !== b.mapVersion || a.readiness.length !== b.readiness.length) return false;
  const isSameMet = a.metEpochs.length === b.metEpochs.length && a.metEpochs.every((met, i) => met === b.metEpochs[i]);
  return isSameMet && a.readiness.every((ready, shard) => ready === b.readiness[shard]);
}
