import { TopGunError } from '@topgunbuild/core';
import type { Logger } from '../../Logger.js';
import type { Bus, BusListener, BusResponder, BusSubscription } from '../Bus.js';
import { checkedKey } from '../names.js';
import type { NatsLayout } from './NatsLayout.js';
import type { NatsLink } from './NatsLink.js';
import { NatsRequestError } from './NatsRequests.js';
import { plainBytes } from './plainBytes.js';

/** Core NATS: nothing is stored, and who serves a subject is known to the servers. */
export class NatsBus implements Bus {
  readonly #link: NatsLink;
  readonly #layout: NatsLayout;
  readonly #logger: Logger;

  constructor(link: NatsLink, layout: NatsLayout, logger: Logger) {
    this.#link = link;
    this.#layout = layout;
    this.#logger = logger;
  }

  get maxPayload(): number {
    return this.#link.maxPayload;
  }

  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    this.#check(payload);
    try {
      return plainBytes((await this.#link.request(this.#subject(subject), payload, { timeoutMs })).data);
    } catch (error) {
      throw error instanceof NatsRequestError ? failure(error, subject, timeoutMs) : error;
    }
  }

  serve(subject: string, responder: BusResponder): BusSubscription {
    const close = this.#link.subscribe(this.#subject(subject), (message) => {
      void this.#answer(subject, responder, plainBytes(message.data), (reply) => message.respond(reply));
    });
    return { close };
  }

  publish(subject: string, payload: Uint8Array): void {
    this.#check(payload);
    this.#link.publish(this.#subject(subject), payload);
  }

  subscribe(subject: string, listener: BusListener): BusSubscription {
    return { close: this.#link.subscribe(this.#subject(subject), (message) => listener(plainBytes(message.data))) };
  }

  onInterrupted(listener: () => void): () => void {
    return this.#link.onChange(() => listener());
  }

  async #answer(
    subject: string,
    responder: BusResponder,
    payload: Uint8Array,
    respond: (reply: Uint8Array) => void,
  ): Promise<void> {
    try {
      respond(await responder(payload));
    } catch (error) {
      this.#logger.error({ subject, error }, 'a request could not be answered');
    }
  }

  #subject(subject: string): string {
    return this.#layout.busSubject(checkedKey(subject));
  }

  #check(payload: Uint8Array): void {
    if (payload.length <= this.maxPayload) return;
    throw new TopGunError('TOO_LARGE', `${payload.length} bytes are more than the bus carries (${this.maxPayload})`);
  }
}

function failure(cause: NatsRequestError, subject: string, timeoutMs: number): TopGunError {
  switch (cause.failure) {
    case 'nobody':
      return new TopGunError('UNAVAILABLE', `Nobody serves ${subject}`, { cause });
    case 'timeout':
      return new TopGunError('TIMEOUT', `No answer on ${subject} within ${timeoutMs} ms`, { cause });
    case 'down':
    case 'forbidden':
      return new TopGunError('UNAVAILABLE', `The bus cannot be reached: ${cause.message}`, { cause });
  }
}
