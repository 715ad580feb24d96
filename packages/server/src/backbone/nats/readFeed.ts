import { type Runtime, TopGunError } from '@topgunbuild/core';
import { Feed, type FeedMessage, type FeedSpec } from './Feed.js';
import type { JetStream } from './JetStream.js';

/** Nothing for so long: what is waited for will not come. */
const STALL_MS = 5_000;
const MAX_BREAKS = 5;

/**
 * The messages of a feed, as fast as they are taken, without end: whoever reads knows which is the last. Begins anew behind
 * the last message when it breaks.
 * @throws TopGunError UNAVAILABLE when nothing comes for five seconds, or it breaks again and again
 */
export async function* readFeed(
  { js, runtime }: { readonly js: JetStream; readonly runtime: Runtime },
  spec: FeedSpec,
): AsyncGenerator<FeedMessage> {
  let from = spec.from;
  for (let breaks = 0; breaks < MAX_BREAKS; breaks++) {
    const inbox = new Inbox(runtime);
    const feed = await Feed.open(js, runtime, { ...spec, from }, inbox);
    try {
      for (let message = await inbox.next(); message !== null; message = await inbox.next()) {
        from = message.seq + 1;
        yield message;
      }
    } finally {
      feed.close();
    }
  }
  throw stalled();
}

class Inbox {
  readonly #runtime: Runtime;
  #messages: FeedMessage[] = [];
  #taken = 0;
  #isBroken = false;
  #wake: (() => void) | null = null;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  onMessage(message: FeedMessage): void {
    this.#messages.push(message);
    this.#wake?.();
  }

  onBroken(): void {
    this.#isBroken = true;
    this.#wake?.();
  }

  /** Null: broken. */
  async next(): Promise<FeedMessage | null> {
    if (this.#taken === this.#messages.length && !this.#isBroken) {
      this.#messages = [];
      this.#taken = 0;
      await this.#arrival();
    }
    return this.#messages[this.#taken++] ?? null;
  }

  #arrival(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#runtime.setTimer(STALL_MS, () => {
        this.#wake = null;
        reject(stalled());
      });
      this.#wake = () => {
        this.#wake = null;
        this.#runtime.clearTimer(timer);
        resolve();
      };
    });
  }
}

function stalled(): TopGunError {
  return new TopGunError('UNAVAILABLE', 'NATS does not deliver what it holds. Try again soon.');
}
