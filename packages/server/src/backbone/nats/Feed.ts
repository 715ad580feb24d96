import type { Msg } from '@nats-io/transport-node';
import type { Runtime, Timer } from '@topgunbuild/core';
import { EXPECTED_HEADER, type JetStream } from './JetStream.js';
import { plainBytes } from './plainBytes.js';

const HEARTBEAT_MS = 2_000;
/** Without a sign of life for so long the feed is broken. */
const SILENCE_MS = 5_000;
const MS_AS_NANOS = 1_000_000;
/** The server deletes the consumer of a node that is gone. */
const ABANDONED_MS = 10_000;
const FLOW_CONTROL = 'FlowControl Request';

export interface FeedMessage {
  readonly subject: string;
  readonly seq: number;
  /** What its publisher expected to be the last sequence of the subject; null = it did not say. */
  readonly prev: number | null;
  readonly operation: string | null;
  readonly data: Uint8Array;
}

export interface FeedSpec {
  readonly stream: string;
  /** A subject, wildcards allowed. */
  readonly filter: string;
  /** The first sequence; `last`: begins with the last message of each subject. */
  readonly from: number | 'last';
}

export interface FeedEvents {
  onMessage(message: FeedMessage): void;
  /** Nothing more comes, and what comes next may be missing. Told once. */
  onBroken(reason: string): void;
}

/**
 * Messages of a stream as they are stored, by one push consumer that acknowledges nothing. The server numbers what it
 * delivers, so whatever is lost on the way shows, be it by the next message or by a heartbeat: then the feed is broken.
 */
export class Feed {
  readonly #js: JetStream;
  readonly #runtime: Runtime;
  readonly #spec: FeedSpec;
  readonly #events: FeedEvents;
  readonly #consumer: string;
  readonly #inbox: string;
  readonly #unsubscribe: () => void;
  #delivered = 0;
  #lastHeardAt: number;
  #timer: Timer | null = null;
  #isClosed = false;

  private constructor(js: JetStream, runtime: Runtime, spec: FeedSpec, events: FeedEvents) {
    this.#js = js;
    this.#runtime = runtime;
    this.#spec = spec;
    this.#events = events;
    this.#consumer = `tg_${runtime.id()}`;
    this.#inbox = js.link.inbox();
    this.#lastHeardAt = runtime.monotonic();
    // Before the consumer is there: it delivers at once.
    this.#unsubscribe = js.link.subscribe(this.#inbox, (message) => this.#onMessage(message));
  }

  /** Messages may come before it resolves. @throws TopGunError as JetStream does */
  static async open(js: JetStream, runtime: Runtime, spec: FeedSpec, events: FeedEvents): Promise<Feed> {
    const feed = new Feed(js, runtime, spec, events);
    const start = spec.from === 'last' ? { deliver_policy: 'last_per_subject' } : startAt(spec.from);
    try {
      await js.createConsumer(spec.stream, feed.#consumer, spec.filter, {
        ...start,
        deliver_subject: feed.#inbox,
        ack_policy: 'none',
        replay_policy: 'instant',
        flow_control: true,
        idle_heartbeat: HEARTBEAT_MS * MS_AS_NANOS,
        inactive_threshold: ABANDONED_MS * MS_AS_NANOS,
        mem_storage: true,
        num_replicas: 1,
      });
    } catch (error) {
      feed.close();
      throw error;
    }
    feed.#watchSilence();
    return feed;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unsubscribe();
    if (this.#timer !== null) this.#runtime.clearTimer(this.#timer);
    this.#js.deleteConsumer(this.#spec.stream, this.#consumer);
  }

  #onMessage(message: Msg): void {
    this.#lastHeardAt = this.#runtime.monotonic();
    if (message.headers?.code === 100) this.#onStatus(message);
    else if (message.headers !== undefined && message.headers.code >= 400) this.#break(message.headers.description);
    else this.#onStored(message);
  }

  #onStored(message: Msg): void {
    const position = positionOf(message.reply);
    if (position === null) return;
    if (position.delivery !== this.#delivered + 1) {
      this.#break(`message ${this.#delivered + 1} of the consumer is missing`);
      return;
    }
    this.#delivered = position.delivery;
    const expected = message.headers?.get(EXPECTED_HEADER) ?? '';
    const operation = message.headers?.get('KV-Operation') ?? '';
    this.#events.onMessage({
      subject: message.subject,
      seq: position.seq,
      prev: expected === '' ? null : Number(expected),
      operation: operation === '' ? null : operation,
      data: plainBytes(message.data),
    });
  }

  #onStatus(message: Msg): void {
    const { headers } = message;
    if (headers?.description === FLOW_CONTROL) {
      message.respond();
      return;
    }
    // The answer to a flow control request was lost: the server waits for it.
    const stalled = headers?.get('Nats-Consumer-Stalled') ?? '';
    if (stalled !== '') this.#js.link.publish(stalled, new Uint8Array());
    const delivered = Number(headers?.get('Nats-Last-Consumer') || 0);
    if (delivered > this.#delivered) this.#break('the last messages of the consumer are missing');
  }

  #watchSilence(): void {
    if (this.#isClosed) return;
    this.#timer = this.#runtime.setTimer(SILENCE_MS / 2, () => {
      if (this.#runtime.monotonic() - this.#lastHeardAt > SILENCE_MS) this.#break('the consumer is silent');
      else this.#watchSilence();
    });
  }

  #break(reason: string): void {
    if (this.#isClosed) return;
    this.close();
    this.#events.onBroken(reason);
  }
}

function startAt(seq: number): object {
  return { deliver_policy: 'by_start_sequence', opt_start_seq: Math.max(1, seq) };
}

/**
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>`; with a domain and an account
 * before the stream, and a token more at the end, since protocol 2.
 */
function positionOf(reply: string | undefined): { readonly seq: number; readonly delivery: number } | null {
  const tokens = reply?.split('.') ?? [];
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return null;
  const first = tokens.length > 9 ? 7 : 5;
  return { seq: Number(tokens[first]), delivery: Number(tokens[first + 1]) };
}
