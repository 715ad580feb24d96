import type { Runtime, Timer } from '@topgunbuild/core';
import type { Logger } from '../../Logger.js';
import { Feed, type FeedMessage, type FeedSpec } from './Feed.js';
import type { JetStream } from './JetStream.js';

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2_000;
/** How often an idle follower compares its position with the head. */
const CHECK_MS = 10_000;
/** How long it may be behind: a message is on its way. */
const GRACE_MS = 1_000;

export interface FollowerSpec extends FeedSpec {
  /** False: something is missing before this message, begin anew behind the last one. */
  readonly onMessage: (message: FeedMessage, isFirst: boolean) => boolean;
}

export interface FollowerEnvironment {
  readonly js: JetStream;
  readonly runtime: Runtime;
  readonly logger: Logger;
}

/**
 * opening: a feed is being opened   live: it feeds   waiting: for the next attempt   closed
 * A feed that breaks, stands still behind the head, or outlives its connection is replaced by one behind the last message.
 */
type State =
  | { readonly name: 'opening'; readonly id: number }
  | { readonly name: 'live'; readonly id: number; readonly feed: Feed }
  | { readonly name: 'waiting'; readonly timer: Timer }
  | { readonly name: 'closed' };

/** Hands over the messages of a subject, each once and in order, whatever befalls the way from NATS. */
export class Follower {
  readonly #env: FollowerEnvironment;
  readonly #spec: FollowerSpec;
  readonly #unsubscribe: () => void;
  #state: State = { name: 'closed' };
  /** Of the last message handed over; `last`: none yet, begin with the last of each subject. */
  #position: number | 'last';
  /** Feeds so far: tells events of a former one. */
  #feeds = 0;
  #isFirst = true;
  #attempts = 0;
  #checkTimer: Timer | null = null;
  #checked: number | 'last';
  /** The head as it was when the follower was last found behind it; 0 = it was not. */
  #missing = 0;

  constructor(env: FollowerEnvironment, spec: FollowerSpec) {
    this.#env = env;
    this.#spec = spec;
    this.#position = spec.from === 'last' ? 'last' : spec.from - 1;
    this.#checked = this.#position;
    // Whatever was on the way is lost with the connection.
    this.#unsubscribe = env.js.link.onChange((isUp) => {
      if (isUp) this.#reopen(0);
    });
    this.#open();
    this.#checkLater(CHECK_MS * (0.5 + env.runtime.random()));
  }

  close(): void {
    this.#leave();
    this.#state = { name: 'closed' };
    this.#unsubscribe();
    if (this.#checkTimer !== null) this.#env.runtime.clearTimer(this.#checkTimer);
  }

  #open(): void {
    const { js, runtime } = this.#env;
    const id = ++this.#feeds;
    this.#isFirst = true;
    this.#state = { name: 'opening', id };
    const { stream, filter } = this.#spec;
    const from = this.#position === 'last' ? 'last' : this.#position + 1;
    const events = {
      onMessage: (message: FeedMessage) => this.#onMessage(id, message),
      onBroken: (reason: string) => this.#onBroken(id, reason),
    };
    Feed.open(js, runtime, { stream, filter, from }, events).then(
      (feed) => {
        if (this.#isCurrent(id)) this.#state = { name: 'live', id, feed };
        else feed.close();
      },
      (error: unknown) => this.#onBroken(id, error instanceof Error ? error.message : String(error)),
    );
  }

  #onMessage(id: number, message: FeedMessage): void {
    if (!this.#isCurrent(id)) return;
    if (this.#position !== 'last' && message.seq <= this.#position) return;
    if (!this.#spec.onMessage(message, this.#isFirst)) {
      this.#onBroken(id, 'a message is missing');
      return;
    }
    this.#isFirst = false;
    this.#attempts = 0;
    this.#position = message.seq;
  }

  #onBroken(id: number, reason: string): void {
    if (!this.#isCurrent(id)) return;
    const { logger, runtime } = this.#env;
    logger.debug({ stream: this.#spec.stream, filter: this.#spec.filter, reason }, 'following a stream anew');
    const delay = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#attempts++, 16));
    this.#reopen(delay * (0.5 + runtime.random() / 2));
  }

  #reopen(delayMs: number): void {
    if (this.#state.name === 'closed') return;
    this.#leave();
    if (delayMs === 0) this.#open();
    else this.#state = { name: 'waiting', timer: this.#env.runtime.setTimer(delayMs, () => this.#open()) };
  }

  #leave(): void {
    if (this.#state.name === 'live') this.#state.feed.close();
    if (this.#state.name === 'waiting') this.#env.runtime.clearTimer(this.#state.timer);
  }

  #isCurrent(id: number): boolean {
    return (this.#state.name === 'opening' || this.#state.name === 'live') && this.#state.id === id;
  }

  #checkLater(delayMs: number): void {
    this.#checkTimer = this.#env.runtime.setTimer(delayMs, () => {
      this.#checkTimer = null;
      void this.#check();
    });
  }

  /** Consumers have been seen to stop without a word: a feed that stays behind the head is such a one. */
  async #check(): Promise<void> {
    const state = this.#state;
    if (state.name === 'live' && this.#isBehind(this.#missing)) this.#onBroken(state.id, 'the consumer stands still');
    const isIdle = state.name === 'live' && this.#checked === this.#position;
    this.#checked = this.#position;
    this.#missing = 0;
    if (isIdle) {
      const last = await this.#env.js.last(this.#spec.stream, this.#spec.filter).catch(() => null);
      if (last !== null && this.#isBehind(last.seq)) this.#missing = last.seq;
    }
    if (this.#state.name !== 'closed') this.#checkLater(this.#missing === 0 ? CHECK_MS : GRACE_MS);
  }

  #isBehind(seq: number): boolean {
    return seq > (this.#position === 'last' ? 0 : this.#position);
  }
}
