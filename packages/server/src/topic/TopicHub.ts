import { encodeMessage } from '@topgunbuild/core';
import type { TopicBus } from './TopicBus.js';

export interface TopicSubscriber {
  /** Takes the frame of a message, or drops it: a publisher never waits for anybody. */
  deliver(frame: Uint8Array): void;
}

interface Topic {
  readonly subscribers: Set<TopicSubscriber>;
  /** Ends what other nodes publish. */
  readonly stop: () => void;
}

/**
 * Passes messages to whoever listens at that moment, on any node of the cluster. Each message is encoded once, whatever the
 * number of listeners. What one session publishes reaches each listener in that order.
 */
export class TopicHub {
  readonly #topics = new Map<string, Topic>();
  readonly #bus: TopicBus | null;

  /** `bus`: the way to the other nodes; null = there are none. */
  constructor(bus: TopicBus | null = null) {
    this.#bus = bus;
  }

  /** Topics that somebody listens to. */
  get size(): number {
    return this.#topics.size;
  }

  subscribe(topic: string, subscriber: TopicSubscriber): void {
    const known = this.#topics.get(topic);
    if (known !== undefined) {
      known.subscribers.add(subscriber);
      return;
    }
    const subscribers = new Set([subscriber]);
    const stop = this.#bus?.listen(topic, (frame) => deliver(subscribers, frame)) ?? (() => undefined);
    this.#topics.set(topic, { subscribers, stop });
  }

  unsubscribe(topic: string, subscriber: TopicSubscriber): void {
    const known = this.#topics.get(topic);
    if (known === undefined || !known.subscribers.delete(subscriber) || known.subscribers.size > 0) return;
    this.#topics.delete(topic);
    known.stop();
  }

  /** `payload` is an encoded value; `timestamp` in ms since 1970. */
  publish(topic: string, payload: Uint8Array, publisherId: string, timestamp: number): void {
    const known = this.#topics.get(topic);
    if (known === undefined && this.#bus === null) return;
    const frame = encodeMessage({ type: 'TOPIC_MESSAGE', topic, payload, publisherId, timestamp });
    if (known !== undefined) deliver(known.subscribers, frame);
    this.#bus?.publish(topic, frame);
  }
}

function deliver(subscribers: ReadonlySet<TopicSubscriber>, frame: Uint8Array): void {
  for (const subscriber of subscribers) subscriber.deliver(frame);
}
