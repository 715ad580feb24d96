import type { TopicMessage, TopicPubMessage } from '@topgunbuild/core';
import type { PooledConnection } from './PoolNode.js';

/** The ready connection for the messages of a topic, at any node; null: there is none. */
type Pick = (topic: string) => PooledConnection | null;

/** Topics that are listened to, each at one node; when that goes, at another. */
export class ClusterTopics {
  readonly #pick: Pick;
  /** Where each topic is subscribed; null: nowhere at the moment. */
  readonly #homes = new Map<string, PooledConnection | null>();

  constructor(pick: Pick) {
    this.#pick = pick;
  }

  subscribe(topic: string): void {
    if (!this.#homes.has(topic)) this.#homes.set(topic, null);
    this.reconcile();
  }

  unsubscribe(topic: string): void {
    this.#homes.get(topic)?.send({ type: 'TOPIC_UNSUB', topic });
    this.#homes.delete(topic);
  }

  /** By way of the subscription, so that a publisher hears its own messages in their order. False: nobody can be reached. */
  publish(message: TopicPubMessage): boolean {
    const home = this.#homes.get(message.topic);
    const connection = home?.isReady === true ? home : this.#pick(message.topic);
    return connection?.send(message) ?? false;
  }

  /** Whether a message is to be passed on: it comes from where the topic is subscribed now, and so comes once. */
  accepts({ topic }: TopicMessage, from: PooledConnection): boolean {
    return this.#homes.get(topic) === from;
  }

  /** Subscribes elsewhere what was subscribed at a node that is gone or going. */
  reconcile(): void {
    for (const [topic, home] of this.#homes) {
      if (home?.isReady === true) continue;
      const next = this.#pick(topic);
      this.#homes.set(topic, next?.send({ type: 'TOPIC_SUB', topic }) === true ? next : null);
    }
  }

  /** The connection has ended; what it was subscribed to is not, even when it comes back. */
  connectionLost(connection: PooledConnection): void {
    for (const [topic, home] of this.#homes) if (home === connection) this.#homes.set(topic, null);
  }
}
