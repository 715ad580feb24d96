import type { Runtime, Timer } from '@topgunbuild/core';
import type { Stream } from './DataPlane.js';

export interface WaitingStreamPort {
  readonly runtime: Runtime;
  /** True: every shard of the stream serves; false: some are still about to; null: one of them is another node's. */
  readiness(): boolean | null;
  /** @throws TopGunError */
  open(): Stream;
  /** The stream has ended before it began. */
  failed(error: unknown): void;
  /** Nobody needs to call `recheck` any more. */
  settled(stream: WaitingStream): void;
}

type State =
  | { readonly name: 'waiting'; readonly timer: Timer }
  | { readonly name: 'open'; readonly stream: Stream }
  | { readonly name: 'closed' };

/** A stream of shards that are about to be served: opens when they are, or fails when that takes too long. */
export class WaitingStream implements Stream {
  readonly #port: WaitingStreamPort;
  #state: State;

  constructor(port: WaitingStreamPort, waitMs: number) {
    this.#port = port;
    this.#state = { name: 'waiting', timer: port.runtime.setTimer(waitMs, () => this.#fail(null)) };
  }

  /** Something has changed at one of the node's shards. */
  recheck(): void {
    if (this.#state.name !== 'waiting') return;
    const readiness = this.#port.readiness();
    if (readiness === false) return;
    if (readiness === null) {
      this.#fail(null);
      return;
    }
    this.#end();
    try {
      const stream = this.#port.open();
      // Its first frames may have made the subscriber close this one.
      if (this.#isClosed()) stream.close();
      else this.#state = { name: 'open', stream };
    } catch (error) {
      this.#state = { name: 'closed' };
      this.#port.failed(error);
    }
  }

  resume(): void {
    if (this.#state.name === 'open') this.#state.stream.resume();
  }

  close(): void {
    if (this.#state.name === 'open') this.#state.stream.close();
    this.#end();
    this.#state = { name: 'closed' };
  }

  #fail(error: unknown): void {
    this.close();
    this.#port.failed(error);
  }

  #end(): void {
    if (this.#state.name !== 'waiting') return;
    this.#port.runtime.clearTimer(this.#state.timer);
    this.#port.settled(this);
  }

  #isClosed(): boolean {
    return this.#state.name === 'closed';
  }
}
