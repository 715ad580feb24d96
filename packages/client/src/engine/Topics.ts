import {
  decodeValue,
  type TopicMessage,
  type TopicPubMessage,
  type TopicSubMessage,
  type TopicUnsubMessage,
} from '@topgunbuild/core';

/** What comes with a message of a topic. */
export interface TopicInfo {
  readonly publisherId: string;
  /** When the server took it in, ms since 1970. */
  readonly timestamp: number;
}

export type TopicListener = (message: unknown, info: TopicInfo) => void;

export interface TopicsOwner {
  /** False: not sent, a reconnect or drain will follow. */
  send(message: TopicSubMessage | TopicUnsubMessage | TopicPubMessage): boolean;
  onThrow(error: unknown): void;
}

/** Topics that somebody listens to, kept subscribed over whatever connection there is. */
export class Topics {
  readonly #owner: TopicsOwner;
  readonly #listeners = new Map<string, Set<TopicListener>>();
  readonly #unsent = new Set<string>();

  constructor(owner: TopicsOwner) {
    this.#owner = owner;
  }

  /** Hands a message to the server; false when none is connected: topics keep nothing for later. */
  publish(topic: string, payload: Uint8Array): boolean {
    return this.#owner.send({ type: 'TOPIC_PUB', topic, payload });
  }

  subscribe(topic: string, listener: TopicListener): () => void {
    let listeners = this.#listeners.get(topic);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(topic, listeners);
      this.#subscribe(topic);
    }
    listeners.add(listener);
    return () => this.#unsubscribe(topic, listener);
  }

  /** A connection was made: subscribes everything; or what was not sent yet, where the rest is kept. */
  onConnected(isKept: boolean): void {
    if (isKept) {
      this.onDrain();
      return;
    }
    this.#unsent.clear();
    for (const topic of this.#listeners.keys()) this.#subscribe(topic);
  }

  onDrain(): void {
    const unsent = [...this.#unsent];
    this.#unsent.clear();
    for (const topic of unsent) this.#subscribe(topic);
  }

  onMessage(message: TopicMessage): void {
    const { publisherId, timestamp } = message;
    const value = decodeValue(message.payload);
    for (const listener of [...(this.#listeners.get(message.topic) ?? [])]) {
      try {
        listener(value, { publisherId, timestamp });
      } catch (error) {
        this.#owner.onThrow(error);
      }
    }
  }

  #subscribe(topic: string): void {
    if (!this.#owner.send({ type: 'TOPIC_SUB', topic })) this.#unsent.add(topic);
  }

  #unsubscribe(topic: string, listener: TopicListener): void {
    const listeners = this.#listeners.get(topic);
    if (listeners === undefined || !listeners.delete(listener) || listeners.size > 0) return;
    this.#listeners.delete(topic);
    this.#unsent.delete(topic);
    this.#owner.send({ type: 'TOPIC_UNSUB', topic });
  }
}
