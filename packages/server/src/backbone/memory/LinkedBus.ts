import { type Runtime, TopGunError } from '@topgunbuild/core';
import type { Logger } from '../../Logger.js';
import type { Bus, BusListener, BusResponder, BusSubscription } from '../Bus.js';
import { checkedKey } from '../names.js';
import type { MemoryLink } from './MemoryLink.js';
import type { Reachable, SharedBus } from './SharedBus.js';

export interface LinkedBusOptions {
  readonly bus: SharedBus;
  readonly link: MemoryLink;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly maxPayload: number;
}

/** The shared bus as one node sees it. */
export class LinkedBus implements Bus {
  readonly maxPayload: number;
  readonly #bus: SharedBus;
  readonly #link: MemoryLink;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  readonly #pending = new Set<(error: TopGunError) => void>();

  constructor({ bus, link, runtime, logger, maxPayload }: LinkedBusOptions) {
    this.#bus = bus;
    this.#link = link;
    this.#runtime = runtime;
    this.#logger = logger;
    this.maxPayload = maxPayload;
  }

  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const copy = this.#checked(subject, payload);
    const link = this.#link;
    if (link.state === 'cut') throw down();
    return new Promise((resolve, reject) => {
      const settle = (): boolean => {
        unsubscribe();
        this.#runtime.clearTimer(timer);
        return this.#pending.delete(fail);
      };
      const fail = (error: TopGunError): void => {
        if (settle()) reject(error);
      };
      const answer = (reply: Uint8Array): void => {
        if (settle()) resolve(reply);
      };
      this.#pending.add(fail);
      const timer = this.#runtime.setTimer(timeoutMs, () => {
        fail(new TopGunError('TIMEOUT', `No answer on ${subject} within ${timeoutMs} ms`));
      });
      const unsubscribe = link.onChange(() => fail(down()));
      link.send(() => {
        const servers = this.#bus.serversOf(subject);
        for (const server of servers) {
          server.link.deliver(() => {
            void this.#ask(server, copy, (reply) => link.deliver(() => answer(reply)));
          });
        }
        const nobody = new TopGunError('UNAVAILABLE', `Nobody serves ${subject}`);
        if (servers.length === 0) link.deliver(() => fail(nobody));
      });
    });
  }

  serve(subject: string, responder: BusResponder): BusSubscription {
    checkedKey(subject);
    return this.#subscription(responder, (server) => this.#bus.serve(subject, server));
  }

  publish(subject: string, payload: Uint8Array): void {
    const copy = this.#checked(subject, payload);
    this.#link.send(() => {
      for (const { link, run } of this.#bus.listenersOf(subject)) link.deliver(() => run(copy));
    });
  }

  subscribe(subject: string, listener: BusListener): BusSubscription {
    checkedKey(subject);
    let isClosed = false;
    const run = (payload: Uint8Array): void => {
      if (!isClosed) listener(payload);
    };
    const { close } = this.#subscription(run, (reachable) => this.#bus.listen(subject, reachable));
    return {
      close: () => {
        isClosed = true;
        close();
      },
    };
  }

  onInterrupted(listener: () => void): () => void {
    return this.#link.onChange(listener);
  }

  /** Whoever waits is told that the bus is closed. */
  close(): void {
    for (const fail of [...this.#pending]) fail(down());
  }

  #subscription<T>(run: T, begin: (reachable: Reachable<T>) => () => void): BusSubscription {
    const link = this.#link;
    let end: (() => void) | null = null;
    let isClosed = false;
    const resume = (): void => {
      if (!isClosed) end ??= begin({ link, run });
    };
    // As a broken connection does: what a node serves is known again once it says so anew.
    const unsubscribe = link.onChange(() => {
      end?.();
      end = null;
      link.send(resume);
    });
    link.send(resume);
    return {
      close: () => {
        isClosed = true;
        unsubscribe();
        end?.();
      },
    };
  }

  async #ask(server: Reachable<BusResponder>, payload: Uint8Array, answer: (reply: Uint8Array) => void): Promise<void> {
    try {
      const reply = await server.run(payload);
      const copy = reply.slice();
      server.link.send(() => answer(copy));
    } catch (error) {
      this.#logger.error({ error }, 'a request could not be answered');
    }
  }

  #checked(subject: string, payload: Uint8Array): Uint8Array {
    checkedKey(subject);
    if (payload.length > this.maxPayload) {
      throw new TopGunError('TOO_LARGE', `${payload.length} bytes are more than the bus carries (${this.maxPayload})`);
    }
    return payload.slice();
  }
}

function down(): TopGunError {
  return new TopGunError('UNAVAILABLE', 'The bus cannot be reached. Try again soon.');
}
