import { type EntryBatch, encodeMessage, Kind, EntryBatch as Rows } from '@topgunbuild/core';
import type {
  DataPlane,
  DataPlaneStats,
  ReadResult,
  Stream,
  StreamSink,
  SubscribeSpec,
  WriteDone,
} from '../shard/DataPlane.js';

export interface FakeWrite {
  readonly batch: EntryBatch;
  readonly indexes: readonly number[] | null;
  readonly done: WriteDone;
}

export interface FakeStream extends Stream {
  readonly spec: SubscribeSpec;
  readonly sink: StreamSink;
  closed: boolean;
  resumed: number;
}

/** A data plane that stores nothing: it shows what sessions ask of it, and answers as a test says. */
export class FakePlane implements DataPlane {
  readonly logId = 'log-1';
  readonly shardCount = 32;
  readonly writes: FakeWrite[] = [];
  readonly streams: FakeStream[] = [];
  readonly rows = new Map<string, unknown>();
  /** False: writes wait until the test calls `done`. */
  acksAtOnce = true;
  /** What `now` answers. */
  clock: () => number = Date.now;
  readError: Error | null = null;
  subscribeError: Error | null = null;

  write(batch: EntryBatch, indexes: readonly number[] | null, done: WriteDone): void {
    this.writes.push({ batch, indexes, done });
    if (this.acksAtOnce) done([], []);
  }

  read(map: string, key: string): ReadResult | null {
    if (this.readError !== null) throw this.readError;
    const id = `${map}/${key}`;
    return this.rows.has(id) ? { kind: Kind.LWW, value: this.rows.get(id) } : null;
  }

  subscribe(spec: SubscribeSpec, sink: StreamSink): Stream {
    if (this.subscribeError !== null) throw this.subscribeError;
    const stream: FakeStream = {
      spec,
      sink,
      closed: false,
      resumed: 0,
      resume: () => {
        stream.resumed++;
      },
      close: () => {
        stream.closed = true;
      },
    };
    this.streams.push(stream);
    return stream;
  }

  now(): number {
    return this.clock();
  }

  /** What a stream sends when it has nothing to tell but that it is complete. */
  emptyRecords(queryId: number): Uint8Array {
    return encodeMessage({
      type: 'QUERY_RECORDS',
      queryId,
      cursors: [],
      records: new Rows(),
      initial: true,
      last: true,
    });
  }

  owns(): boolean {
    return true;
  }

  readyProblem(): string | null {
    return null;
  }

  stats(): DataPlaneStats {
    const totals = {
      records: 0,
      logBytes: 0,
      appends: 0,
      opsApplied: 0,
      opsSuperseded: 0,
      opsRejected: 0,
      queuedBytes: 0,
      appendsFenced: 0,
      takeovers: 0,
    };
    return {
      shards: [],
      totals,
      appendLatency: { bounds: [1, 10], counts: [2, 1, 1], sumMs: 40, count: 4 },
      streams: this.streams.filter((stream) => !stream.closed).length,
      windows: 0,
    };
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
