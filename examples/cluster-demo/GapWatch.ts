/**
 * Measures what a death costs: how long nothing was acknowledged for the keys of the node that died, from its death to the
 * first ack of a write that was made after it; and the longest time between two acks for keys of each other node.
 */
export class GapWatch {
  readonly #victim: string;
  /** By partition: the owner at the time of death. */
  readonly #owners: readonly (string | null)[];
  readonly #diedAt: number;
  readonly #lastAck = new Map<string, number>();
  #longestOther = 0;
  /** Null while the keys of the victim wait. */
  #gap: number | null = null;
  #onEnd: (gapMs: number) => void = () => undefined;

  constructor(victim: string, owners: readonly (string | null)[], diedAt: number) {
    this.#victim = victim;
    this.#owners = owners;
    this.#diedAt = diedAt;
  }

  get victim(): string {
    return this.#victim;
  }

  /** Resolves with the gap in ms. */
  readonly over = new Promise<number>((resolve) => {
    this.#onEnd = resolve;
  });

  /** Of the victim's keys so far, ms. */
  gapMs(now: number): number {
    return this.#gap ?? now - this.#diedAt;
  }

  get isOver(): boolean {
    return this.#gap !== null;
  }

  /** Of the keys of other nodes, until the victim's keys had an owner again, ms. */
  get longestOtherMs(): number {
    return this.#longestOther;
  }

  onAck(partition: number, madeAt: number, now: number): void {
    const owner = this.#owners[partition] ?? null;
    if (owner === null || this.#gap !== null) return;
    if (owner !== this.#victim) {
      this.#longestOther = Math.max(this.#longestOther, now - (this.#lastAck.get(owner) ?? this.#diedAt));
      this.#lastAck.set(owner, now);
      return;
    }
    // What was answered before the death may still have been under way to us.
    if (madeAt < this.#diedAt) return;
    this.#gap = now - this.#diedAt;
    this.#onEnd(this.#gap);
  }
}
