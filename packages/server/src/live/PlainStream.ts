import { encodeMessage, type Runtime } from '@topgunbuild/core';
import type { Stream, StreamSink } from '../shard/DataPlane.js';
import { CatchUp } from './CatchUp.js';
import type { GroupMember, LiveGroup } from './LiveGroup.js';
import { CONDITIONS_AS_ROW } from './LiveTuning.js';
import { recordsFrame } from './recordsFrame.js';
import type { Turns } from './Turns.js';

export interface PlainStreamPort {
  readonly runtime: Runtime;
  readonly turns: Turns;
  readonly logId: string;
  /** Delivers what has changed to live streams, so that a walk that follows finds nothing undelivered. */
  flush(): void;
  /** Marks everything as delivered that is applied. */
  settled(): void;
  closed(stream: PlainStream): void;
}

type State =
  | { readonly name: 'behind'; readonly catchUp: CatchUp }
  | { readonly name: 'live' }
  | { readonly name: 'closed' };

/**
 * A stream of all rows that pass a filter. It is either behind, and walks through what changed since its cursors at the
 * pace of its sink, or live, and gets each change as it happens. When the sink is full it falls behind: so nothing
 * ever queues up for it, and rows that change often meanwhile are sent once.
 */
export class PlainStream implements GroupMember, Stream {
  readonly queryId: number;
  readonly #group: LiveGroup;
  readonly #port: PlainStreamPort;
  readonly #sink: StreamSink;
  #state: State;

  /** `cursors` by shard; a shard in `resets` starts from the beginning, and the subscriber is told so. */
  constructor(
    queryId: number,
    group: LiveGroup,
    port: PlainStreamPort,
    sink: StreamSink,
    cursors: Float64Array,
    resets: readonly number[],
  ) {
    this.queryId = queryId;
    this.#group = group;
    this.#port = port;
    this.#sink = sink;
    this.#state = { name: 'behind', catchUp: new CatchUp(group.source, group.filter, cursors) };
    group.addBehind(this);
    if (resets.length > 0) this.#sendReset(resets);
    port.turns.run(sink, this.#pump);
  }

  get hasRoom(): boolean {
    return this.#sink.hasRoom;
  }

  sendLive(frame: Uint8Array): void {
    if (this.#state.name === 'live') this.#sink.send(frame);
  }

  /** The sink is full: what the subscriber has is told by `cursors`. */
  fallBehind(cursors: Float64Array): void {
    if (this.#state.name !== 'live') return;
    this.#state = { name: 'behind', catchUp: new CatchUp(this.#group.source, this.#group.filter, cursors) };
    this.#group.addBehind(this);
  }

  /** There is too much to do at once: from `cursors`, which is what the subscriber has, it catches up in turns. */
  postpone(cursors: Float64Array): void {
    this.fallBehind(cursors);
    this.#port.turns.later(this.#sink, this.#pump);
  }

  /** Everything is sent anew, because nobody has looked which rows were lost. */
  startOver(): void {
    if (this.#state.name !== 'behind') return;
    const { catchUp } = this.#state;
    const { shards } = this.#group.source;
    for (const shard of shards) catchUp.restart(shard);
    catchUp.forgetLost();
    this.#sendReset(shards);
  }

  /** While the stream is behind: the subscriber may have a row that its walk would not name. */
  lose(key: string): void {
    if (this.#state.name !== 'behind') return;
    const { catchUp } = this.#state;
    catchUp.lose(key);
    if (catchUp.lostCount > this.#group.source.tuning.maxLostRows) this.startOver();
  }

  /** Deletions were forgotten that this stream has perhaps not told yet. */
  collected(shard: number, collectedSeq: number): void {
    if (this.#state.name === 'behind' && this.#state.catchUp.collected(shard, collectedSeq)) this.#sendReset([shard]);
  }

  resume(): void {
    if (this.#state.name === 'behind') this.#port.turns.run(this.#sink, this.#pump);
  }

  close(): void {
    const state = this.#state;
    if (state.name === 'closed') return;
    if (state.name === 'behind') {
      state.catchUp.close();
      this.#port.turns.drop(this.#sink, this.#pump);
    }
    this.#state = { name: 'closed' };
    this.#group.remove(this);
    this.#port.closed(this);
  }

  /** Catches up for a turn at most, and as long as the sink has room. */
  readonly #pump = (): number => {
    // The sink may have been told of its room while this stood in the queue, and closing drops what stands there.
    if (this.#state.name !== 'behind') return 0;
    this.#port.flush();
    const { runtime } = this.#port;
    const { source, filter } = this.#group;
    const rowCost = (1 + filter.conditions / CONDITIONS_AS_ROW) / source.tuning.turnRows;
    let spent = 0;
    while (this.#state.name === 'behind' && this.#sink.hasRoom) {
      const { catchUp } = this.#state;
      const chunk = catchUp.next(runtime.now());
      const { rows, cursors, isComplete } = chunk;
      if (isComplete) {
        // Live before the last frame is out: whatever the sink does in `send` finds the stream in order.
        this.#state = { name: 'live' };
        this.#group.addLive(this);
        this.#port.settled();
      }
      if (isComplete || rows.batch.count > 0) {
        this.#sink.send(recordsFrame(this.queryId, cursors, rows.batch, true, isComplete));
      }
      spent += Math.max(rows.bytes / source.tuning.turnBytes, chunk.walked * rowCost);
      if (spent >= 1 && this.#isBehind()) {
        this.#port.turns.later(this.#sink, this.#pump);
        break;
      }
    }
    return spent;
  };

  /** Asked after calls that may change the state. */
  #isBehind(): boolean {
    return this.#state.name === 'behind';
  }

  #sendReset(shards: readonly number[]): void {
    this.#sink.send(
      encodeMessage({ type: 'QUERY_RESET', queryId: this.queryId, logId: this.#port.logId, shards: [...shards] }),
    );
  }
}
