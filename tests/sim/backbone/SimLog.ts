import { TopGunError } from '@topgunbuild/core';
import type {
  AppendResult,
  Log,
  LogRecord,
  LogTails,
  Snapshot,
  Tail,
} from '../../../packages/server/src/backbone/Backbone.js';
import type { Random } from '../kernel/Random.js';
import type { Faults } from '../world/Faults.js';
import type { SharedLogs } from './SharedLogs.js';
import type { CallFate, Way } from './Way.js';

/** The shared logs as one process sees them. */
export class SimLog implements Log, LogTails {
  readonly logId: string;
  readonly logs: SharedLogs;
  readonly #way: Way;
  readonly #random: Random;
  readonly #faults: Faults;

  constructor(logId: string, logs: SharedLogs, way: Way, random: Random, faults: Faults) {
    this.logId = logId;
    this.logs = logs;
    this.#way = way;
    this.#random = random;
    this.#faults = faults;
  }

  async append(shard: number, bytes: Uint8Array, expectedSeq: number): Promise<AppendResult> {
    const author = this.#way.process.name;
    const fate = this.#fate();
    if (fate === 'full') throw new TopGunError('STORAGE_FULL', 'simulated: the log takes no more');
    const isTwice = this.#random.chance(this.#faults.appendsTwice);
    const result = await this.#way.call(() => this.logs.append(shard, bytes, expectedSeq, author), fate);
    if (!isTwice || result.status === 'fenced') return result;
    // The answer was lost on the way, and what sends again by itself was told that the record is not the next any more.
    this.#faults.count('append fenced by itself');
    return { status: 'fenced' };
  }

  head(shard: number): Promise<number> {
    return this.#look(() => this.logs.shard(shard).head);
  }

  async *read(shard: number, fromSeq: number): AsyncIterable<LogRecord> {
    for (const { seq, prev, bytes } of await this.#look(() => this.logs.after(shard, fromSeq))) {
      yield { seq, prev, bytes: bytes.slice() };
    }
  }

  saveSnapshot(shard: number, { seq, chunks }: Snapshot): Promise<void> {
    const copy = { seq, chunks: chunks.map((chunk) => chunk.slice()) };
    return this.#change(() => this.logs.saveSnapshot(shard, copy));
  }

  loadSnapshot(shard: number): Promise<Snapshot | null> {
    return this.#look(() => {
      const { snapshot } = this.logs.shard(shard);
      return snapshot && { seq: snapshot.seq, chunks: snapshot.chunks.map((chunk) => chunk.slice()) };
    });
  }

  trim(shard: number, upToSeq: number): Promise<void> {
    return this.#change(() => this.logs.trim(shard, upToSeq));
  }

  tail(shard: number, fromSeq: number, onRecord: (record: LogRecord) => void): Tail {
    const { logs } = this;
    const way = this.#way;
    const { watchers } = logs.shard(shard);
    /** What is on the way is lost when it breaks: then the tail goes on behind what arrived. */
    let sentSeq = fromSeq;
    let arrivedSeq = fromSeq;
    let isClosed = false;
    const follow = (): void => {
      for (const record of logs.after(shard, sentSeq)) {
        sentSeq = record.seq;
        way.deliver(() => {
          if (isClosed) return;
          arrivedSeq = record.seq;
          onRecord({ ...record, bytes: record.bytes.slice() });
        });
      }
    };
    const resume = (): void => {
      watchers.delete(follow);
      if (isClosed || !way.process.isAlive) return;
      sentSeq = arrivedSeq;
      watchers.add(follow);
      follow();
    };
    const unsubscribe = way.onChange(() => {
      // Else it would tell what comes next before what was lost.
      watchers.delete(follow);
      way.send(resume);
    });
    way.send(resume);
    return {
      close: () => {
        isClosed = true;
        watchers.delete(follow);
        unsubscribe();
      },
    };
  }

  #fate(): CallFate | 'full' {
    const random = this.#random;
    switch (this.#faults.appendFate(random)) {
      case 'works':
        return { doneAfterMs: this.#faults.diskDelay(random), failsAfterMs: null };
      case 'full':
        return 'full';
      case 'fails':
        return { doneAfterMs: null, failsAfterMs: random.between(1, 3_000) };
      case 'fails-after':
        // Time-outs know nothing of the record, which may land long before or after.
        return { doneAfterMs: random.between(1, 4_000), failsAfterMs: random.between(1, 3_000) };
    }
  }

  #change(work: () => void): Promise<void> {
    const fate = this.#fate();
    if (fate === 'full') throw new TopGunError('STORAGE_FULL', 'simulated: the log takes no more');
    return this.#way.call(work, fate);
  }

  async #look<T>(look: () => T): Promise<T> {
    const isFailing = this.#faults.readFails(this.#random);
    return this.#way.call(look, isFailing ? { doneAfterMs: null, failsAfterMs: 5 } : undefined);
  }
}
