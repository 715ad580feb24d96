import type { HostingEnvironment } from './HostingEnvironment.js';
import type { LogExtent } from './LogExtent.js';
import { restoreStore } from './restoreStore.js';
import { retryDelay } from './retryDelay.js';
import type { ShardStore } from './ShardStore.js';
import { SteadyPace } from './SteadyPace.js';

/** What restores a shard, and tries again until it succeeds or is aborted: then nobody hears of it any more. */
export class Restoration {
  readonly #shard: number;
  readonly #env: HostingEnvironment;
  readonly #isUrgent: () => boolean;
  readonly #onRestored: (store: ShardStore, extent: LogExtent) => void;
  readonly #pace: SteadyPace;

  /** `isUrgent`: whether somebody waits for the shard now. */
  constructor(
    shard: number,
    env: HostingEnvironment,
    isUrgent: () => boolean,
    onRestored: (store: ShardStore, extent: LogExtent) => void,
  ) {
    this.#shard = shard;
    this.#env = env;
    this.#isUrgent = isUrgent;
    this.#onRestored = onRestored;
    this.#pace = new SteadyPace(env.runtime, isUrgent);
  }

  abort(): void {
    this.#pace.abort();
  }

  async run(): Promise<void> {
    for (let attempt = 0; !this.#pace.isAborted; attempt++) {
      const restored = await this.#attempt(attempt);
      if (this.#pace.isAborted) return;
      if (restored !== null) {
        this.#onRestored(restored.store, restored.extent);
        return;
      }
      await this.#pace.sleep(retryDelay(this.#env.tuning, this.#env.runtime, attempt));
    }
  }

  async #attempt(attempt: number): Promise<{ readonly store: ShardStore; readonly extent: LogExtent } | null> {
    const { slots, backbone, shardCount, logger } = this.#env;
    const end = await slots.take(this.#isUrgent);
    try {
      if (this.#pace.isAborted) return null;
      const store = this.#env.createStore(this.#shard);
      const extent = await restoreStore(store, backbone.log, shardCount, this.#pace);
      return { store, extent };
    } catch (error) {
      // A snapshot that is replaced, and its log trimmed, while both are read leaves a gap: once that is nothing to tell.
      if (attempt === 0) logger.debug({ shard: this.#shard, error }, 'shard could not be restored, trying again');
      if (attempt === 1) logger.warn({ shard: this.#shard, error }, 'shard cannot be restored, trying on');
      return null;
    } finally {
      end();
    }
  }
}
