import { encodeValue, type Runtime, TopGunError } from '@topgunbuild/core';
import type { Bus, BusSubscription } from '../backbone/Bus.js';
import type { Registry, RegistryEntry } from '../backbone/Registry.js';
import type { Logger } from '../Logger.js';
import type { ClusterTiming } from './ClusterTiming.js';
import { PING, type PingReply, pingReplyCodec, pingSubject, ROLL_CALL } from './PingReply.js';
import { NODE_KEYS, nodeKey, type Registration, registrationCodec } from './Registration.js';

export interface RegisteredNode extends Registration {
  /** Of the registration: another one is another life, even of the same process. */
  readonly revision: number;
}

export interface MembershipOptions {
  readonly self: Registration;
  readonly registry: Registry;
  readonly bus: Bus;
  readonly runtime: Runtime;
  readonly timing: ClusterTiming;
  readonly logger: Logger;
  /** What this node answers to probes. */
  readonly answer: () => PingReply;
  readonly onChange: () => void;
}

/**
 * absent:     nothing in the registry tells of this process: it is about to, or was given up by a leader
 * registered
 * replaced:   another process has taken the node's id. This one must do nothing in its name again.
 * gone:       it left
 */
type Presence = 'absent' | 'registered' | 'replaced' | 'gone';

const ATTEMPTS = 5;

/** Who is there: this node's own registration, and those of the others. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #nodes = new Map<string, RegisteredNode>();
  #presence: Presence = 'absent';
  #self: Registration;
  /** Of the own registration; 0 = there is none. */
  #revision = 0;
  /** How often the registry told of this node. */
  #toldOfSelf = 0;
  #isBusy = false;
  #retryAt = Number.NEGATIVE_INFINITY;
  #joinedAt = Number.NEGATIVE_INFINITY;
  #service: BusSubscription | null = null;
  #rollCall: BusSubscription | null = null;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#self = options.self;
  }

  /** By node id, this node among them once it is registered. */
  get nodes(): ReadonlyMap<string, RegisteredNode> {
    return this.#nodes;
  }

  get isReplaced(): boolean {
    return this.#presence === 'replaced';
  }

  get isRegistered(): boolean {
    return this.#presence === 'registered';
  }

  /** When the last new process was seen to register. Monotonic ms. */
  get joinedAt(): number {
    return this.#joinedAt;
  }

  /**
   * Makes the node known, and answers probes from then on.
   * @throws TopGunError INVALID_VALUE when a living process has the id; UNAVAILABLE
   */
  async register(): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      await this.#refuseIfTaken();
      const present = await this.#options.registry.get(this.#key);
      // Served first: whoever reads the registration may ask at once.
      this.#serve();
      if (await this.#write(present?.revision ?? 0)) {
        this.#toldOfSelf = 0;
        return;
      }
      // Somebody else did so in the same moment; asked again, it answers, unless it stepped back as this one does.
      this.#stopServing();
    }
    throw new TopGunError('UNAVAILABLE', 'The node could not be registered in the cluster. Try again soon.');
  }

  /** A registration is there, or not. */
  onEntry(key: string, entry: RegistryEntry | null): void {
    const nodeId = key.slice(NODE_KEYS.length);
    const isSelf = nodeId === this.#self.nodeId;
    const former = this.#nodes.get(nodeId);
    if (isSelf) this.#toldOfSelf++;
    if (entry !== null && former !== undefined && entry.revision <= former.revision) return;
    // Older than what this process has written itself.
    if (isSelf && entry !== null && entry.revision < this.#revision) return;
    const document = entry === null ? null : registrationCodec.decode(entry.value);
    if (entry !== null && document?.nodeId !== nodeId) {
      this.#options.logger.warn({ key }, 'a registration of the cluster cannot be read: ignored');
    }
    if (entry === null || document === null || document.nodeId !== nodeId) this.#nodes.delete(nodeId);
    else this.#nodes.set(nodeId, { ...document, revision: entry.revision });
    if (document !== null && document.boot !== former?.boot) this.#joinedAt = this.#options.runtime.monotonic();
    if (isSelf) this.#seeOneself(document, entry?.revision ?? 0);
    this.#options.onChange();
  }

  /** The registry has told all that is there now: if this node is not, it was given up since it registered. */
  onPresentTold(): void {
    if (this.#toldOfSelf === 0) this.onEntry(this.#key, null);
  }

  /** A node that was given up although it lives, because it did not answer for a while, comes back. */
  tick(now: number): void {
    if (this.#presence !== 'absent' || this.#service === null || this.#isBusy || now < this.#retryAt) return;
    void this.#registerAgain();
  }

  /** Tells that it will go. @throws TopGunError UNAVAILABLE */
  async announceLeaving(): Promise<void> {
    this.#self = { ...this.#self, leaving: true };
    for (let attempt = 0; attempt < ATTEMPTS && this.#presence === 'registered'; attempt++) {
      if (await this.#write(this.#revision)) return;
      this.onEntry(this.#key, await this.#options.registry.get(this.#key));
    }
  }

  /** Never fails: others find out by themselves, if more slowly. */
  async deregister(): Promise<void> {
    const wasRegistered = this.#presence === 'registered';
    this.close();
    if (!wasRegistered) return;
    try {
      await this.#options.registry.delete(this.#key, this.#revision);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the registration of the node could not be removed');
    }
  }

  /** Answers no more. */
  close(): void {
    this.#presence = 'gone';
    this.#stopServing();
  }

  get #key(): string {
    return nodeKey(this.#self.nodeId);
  }

  /** What the registry says about this node. */
  #seeOneself(document: Registration | null, revision: number): void {
    if (this.#presence === 'gone' || this.#presence === 'replaced') return;
    if (document !== null && document.boot !== this.#self.boot) {
      this.#presence = 'replaced';
      this.#stopServing();
      this.#options.logger.error({ nodeId: this.#self.nodeId }, 'another process has taken the id of this node');
      return;
    }
    this.#revision = revision;
    const isLost = document === null;
    if (isLost && this.#presence === 'registered') {
      this.#options.logger.warn({}, 'the cluster had given this node up; it comes back');
    }
    this.#presence = isLost ? 'absent' : 'registered';
  }

  async #registerAgain(): Promise<void> {
    this.#isBusy = true;
    try {
      const isWritten = await this.#write(this.#revision);
      if (!isWritten) this.onEntry(this.#key, await this.#options.registry.get(this.#key));
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the node could not be registered');
    } finally {
      this.#isBusy = false;
      this.#retryAt = this.#options.runtime.monotonic() + this.#options.timing.retryMs;
    }
  }

  async #write(expected: number): Promise<boolean> {
    const value = registrationCodec.encode(this.#self);
    const told = this.#toldOfSelf;
    const revision = await this.#options.registry.compareAndSet(this.#key, value, expected);
    if (revision === null) return false;
    // What was told meanwhile may be newer: that the registration is gone again has no revision to tell it by.
    if (told === this.#toldOfSelf) this.onEntry(this.#key, { value, revision });
    return true;
  }

  /** @throws TopGunError INVALID_VALUE */
  async #refuseIfTaken(): Promise<void> {
    const { bus, timing, self } = this.#options;
    let answer: Uint8Array;
    try {
      answer = await bus.request(pingSubject(self.nodeId), PING, timing.probeTimeoutMs);
    } catch {
      // Nobody there, or it hangs: should it come to itself again, it finds that it was replaced.
      return;
    }
    if (pingReplyCodec.decode(answer)?.boot === self.boot) return;
    throw new TopGunError(
      'INVALID_VALUE',
      `A node with the id ${JSON.stringify(self.nodeId)} runs in this cluster already. Give this one another id.`,
    );
  }

  #serve(): void {
    const { bus, answer, self } = this.#options;
    this.#service ??= bus.serve(pingSubject(self.nodeId), () => pingReplyCodec.encode(answer()));
    this.#rollCall ??= bus.serve(ROLL_CALL, () => encodeValue(self.nodeId));
  }

  #stopServing(): void {
    this.#service?.close();
    this.#service = null;
    this.#rollCall?.close();
    this.#rollCall = null;
  }
}
