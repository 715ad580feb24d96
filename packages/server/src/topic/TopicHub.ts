import { encodeMessage } from '@topgunbuild/core';

export interface TopicSubscriber {
  /** Takes the frame of a message, or drops it: a publisher never waits for anybody. */
  deliver(frame: Uint8Array): void;
}

/** Passes messages to whoever listens at that moment. Each message is encoded once, whatever the number of listeners. */
export class TopicHub {
  readonly #subscribers = new Map<string, Set<TopicSubscriber>>();

  /** Topics that somebody listens to. */
  get size(): number {
    return this.#subscribers.size;
  }

  subscribe(topic: string, subscriber: TopicSubscriber): void {
    const subscribers = this.#subscribers.get(topic);
    if (subscribers === undefined) this.#subscribers.set(topic, new Set([subscriber]));
    else subscribers.add(subscriber);
  }

  unsubscribe(topic: string, subscriber: TopicSubscriber): void {
    const subscribers = this.#subscribers.get(topic);
    if (subscribers?.delete(subscriber) && subscribers.size === 0) this.#subscribers.delete(topic);
  }

  /** `payload` is an encoded value; `timestamp` in ms since 1970. */
  publish(topic: string, payload: Uint8Array, publisherId: string, timestamp: number): void {
    const subscribers = this.#subscribers.get(topic);
    if (subscribers === undefined) return;
    const frame = encodeMessage({ type: 'TOPIC_MESSAGE', topic, payload, publisherId, timestamp });
    for (const subscriber of subscribers) subscriber.deliver(frame);
  }
}
