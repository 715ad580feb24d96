import { TopGunError } from '@topgunbuild/core';
import { MissingRecord } from './applyRecord.js';
import type { HostingEnvironment } from './HostingEnvironment.js';
import type { LogExtent } from './LogExtent.js';
import { encodeEpochRecord } from './logRecord.js';
import { catchUp } from './restoreStore.js';
import { retryDelay } from './retryDelay.js';
import type { ShardStore } from './ShardStore.js';
import { SteadyPace } from './SteadyPace.js';

/**
 * opened:     our mark is the last record of the log, and the store is at it: nobody else can append from here on
 * superseded: another node took over in a later epoch
 * broken:     the store cannot be brought to the head of the log; it must be restored anew
 */
export type TakeoverResult = 'opened' | 'superseded' | 'broken';

/**
 * Makes this node the owner of a shard: brings the store to the head of the log, and appends the mark of the epoch there,
 * which fences whoever owned the shard before. Goes on until one of the results is certain, or it is aborted. A mark that
 * was sent in vain, or whose answer was lost, is found out about by reading what the log has.
 */
export class Takeover {
  readonly #store: ShardStore;
  readonly #extent: LogExtent;
  readonly #epoch: number;
  readonly #env: HostingEnvironment;
  readonly #pace: SteadyPace;
  readonly #onDone: (result: TakeoverResult) => void;

  constructor(
    store: ShardStore,
    extent: LogExtent,
    epoch: number,
    env: HostingEnvironment,
    onDone: (result: TakeoverResult) => void,
  ) {
    this.#store = store;
    this.#extent = extent;
    this.#epoch = epoch;
    this.#env = env;
    this.#pace = new SteadyPace(env.runtime, () => true);
    this.#onDone = onDone;
  }

  /** Nobody hears of it any more, and it leaves the store alone. A mark on its way may still land. */
  abort(): void {
    this.#pace.abort();
  }

  async run(): Promise<void> {
    const { tuning, runtime, logger } = this.#env;
    const shard = this.#store.shard;
    for (let attempt = 0; !this.#pace.isAborted; ) {
      try {
        const result = await this.#attempt();
        if (this.#pace.isAborted) return;
        if (result === null) continue;
        this.#onDone(result);
        return;
      } catch (error) {
        if (this.#pace.isAborted) return;
        if (attempt === 0) logger.warn({ shard, error }, 'shard cannot be taken over, trying on');
        await this.#pace.sleep(retryDelay(tuning, runtime, attempt));
        attempt++;
      }
    }
  }

  /** Null: somebody else has appended meanwhile. @throws TopGunError when the log fails */
  async #attempt(): Promise<TakeoverResult | null> {
    const { backbone, nodeId } = this.#env;
    const store = this.#store;
    if (!(await this.#caughtUp())) return 'broken';
    if (this.#pace.isAborted) return null;
    if (isSuperseded(store, this.#epoch, nodeId)) return 'superseded';
    // An earlier attempt has landed, and nothing came behind it.
    if (store.epoch.epoch === this.#epoch && store.epoch.seq === store.appliedSeq) return 'opened';
    const before = store.appliedSeq;
    const mark = encodeEpochRecord(this.#epoch, nodeId);
    const result = await backbone.log.append(store.shard, mark, before);
    if (this.#pace.isAborted) return null;
    if (result.status === 'appended') {
      store.applyEpoch(this.#epoch, nodeId, result.seq);
      store.appliedSeq = result.seq;
      this.#extent.add(mark);
      return 'opened';
    }
    if ((await backbone.log.head(store.shard)) === before) {
      throw new TopGunError('STORAGE_FAILED', 'The log refuses records at its own head.');
    }
    return null;
  }

  async #caughtUp(): Promise<boolean> {
    const { backbone, shardCount, logger } = this.#env;
    try {
      await catchUp(this.#store, backbone.log, shardCount, this.#pace, this.#extent);
      return true;
    } catch (error) {
      if (!(error instanceof MissingRecord)) throw error;
      logger.debug({ shard: this.#store.shard, error }, 'shard lost touch with its log');
      return false;
    }
  }
}

/** Whether the store knows of an owner after the one of `epoch` at `nodeId`. */
export function isSuperseded(store: ShardStore, epoch: number, nodeId: string): boolean {
  const last = store.epoch;
  return last.epoch > epoch || (last.epoch === epoch && last.nodeId !== nodeId);
}
