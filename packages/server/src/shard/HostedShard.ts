import type { EntryBatch, Timer } from '@topgunbuild/core';
import type { ShardStats } from './DataPlane.js';
import { Follower } from './Follower.js';
import type { HostingEnvironment } from './HostingEnvironment.js';
import type { Holding, HostingPhase } from './HostingPhase.js';
import type { LogExtent } from './LogExtent.js';
import { AT_ONCE } from './Pace.js';
import { Restoration } from './Restoration.js';
import type { HostingState, Role } from './Role.js';
import { restoreStore } from './restoreStore.js';
import { retryDelay } from './retryDelay.js';
import { ShardCounts } from './ShardCounts.js';
import type { ShardStore } from './ShardStore.js';
import { ShardWriter, type WriterOwner } from './ShardWriter.js';
import { isSuperseded, Takeover, type TakeoverResult } from './Takeover.js';
import type { Refusal } from './Verdict.js';
import { WaitingWrites } from './WaitingWrites.js';
import type { WriteTicket } from './WriteTicket.js';

export interface HostedShardOwner extends Pick<WriterOwner, 'hasWork' | 'snapshotDue'> {
  /** From here on `store` is what the shard's clients read and follow. */
  serves(store: ShardStore): void;
  /** The shard is no longer served: streams of its rows end. */
  ends(shard: number): void;
  /** Whether the shard serves, or is about to, may have changed. */
  changed(shard: HostedShard): void;
}

/** How long ops and streams wait for a shard that is about to be served, ms. */
export const OPENING_WAIT_MS = 5_000;
/** How long a shard that is given away waits for what is on its way to the log, ms. */
const CLOSING_WAIT_MS = 5_000;

const NONE: Role = { name: 'none' };
const RESTORING: Refusal = { code: 'UNAVAILABLE', message: 'The shard is being restored. Try again soon.' };
const OPENING: Refusal = { code: 'UNAVAILABLE', message: 'The shard is being taken over. Try again soon.' };
const CLOSED: Refusal = { code: 'SHUTTING_DOWN', message: 'The node is shutting down. Try again elsewhere or later.' };

/** What one shard is at this node: brought to the role that was given last, one step after the other. */
export class HostedShard {
  readonly id: number;
  readonly #env: HostingEnvironment;
  readonly #owner: HostedShardOwner;
  readonly #counts = new ShardCounts();
  readonly #waiting: WaitingWrites;
  #waitTimer: Timer | null = null;
  #role: Role = NONE;
  /** Monotonic time at which the shard was last about to be served. */
  #openingSince = 0;
  #fences = 0;
  #phase: HostingPhase = { name: 'absent' };
  /** While serving. Follows from the phase; kept because every op asks. */
  #writer: ShardWriter | null = null;

  constructor(id: number, env: HostingEnvironment, owner: HostedShardOwner) {
    this.id = id;
    this.#env = env;
    this.#owner = owner;
    this.#waiting = new WaitingWrites(env.budget);
  }

  get isAbsent(): boolean {
    return this.#phase.name === 'absent' || this.#phase.name === 'closed';
  }

  /** What it has of its log, when it is of use to know how far that is: at a standby, and where nothing is on its way. */
  get seqAtRest(): number | null {
    const phase = this.#phase;
    const isAtRest = phase.name === 'standby' || (phase.name === 'serving' && phase.writer.stateName === 'idle');
    return isAtRest ? phase.holding.store.appliedSeq : null;
  }

  get isServing(): boolean {
    return this.#writer?.isServing ?? false;
  }

  /** It does not serve yet, but is to, and nothing speaks against it so far. */
  get isAboutToServe(): boolean {
    if (this.#role.name !== 'owner' || this.#writer !== null) return false;
    const { name } = this.#phase;
    return name !== 'closed' && name !== 'fenced' && !this.#isSuperseded;
  }

  get isOwned(): boolean {
    return this.isServing || this.isAboutToServe;
  }

  /** The store that clients may read. */
  get servedStore(): ShardStore | null {
    return this.isServing ? (this.#writer?.store ?? null) : null;
  }

  /** Why the shard cannot be used although it is this node's, or null. */
  get problem(): string | null {
    if (this.#writer !== null) return this.#writer.problem;
    if (this.#isAlone) return `shard ${this.id} is ${this.#phase.name === 'absent' ? 'restoring' : this.#phase.name}`;
    const isOverdue = this.isAboutToServe && this.#waited >= OPENING_WAIT_MS;
    return isOverdue ? `shard ${this.id} is ${this.#phase.name}` : null;
  }

  /** Begins to serve at the only node there is. @throws TopGunError STORAGE_FAILED when log and snapshot do not fit together */
  async openAlone(): Promise<void> {
    const { backbone, shardCount } = this.#env;
    const store = this.#env.createStore(this.id);
    const extent = await restoreStore(store, backbone.log, shardCount, AT_ONCE);
    if (this.#phase.name !== 'absent') return;
    this.#role = { name: 'owner', epoch: 1 };
    this.#serve({ store, extent }, 1);
  }

  setRole(role: Role): void {
    if (this.#phase.name === 'closed' || isSameRole(role, this.#role)) return;
    this.#role = role;
    this.#openingSince = this.#env.runtime.monotonic();
    this.#fences = 0;
    this.#step();
  }

  submit(batch: EntryBatch, index: number, ticket: WriteTicket): void {
    if (this.#writer !== null) this.#writer.submit(batch, index, ticket);
    else this.#submitBeforeServing(batch, index, ticket);
  }

  proposeHorizon(horizonMs: number): void {
    this.#writer?.proposeHorizon(horizonMs);
  }

  /** The log was at `head` when it was asked at the monotonic time `askedAt`, and the shard, then at rest, at `seq`. */
  noteHead(head: number, askedAt: number, seq: number): void {
    const phase = this.#phase;
    if (phase.name === 'standby') phase.follower.noteHead(head, askedAt);
    // An owner that nobody writes to would not find out by its own appends that it has been succeeded.
    else if (phase.name === 'serving' && this.seqAtRest === seq && head > seq) phase.writer.succeeded();
  }

  /** Takes no more ops, and resolves when those queued are durable or refused. */
  async close(): Promise<void> {
    const phase = this.#phase;
    this.#role = NONE;
    this.#refuseWaiting(CLOSED);
    if (phase.name === 'serving') await phase.writer.close();
    else if (phase.name === 'closing') await phase.done;
    else this.#leave();
    this.#phase = { name: 'closed' };
  }

  hosting(): HostingState {
    const store = this.#store;
    return {
      state: this.#stateName,
      readiness: this.isServing ? 2 : this.#isHot ? 1 : 0,
      epoch: store?.epoch.epoch ?? 0,
      appliedSeq: store?.appliedSeq ?? 0,
    };
  }

  stats(): ShardStats {
    const phase = this.#phase;
    const store = this.#store;
    const extent = 'holding' in phase ? phase.holding.extent : null;
    const lag = phase.name === 'standby' ? phase.follower.lag : null;
    const { appends, appendsFenced, opsApplied, opsSuperseded, opsRejected, takeovers, lastTakeoverMs } = this.#counts;
    return {
      shard: this.id,
      state: this.#stateName,
      role: this.#role.name,
      epoch: store?.epoch.epoch ?? 0,
      records: store?.size ?? 0,
      logSeq: store?.appliedSeq ?? 0,
      snapshotSeq: extent?.snapshotSeq ?? 0,
      logBytes: extent?.logBytes ?? 0,
      horizonMs: store?.horizonMs ?? 0,
      appends,
      opsApplied,
      opsSuperseded,
      opsRejected,
      queuedBytes: (this.#writer?.queuedBytes ?? 0) + this.#waiting.bytes,
      lagRecords: lag?.behind ?? null,
      lagMs: lag?.ms ?? null,
      appendsFenced,
      takeovers,
      lastTakeoverMs,
    };
  }

  // --- steps -------------------------------------------------------------------------------------------------------

  /** Takes the next step towards the role, unless one is under way that must end first. */
  #step(): void {
    const phase = this.#phase;
    const role = this.#role;
    switch (phase.name) {
      case 'absent':
        if (role.name !== 'none') this.#restore();
        break;
      case 'restoring':
        if (role.name === 'none') this.#drop();
        else this.#env.slots.beginNext();
        break;
      case 'fenced':
        if (role.name === 'none') this.#drop();
        break;
      case 'standby':
        if (role.name === 'none') this.#drop();
        else if (role.name === 'owner' && !this.#isSuperseded) this.#open(phase.holding, role.epoch);
        break;
      case 'opening':
        if (role.name !== 'owner' || role.epoch !== phase.epoch) this.#follow(phase.holding);
        break;
      case 'serving':
        if (role.name !== 'owner' || role.epoch !== phase.epoch) this.#handOver(phase.holding, phase.writer);
        break;
      case 'closing':
      case 'closed':
        break;
    }
    this.#afterStep();
  }

  #afterStep(): void {
    if (!this.isAboutToServe && this.#writer === null) this.#waiting.move();
    if (this.#waiting.isEmpty) this.#stopWaiting();
    this.#owner.changed(this);
  }

  #restore(): void {
    this.#leave();
    const isUrgent = (): boolean => this.#role.name === 'owner' || !this.#env.isServing();
    const onRestored = (store: ShardStore, extent: LogExtent): void => this.#follow({ store, extent });
    const restoration = new Restoration(this.id, this.#env, isUrgent, onRestored);
    this.#phase = { name: 'restoring', restoration };
    void restoration.run();
  }

  #drop(): void {
    this.#leave();
    this.#phase = { name: 'absent' };
  }

  #follow(holding: Holding): void {
    this.#leave();
    this.#env.clock.observe(holding.store.latestMs);
    const tails = this.#env.tails();
    if (tails === null) return;
    const follower = new Follower(holding.store, holding.extent, this.#env, tails, (reason) => {
      this.#env.logger.debug({ shard: this.id, reason }, 'standby lost touch with its log, restoring anew');
      this.#restore();
      this.#afterStep();
    });
    this.#phase = { name: 'standby', holding, follower };
    follower.start();
    this.#step();
  }

  #open(holding: Holding, epoch: number): void {
    this.#leave();
    const takeover = new Takeover(holding.store, holding.extent, epoch, this.#env, (result) => {
      this.#takeoverEnded(result, holding, epoch);
    });
    this.#phase = { name: 'opening', holding, takeover, epoch };
    void takeover.run();
  }

  #takeoverEnded(result: TakeoverResult, holding: Holding, epoch: number): void {
    switch (result) {
      case 'opened':
        this.#counts.takeovers++;
        this.#counts.lastTakeoverMs = this.#env.runtime.monotonic() - this.#openingSince;
        this.#serve(holding, epoch);
        break;
      case 'superseded':
        // The map that says so is on its way. Until then the shard is kept hot.
        this.#follow(holding);
        break;
      case 'broken':
        this.#restore();
        this.#afterStep();
        break;
    }
  }

  #serve(holding: Holding, epoch: number): void {
    this.#env.clock.observe(holding.store.latestMs);
    const { hasWork, snapshotDue } = this.#owner;
    const owner: WriterOwner = {
      hasWork: hasWork.bind(this.#owner),
      snapshotDue: snapshotDue.bind(this.#owner),
      fenced: (fenced) => this.#fenced(fenced, holding),
    };
    const writer = new ShardWriter(holding.store, holding.extent, this.#counts, this.#env, owner);
    this.#phase = { name: 'serving', holding, writer, epoch };
    this.#writer = writer;
    // Before the first write: from its first change on, somebody may follow the shard.
    this.#owner.serves(holding.store);
    writer.start();
    this.#waiting.submitTo(writer);
    this.#step();
  }

  #handOver(holding: Holding, writer: ShardWriter): void {
    this.#writer = null;
    this.#owner.ends(this.id);
    const timer = this.#env.runtime.setTimer(CLOSING_WAIT_MS, () => writer.abandon());
    const done = writer.handOver().then(() => this.#handedOver(writer));
    this.#phase = { name: 'closing', holding, writer, timer, done };
  }

  #handedOver(writer: ShardWriter): void {
    const phase = this.#phase;
    if (phase.name !== 'closing' || phase.writer !== writer) return;
    this.#env.runtime.clearTimer(phase.timer);
    if (this.#role.name !== 'none') {
      this.#follow(phase.holding);
      return;
    }
    this.#drop();
    this.#afterStep();
  }

  #fenced(writer: ShardWriter, holding: Holding): void {
    if (this.#phase.name !== 'serving' || this.#phase.writer !== writer || this.#isAlone) return;
    this.#writer = null;
    this.#owner.ends(this.id);
    const { runtime, tuning } = this.#env;
    this.#openingSince = runtime.monotonic();
    // What the store has is in the log, up to where the stranger came in: it can be gone on from there.
    const timer = runtime.setTimer(retryDelay(tuning, runtime, this.#fences++), () => this.#follow(holding));
    this.#phase = { name: 'fenced', holding, timer };
    this.#afterStep();
  }

  /** Ends what the phase has under way; another phase must follow. */
  #leave(): void {
    const phase = this.#phase;
    switch (phase.name) {
      case 'restoring':
        phase.restoration.abort();
        break;
      case 'standby':
        phase.follower.close();
        break;
      case 'opening':
        phase.takeover.abort();
        break;
      case 'fenced':
        this.#env.runtime.clearTimer(phase.timer);
        break;
      case 'absent':
      case 'serving':
      case 'closing':
      case 'closed':
        break;
    }
  }

  // --- while it does not serve -------------------------------------------------------------------------------------

  #submitBeforeServing(batch: EntryBatch, index: number, ticket: WriteTicket): void {
    const refusal = this.#refusal();
    if (refusal !== null) {
      this.#counts.opsRejected++;
      ticket.refuse(index, refusal.code, refusal.message);
    } else if (!this.isAboutToServe) {
      ticket.move(index);
    } else if (this.#waiting.add(batch, index, ticket)) {
      this.#waitTimer ??= this.#env.runtime.setTimer(OPENING_WAIT_MS - this.#waited, () => {
        this.#waitTimer = null;
        this.#refuseWaiting(OPENING);
      });
    } else {
      this.#counts.opsRejected++;
      ticket.refuse(index, OPENING.code, OPENING.message);
    }
  }

  #refusal(): Refusal | null {
    if (this.#phase.name === 'closed') return CLOSED;
    if (this.#isAlone) return RESTORING;
    return this.isAboutToServe && this.#waited >= OPENING_WAIT_MS ? OPENING : null;
  }

  #refuseWaiting(refusal: Refusal): void {
    this.#counts.opsRejected += this.#waiting.refuse(refusal);
    this.#stopWaiting();
  }

  #stopWaiting(): void {
    if (this.#waitTimer !== null) this.#env.runtime.clearTimer(this.#waitTimer);
    this.#waitTimer = null;
  }

  get #waited(): number {
    return this.#env.runtime.monotonic() - this.#openingSince;
  }

  get #isAlone(): boolean {
    return this.#env.tails() === null;
  }

  get #isSuperseded(): boolean {
    const store = this.#store;
    return store !== null && this.#role.name === 'owner' && isSuperseded(store, this.#role.epoch, this.#env.nodeId);
  }

  get #store(): ShardStore | null {
    return 'holding' in this.#phase ? this.#phase.holding.store : null;
  }

  get #isHot(): boolean {
    const phase = this.#phase;
    return phase.name === 'standby' ? phase.follower.isHot : phase.name === 'opening' || phase.name === 'closing';
  }

  get #stateName(): string {
    return this.#phase.name === 'serving' ? this.#phase.writer.stateName : this.#phase.name;
  }
}

function isSameRole(a: Role, b: Role): boolean {
  return a.name === 'owner' ? b.name === 'owner' && a.epoch === b.epoch : a.name === b.name;
}
