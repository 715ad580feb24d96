import { encodeMessage } from '@topgunbuild/core';
import type { Stream, StreamSink } from '../shard/DataPlane.js';
import { RecordRows, recordsFrame } from './recordsFrame.js';
import type { Window, WindowDiff, WindowMember } from './Window.js';

const CHUNK_BYTES = 64 * 1024;
/** A version that no row has: the row must be sent again. */
const OUTDATED = -1;

type State =
  /** `held`: the subscriber's rows, by key, and the sequences of their versions. */
  | { readonly name: 'behind'; readonly held: Map<string, number>; readonly isFirst: boolean }
  | { readonly name: 'live' }
  | { readonly name: 'closed' };

/** One subscriber of a window: is sent what changes in it, or, when its sink is full, the difference later. */
export class WindowStream implements Stream, WindowMember {
  readonly #queryId: number;
  readonly #window: Window;
  readonly #sink: StreamSink;
  readonly #onClosed: (stream: WindowStream) => void;
  #state: State = { name: 'behind', held: new Map(), isFirst: true };

  constructor(
    queryId: number,
    window: Window,
    reset: { readonly logId: string; readonly shards: readonly number[] },
    sink: StreamSink,
    onClosed: (stream: WindowStream) => void,
  ) {
    this.#queryId = queryId;
    this.#window = window;
    this.#sink = sink;
    this.#onClosed = onClosed;
    window.add(this);
    const { logId, shards } = reset;
    if (shards.length > 0) sink.send(encodeMessage({ type: 'QUERY_RESET', queryId, logId, shards }));
    this.resume();
  }

  changed(diff: WindowDiff): void {
    if (this.#state.name !== 'live') return;
    if (!this.#sink.hasRoom) {
      this.#fallBehind(diff);
      return;
    }
    const rows = new RecordRows();
    for (const key of diff.left) rows.left(this.#window.map, key);
    for (const row of diff.put) this.#window.addTo(rows, row);
    this.#sink.send(recordsFrame(this.#queryId, [], rows.batch, false, false));
  }

  resume(): void {
    if (this.#state.name !== 'behind' || !this.#window.isReady) return;
    // A window that takes in what is undelivered may turn out to have to be built anew.
    this.#window.flush();
    while (this.#state.name === 'behind' && this.#window.isReady && this.#sink.hasRoom) {
      this.#sendChunk(this.#state.held, this.#state.isFirst);
    }
  }

  close(): void {
    if (this.#state.name === 'closed') return;
    this.#state = { name: 'closed' };
    this.#window.remove(this);
    this.#onClosed(this);
  }

  #sendChunk(held: Map<string, number>, isFirst: boolean): void {
    const { shown, map } = this.#window;
    const rows = new RecordRows();
    for (const key of held.keys()) {
      if (shown.has(key)) continue;
      rows.left(map, key);
      held.delete(key);
    }
    let isComplete = true;
    for (const row of shown.values()) {
      if (held.get(row.key) === row.seq) continue;
      if (rows.bytes >= CHUNK_BYTES) {
        isComplete = false;
        break;
      }
      this.#window.addTo(rows, row);
      held.set(row.key, row.seq);
    }
    if (isComplete) this.#state = { name: 'live' };
    if (rows.batch.count === 0 && !isFirst) return;
    this.#sink.send(recordsFrame(this.#queryId, [], rows.batch, isFirst, isComplete && isFirst));
  }

  /** The window has changed by `diff` already; the subscriber has not. */
  #fallBehind(diff: WindowDiff): void {
    const held = new Map<string, number>();
    for (const row of this.#window.shown.values()) held.set(row.key, row.seq);
    for (const row of diff.put) held.set(row.key, OUTDATED);
    for (const key of diff.left) held.set(key, OUTDATED);
    this.#state = { name: 'behind', held, isFirst: false };
  }
}
