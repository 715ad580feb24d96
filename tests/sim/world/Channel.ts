import type { VirtualTime } from '../kernel/VirtualTime.js';

interface Item {
  readonly bytes: number;
  readonly deliver: () => void;
  readyAt: number;
}

/** One direction of a connection: a line of frames, each delivered after its delay and never before the one ahead. */
export class Channel {
  readonly #time: VirtualTime;
  readonly #delay: () => number;
  readonly #onFrame: (frame: Uint8Array) => void;
  readonly #onDrain: () => void;
  #queue: Item[] = [];
  #queuedBytes = 0;
  #lastAt = 0;
  #armed = false;
  #frozen = false;
  #bytesPerMs = Number.POSITIVE_INFINITY;
  #ended = false;

  constructor(time: VirtualTime, delay: () => number, onFrame: (frame: Uint8Array) => void, onDrain: () => void) {
    this.#time = time;
    this.#delay = delay;
    this.#onFrame = onFrame;
    this.#onDrain = onDrain;
  }

  get isFrozen(): boolean {
    return this.#frozen;
  }

  /** What waits at the sender: nothing, unless the receiver does not take it. */
  get buffered(): number {
    return this.#frozen || this.#bytesPerMs !== Number.POSITIVE_INFINITY ? this.#queuedBytes : 0;
  }

  /** The bytes are copied when they arrive: a sender that changes them on the way spoils them. */
  send(frame: Uint8Array): void {
    if (this.#ended) return;
    this.#enqueue(frame.length, () => this.#onFrame(frame.slice()));
  }

  /** Something that arrives before everything that was sent so far. */
  first(deliver: () => void): void {
    this.#queue.unshift({ bytes: 0, deliver, readyAt: this.#time.now + this.#delay() });
    let at = 0;
    for (const item of this.#queue) {
      at = Math.max(at, item.readyAt);
      item.readyAt = at;
    }
    this.#lastAt = at;
    this.#arm();
  }

  /** Something that arrives behind everything that was sent, and after which nothing is. */
  last(deliver: () => void): void {
    if (this.#ended) return;
    this.#enqueue(0, deliver);
    this.#ended = true;
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    this.#arm();
  }

  slowDown(bytesPerMs: number): void {
    this.#bytesPerMs = bytesPerMs;
  }

  /** Everything on its way is lost, and so is what follows. */
  lose(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#ended = true;
  }

  #enqueue(bytes: number, deliver: () => void): void {
    const transfer = bytes / this.#bytesPerMs;
    this.#lastAt = Math.max(this.#lastAt, this.#time.now + this.#delay()) + transfer;
    this.#queue.push({ bytes, deliver, readyAt: this.#lastAt });
    this.#queuedBytes += bytes;
    this.#arm();
  }

  #arm(): void {
    const [next] = this.#queue;
    if (this.#armed || this.#frozen || next === undefined) return;
    this.#armed = true;
    this.#time.at(next.readyAt - this.#time.now, () => {
      this.#armed = false;
      if (this.#frozen) return;
      const item = this.#queue[0];
      if (item !== undefined && item.readyAt <= this.#time.now) {
        this.#queue.shift();
        this.#queuedBytes -= item.bytes;
        item.deliver();
        if (this.#bytesPerMs !== Number.POSITIVE_INFINITY || this.#queue.length === 0) this.#onDrain();
      }
      this.#arm();
    });
  }
}
