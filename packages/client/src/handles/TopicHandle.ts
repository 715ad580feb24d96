import { encodeValue } from '@topgunbuild/core';
import type { TopicInfo, Topics } from '../engine/Topics.js';

/** A topic: messages to whoever listens at that moment. Nothing is kept for those who come later. */
export class TopicHandle<M = unknown> {
  readonly name: string;
  readonly #topics: Topics;

  constructor(topics: Topics, name: string) {
    this.name = name;
    this.#topics = topics;
  }

  /** Sends a message, at most once. Returns whether a server was there to take it. @throws TypeError */
  publish(message: M): boolean {
    return this.#topics.publish(this.name, encodeValue(message));
  }

  /** Returns how to unsubscribe. */
  subscribe(listener: (message: M, info: TopicInfo) => void): () => void {
    return this.#topics.subscribe(this.name, (message, info) => listener(message as M, info));
  }
}
