import { decodeServerMessage, type EntryBatch, shardOfKey, Tag } from '@topgunbuild/core';
import type { StreamSink } from '../shard/DataPlane.js';
import { ABSENT, decodeRowValue } from '../shard/rowValue.js';

interface HeldRow {
  readonly tag: Tag;
  readonly expires: number;
  readonly bytes: Uint8Array;
  readonly ms: number;
}

/** A subscriber that does what the protocol asks of clients, and counts what it got. */
export class StreamClient implements StreamSink {
  readonly rows = new Map<string, HeldRow>();
  readonly cursors = new Map<number, number>();
  hasRoom = true;
  /** Called with every frame; lets a test fill the sink. */
  onFrame: (() => void) | null = null;
  complete = false;
  /** How often the stream was said to have moved. */
  moved = 0;
  bytes = 0;
  frames = 0;
  records = 0;
  /** Every value that came, replaced ones included. */
  readonly everSeen: { readonly key: string; readonly value: unknown }[] = [];
  /** Keys that came as LEFT, in order. */
  readonly left: string[] = [];
  /** Of every message, in order. */
  readonly queryIds: number[] = [];
  resets: (readonly number[])[] = [];
  logId: string | null = null;
  readonly #shardCount: number;
  readonly #stale = new Set<string>();

  constructor(shardCount: number) {
    this.#shardCount = shardCount;
  }

  send(frame: Uint8Array): void {
    this.bytes += frame.length;
    this.frames++;
    const message = decodeServerMessage(frame.slice());
    if ('queryId' in message) this.queryIds.push(message.queryId);
    switch (message.type) {
      case 'QUERY_RESET':
        this.resets.push(message.shards);
        this.#markStale(message.shards);
        break;
      case 'QUERY_RECORDS':
        this.#take(message.records);
        for (let i = 0; i < message.cursors.length; i += 2) {
          this.cursors.set(message.cursors[i] as number, message.cursors[i + 1] as number);
        }
        if (message.last) this.#finish();
        break;
      default:
        throw new Error(`a stream must not send ${message.type}`);
    }
    this.onFrame?.();
  }

  /** What the client would name in its next subscription. */
  flatCursors(): number[] {
    return [...this.cursors].flat();
  }

  /** The values that the client sees, by key. */
  values(now: number): Map<string, unknown> {
    const values = new Map<string, unknown>();
    for (const [key, row] of this.rows) {
      const value = decodeRowValue(row.tag, row.expires, row.bytes, now);
      if (value !== ABSENT) values.set(key, value);
    }
    return values;
  }

  #take(records: EntryBatch): void {
    for (let i = 0; i < records.count; i++) {
      const key = records.keys[i] as string;
      const tag = records.tags[i] as Tag;
      this.records++;
      this.#stale.delete(key);
      if (tag === Tag.LEFT) {
        this.left.push(key);
        this.rows.delete(key);
      } else {
        const value = decodeRowValue(tag, 0, records.bytes(i), 0);
        if (value !== ABSENT) this.everSeen.push({ key, value });
        this.rows.set(key, {
          tag,
          expires: records.expires[i] as number,
          bytes: records.bytes(i),
          ms: records.ms[i] as number,
        });
      }
    }
  }

  #markStale(shards: readonly number[]): void {
    for (const shard of shards) this.cursors.delete(shard);
    for (const key of this.rows.keys()) {
      if (shards.length === 0 || shards.includes(shardOfKey(key, this.#shardCount))) this.#stale.add(key);
    }
  }

  #finish(): void {
    this.complete = true;
    for (const key of this.#stale) this.rows.delete(key);
    this.#stale.clear();
  }
}
