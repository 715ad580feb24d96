import type { Runtime, Timer } from '@topgunbuild/core';
import type { Backbone } from '../backbone/Backbone.js';
import type { HostedShard } from './HostedShard.js';

const INTERVAL_MS = 1_000;

/**
 * Asks the log, now and then, how far it is: the tail of a standby that hears nothing cannot tell rest from silence, and an
 * owner that nobody writes to cannot tell that another took over.
 */
export class HeadProbe {
  readonly #backbone: Pick<Backbone, 'log'>;
  readonly #runtime: Runtime;
  readonly #shards: readonly HostedShard[];
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(backbone: Pick<Backbone, 'log'>, runtime: Runtime, shards: readonly HostedShard[]) {
    this.#backbone = backbone;
    this.#runtime = runtime;
    this.#shards = shards;
  }

  start(): void {
    if (!this.#isClosed) this.#timer = this.#runtime.setTimer(INTERVAL_MS, () => void this.#ask());
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) this.#runtime.clearTimer(this.#timer);
  }

  /** One after the other: nobody waits for it. */
  async #ask(): Promise<void> {
    this.#timer = null;
    for (const shard of this.#shards) {
      if (this.#isClosed) return;
      const seq = shard.seqAtRest;
      if (seq !== null) await this.#askFor(shard, seq);
    }
    this.start();
  }

  async #askFor(shard: HostedShard, seq: number): Promise<void> {
    const askedAt = this.#runtime.monotonic();
    try {
      shard.noteHead(await this.#backbone.log.head(shard.id), askedAt, seq);
    } catch {
      // The log cannot be reached: the lag of standbys grows, which tells enough.
    }
  }
}
