import { TopGunError } from '@topgunbuild/core';
import type { AppendResult, Log, LogRecord, LogTails, Snapshot, Tail } from '../Backbone.js';
import { Follower, type FollowerEnvironment } from './Follower.js';
import { EXPECTED_HEADER } from './JetStream.js';
import { headerOf, type StoredMessage } from './jetStreamTypes.js';
import type { NatsLayout } from './NatsLayout.js';
import type { NatsSnapshots } from './NatsSnapshots.js';
import { readFeed } from './readFeed.js';

/** So many records are had sooner one by one than by a consumer. */
const FEW = 4;

/** What a message takes beside the record. */
const MESSAGE_OVERHEAD = 512;

/**
 * One subject a shard. A record is stored only if its publisher knew the subject's last sequence, which JetStream keeps with
 * it: that is both the fence against former owners and the chain that shows whether a record is missing.
 */
export class NatsLog implements Log, LogTails {
  readonly logId: string;
  readonly #env: FollowerEnvironment;
  readonly #layout: NatsLayout;
  readonly #snapshots: NatsSnapshots;
  readonly #tails = new Set<Follower>();
  /** Per shard the record before which all could go, the last time that this node trimmed its log. */
  readonly #trimmed = new Map<number, number>();

  constructor(logId: string, env: FollowerEnvironment, layout: NatsLayout, snapshots: NatsSnapshots) {
    this.logId = logId;
    this.#env = env;
    this.#layout = layout;
    this.#snapshots = snapshots;
  }

  get maxRecordBytes(): number {
    return this.#env.js.link.maxPayload - MESSAGE_OVERHEAD;
  }

  async append(shard: number, bytes: Uint8Array, expectedSeq: number): Promise<AppendResult> {
    if (bytes.length > this.maxRecordBytes) {
      throw new TopGunError(
        'TOO_LARGE',
        `A log record of ${bytes.length} bytes is more than NATS takes. Set max_payload in its configuration to 8MB.`,
      );
    }
    const seq = await this.#env.js.publish(this.#layout.logSubject(shard), bytes, expectedSeq);
    return seq === null ? { status: 'fenced' } : { status: 'appended', seq };
  }

  async head(shard: number): Promise<number> {
    return (await this.#last(shard))?.seq ?? 0;
  }

  read(shard: number, fromSeq: number): AsyncIterable<LogRecord> {
    const last = this.#last(shard);
    // Told to whoever iterates, if anybody does.
    last.catch(() => undefined);
    return this.#records(shard, fromSeq, last);
  }

  saveSnapshot(shard: number, snapshot: Snapshot): Promise<void> {
    return this.#snapshots.save(shard, snapshot);
  }

  loadSnapshot(shard: number): Promise<Snapshot | null> {
    return this.#snapshots.load(shard);
  }

  /**
   * What no shard of the stream needs goes all at once, as files. Taking one shard's records out from among the others' costs
   * something for each, and with `sync_interval: always` it holds up the stream: 190 ms for 1000. So that is done only where
   * the others are so quiet that nothing has gone since the last time.
   */
  async trim(shard: number, upToSeq: number): Promise<void> {
    const { js } = this.#env;
    const stream = this.#layout.logStream(shard);
    // The last record stays: it tells the head.
    const before = Math.min(upToSeq + 1, await this.head(shard));
    if (before <= 1) return;
    const others = this.#layout.shardsBeside(shard).map((other) => this.#neededFrom(other));
    const floor = Math.min(before, ...(await Promise.all(others)));
    if (floor > 1) await js.purgeAll(stream, floor);
    const since = this.#trimmed.get(shard) ?? 0;
    if (floor < before && floor <= since) await js.purge(stream, this.#layout.logSubject(shard), before);
    this.#trimmed.set(shard, before);
  }

  tail(shard: number, fromSeq: number, onRecord: (record: LogRecord) => void): Tail {
    let lastSeq = fromSeq;
    const follower = new Follower(this.#env, {
      stream: this.#layout.logStream(shard),
      filter: this.#layout.logSubject(shard),
      from: fromSeq + 1,
      onMessage: ({ seq, prev, data }, isFirst) => {
        // The first one that a new consumer finds has nothing before it any more but what was trimmed.
        if (prev !== lastSeq && !isFirst) return false;
        lastSeq = seq;
        onRecord({ seq, prev: prev ?? 0, bytes: data });
        return true;
      },
    });
    this.#tails.add(follower);
    return {
      close: () => {
        follower.close();
        this.#tails.delete(follower);
      },
    };
  }

  close(): void {
    for (const tail of this.#tails) tail.close();
    this.#tails.clear();
  }

  /** Of the shard's records none before this one is needed: they are in its snapshot, and it has later ones. */
  async #neededFrom(shard: number): Promise<number> {
    const head = await this.head(shard);
    return head === 0 ? Number.POSITIVE_INFINITY : Math.min(head, (await this.#snapshots.seqOf(shard)) + 1);
  }

  async *#records(shard: number, fromSeq: number, last: Promise<LogRecord | null>): AsyncIterable<LogRecord> {
    const head = await last;
    if (head === null || head.seq <= fromSeq) return;
    if (head.prev <= fromSeq) {
      yield head;
      return;
    }
    for await (const record of this.#recordsFrom(shard, fromSeq)) {
      // Trimmed meanwhile, as it is the last one no more: what comes behind it is not asked for.
      if (record.seq > head.seq) return;
      yield record;
      if (record.seq === head.seq) return;
    }
  }

  /** Without end, or to the end: whoever reads knows which is the last. */
  async *#recordsFrom(shard: number, fromSeq: number): AsyncIterable<LogRecord> {
    let from = fromSeq + 1;
    for (let few = 0; few < FEW; few++) {
      const record = await this.#next(shard, from);
      if (record === null) return;
      yield record;
      from = record.seq + 1;
    }
    const spec = { stream: this.#layout.logStream(shard), filter: this.#layout.logSubject(shard), from };
    try {
      for await (const { seq, prev, data } of readFeed(this.#env, spec)) {
        yield { seq, prev: prev ?? 0, bytes: data };
        from = seq + 1;
      }
    } catch (error) {
      // While the servers have no leader among them there are no new consumers, and this is a time of takeovers.
      if (!(error instanceof TopGunError && error.code === 'UNAVAILABLE')) throw error;
    }
    for (let record = await this.#next(shard, from); record !== null; record = await this.#next(shard, from)) {
      yield record;
      from = record.seq + 1;
    }
  }

  async #next(shard: number, seq: number): Promise<LogRecord | null> {
    return recordOf(await this.#env.js.next(this.#layout.logStream(shard), this.#layout.logSubject(shard), seq));
  }

  async #last(shard: number): Promise<LogRecord | null> {
    return recordOf(await this.#env.js.last(this.#layout.logStream(shard), this.#layout.logSubject(shard)));
  }
}

function recordOf(message: StoredMessage | null): LogRecord | null {
  if (message === null) return null;
  return { seq: message.seq, prev: Number(headerOf(message.headers, EXPECTED_HEADER) ?? 0), bytes: message.data };
}
