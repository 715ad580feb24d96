import type { Logger } from '../Logger.js';
import type { StreamSink } from '../shard/DataPlane.js';

/** A sink whose failure is its own: after an error it takes nothing more, and nobody else is harmed. */
export class GuardedSink implements StreamSink {
  readonly #sink: StreamSink;
  readonly #logger: Logger;
  #isBroken = false;

  constructor(sink: StreamSink, logger: Logger) {
    this.#sink = sink;
    this.#logger = logger;
  }

  get hasRoom(): boolean {
    return !this.#isBroken && this.#sink.hasRoom;
  }

  send(frame: Uint8Array): void {
    if (this.#isBroken) return;
    try {
      this.#sink.send(frame);
    } catch (error) {
      this.#isBroken = true;
      this.#logger.error({ error }, 'a subscriber could not be sent to, its stream stops');
    }
  }
}
