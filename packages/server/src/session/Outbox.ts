import type { Limits, Runtime, Timer } from '@topgunbuild/core';
import type { Counters } from '../metrics/Counters.js';
import type { StreamSink } from '../shard/DataPlane.js';
import type { Peer } from './Peer.js';

/** Streams pause above this, or above half of `maxSendBufferBytes` where that is less: more only costs memory. */
const MAX_WATERMARK = 1024 * 1024;

/** A peer whose buffer stays above the watermark for so long does not read. */
const STUCK_AFTER_MS = 60_000;

type OutboxState =
  | { readonly name: 'flowing' }
  /** Above the watermark. The timer ends a session that does not come below it. */
  | { readonly name: 'congested'; readonly timer: Timer }
  /** Told once; what is still sent are the last words. */
  | { readonly name: 'stuck' }
  | { readonly name: 'closed' };

/**
 * What a session sends, with an eye on how much of it waits. Above the watermark streams pause; above
 * `maxSendBufferBytes` topic messages are dropped; at twice as much, or after a minute without room, the peer counts as
 * stuck and the session ends.
 */
export class Outbox implements StreamSink {
  readonly #peer: Peer;
  readonly #runtime: Runtime;
  readonly #counters: Counters;
  readonly #onStuck: () => void;
  readonly #watermark: number;
  readonly #maxBytes: number;
  #state: OutboxState = { name: 'flowing' };

  /** `watermark`, bytes: lower where the peer is not the last to queue what is sent. */
  constructor(
    peer: Peer,
    runtime: Runtime,
    limits: Limits,
    counters: Counters,
    onStuck: () => void,
    watermark: number = MAX_WATERMARK,
  ) {
    this.#peer = peer;
    this.#runtime = runtime;
    this.#counters = counters;
    this.#onStuck = onStuck;
    this.#watermark = Math.min(limits.maxSendBufferBytes / 2, watermark);
    this.#maxBytes = limits.maxSendBufferBytes;
  }

  /** Whoever is told that there is none gets `onDrain` when there is. */
  get hasRoom(): boolean {
    if (this.#state.name === 'closed' || this.#state.name === 'stuck') return false;
    if (this.#peer.buffered <= this.#watermark) return true;
    this.#congest();
    return false;
  }

  send(frame: Uint8Array): void {
    if (this.#state.name === 'closed') return;
    this.#counters.framesOut++;
    this.#counters.bytesOut += frame.length;
    this.#peer.send(frame);
    const { buffered } = this.#peer;
    if (buffered <= this.#watermark) return;
    this.#congest();
    if (buffered > this.#maxBytes * 2) this.#stick();
  }

  /** Sends a message that may be lost; false: it was, because too much is waiting already. */
  offer(frame: Uint8Array): boolean {
    if (this.#state.name === 'closed' || this.#peer.buffered >= this.#maxBytes) return false;
    this.send(frame);
    return true;
  }

  /** The peer has taken some of what was waiting. True: there was no room and now there is. */
  onDrain(): boolean {
    if (this.#state.name !== 'congested' || this.#peer.buffered > this.#watermark) return false;
    this.#runtime.clearTimer(this.#state.timer);
    this.#state = { name: 'flowing' };
    return true;
  }

  /** Nothing is sent any more. */
  close(): void {
    if (this.#state.name === 'congested') this.#runtime.clearTimer(this.#state.timer);
    this.#state = { name: 'closed' };
  }

  #stick(): void {
    if (this.#state.name !== 'congested') return;
    this.#runtime.clearTimer(this.#state.timer);
    this.#state = { name: 'stuck' };
    this.#onStuck();
  }

  #congest(): void {
    if (this.#state.name !== 'flowing') return;
    this.#state = { name: 'congested', timer: this.#runtime.setTimer(STUCK_AFTER_MS, () => this.#stick()) };
  }
}
