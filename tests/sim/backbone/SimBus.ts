import { TopGunError } from '@topgunbuild/core';
import type { Bus, BusListener, BusResponder, BusSubscription } from '../../../packages/server/src/backbone/Bus.js';
import type { Random } from '../kernel/Random.js';
import type { Faults } from '../world/Faults.js';
import { unreachable, type Way } from './Way.js';

interface Reachable<T> {
  readonly way: Way;
  readonly run: T;
}

/** Who serves and who listens, over all nodes. */
export class SharedBus {
  readonly servers = new Map<string, Set<Reachable<BusResponder>>>();
  readonly listeners = new Map<string, Set<Reachable<BusListener>>>();

  static at<T>(all: ReadonlyMap<string, ReadonlySet<Reachable<T>>>, subject: string): Reachable<T>[] {
    return [...(all.get(subject) ?? [])].filter(({ way }) => way.isKnown);
  }
}

/** The shared bus as one process sees it: messages may be lost at any time, and nobody is told. */
export class SimBus implements Bus {
  readonly maxPayload: number;
  readonly #shared: SharedBus;
  readonly #way: Way;
  readonly #random: Random;
  readonly #faults: Faults;
  readonly #onError: (error: unknown) => void;
  readonly #pending = new Set<(error: TopGunError) => void>();

  constructor(
    shared: SharedBus,
    way: Way,
    random: Random,
    faults: Faults,
    maxPayload: number,
    onError: (error: unknown) => void,
  ) {
    this.#shared = shared;
    this.#way = way;
    this.#random = random;
    this.#faults = faults;
    this.maxPayload = maxPayload;
    this.#onError = onError;
  }

  async request(subject: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const copy = this.#checked(payload);
    const way = this.#way;
    if (!way.isUp) throw unreachable();
    return new Promise((resolve, reject) => {
      const settle = (): boolean => {
        unsubscribe();
        way.process.clearTimer(timer);
        return this.#pending.delete(fail);
      };
      const fail = (error: TopGunError): void => {
        if (settle()) reject(error);
      };
      const timer = way.process.setTimer(timeoutMs, () => {
        fail(new TopGunError('TIMEOUT', `simulated: no answer on ${subject}`));
      });
      const unsubscribe = way.onChange(() => fail(unreachable()));
      this.#pending.add(fail);
      if (this.#isLost()) return;
      way.send(() => {
        const servers = SharedBus.at(this.#shared.servers, subject);
        const nobody = new TopGunError('UNAVAILABLE', `Nobody serves ${subject}`);
        if (servers.length === 0) way.deliver(() => fail(nobody));
        for (const { way: theirs, run } of servers) {
          const answer = (reply: Uint8Array): void => {
            if (!this.#isLost()) theirs.send(() => way.deliver(() => settle() && resolve(reply)));
          };
          theirs.deliver(() => void this.#ask(run, copy.slice(), answer));
        }
      });
    });
  }

  serve(subject: string, responder: BusResponder): BusSubscription {
    return this.#subscribe(this.#shared.servers, subject, responder);
  }

  publish(subject: string, payload: Uint8Array): void {
    const copy = this.#checked(payload);
    if (this.#isLost()) return;
    this.#way.send(() => {
      for (const { way, run } of SharedBus.at(this.#shared.listeners, subject)) way.deliver(() => run(copy.slice()));
    });
  }

  subscribe(subject: string, listener: BusListener): BusSubscription {
    let isClosed = false;
    const { close } = this.#subscribe(this.#shared.listeners, subject, (payload: Uint8Array) => {
      if (!isClosed) listener(payload);
    });
    return {
      close: () => {
        isClosed = true;
        close();
      },
    };
  }

  onInterrupted(listener: () => void): () => void {
    return this.#way.onChange(listener);
  }

  close(): void {
    for (const fail of [...this.#pending]) fail(unreachable());
  }

  #subscribe<T>(all: Map<string, Set<Reachable<T>>>, subject: string, run: T): BusSubscription {
    const way = this.#way;
    const entry = { way, run };
    let isClosed = false;
    const begin = (): void => {
      if (isClosed) return;
      const there = all.get(subject) ?? new Set();
      all.set(subject, there.add(entry));
    };
    // As a broken connection does: what a node serves is known again once it says so anew.
    const unsubscribe = way.onChange(() => {
      all.get(subject)?.delete(entry);
      way.send(begin);
    });
    way.send(begin);
    return {
      close: () => {
        isClosed = true;
        unsubscribe();
        way.send(() => all.get(subject)?.delete(entry));
      },
    };
  }

  async #ask(run: BusResponder, payload: Uint8Array, answer: (reply: Uint8Array) => void): Promise<void> {
    try {
      answer((await run(payload)).slice());
    } catch (error) {
      this.#onError(error);
    }
  }

  #checked(payload: Uint8Array): Uint8Array {
    if (payload.length > this.maxPayload) throw new TopGunError('TOO_LARGE', 'simulated: more than the bus carries');
    return payload.slice();
  }

  #isLost(): boolean {
    const isLost = this.#random.chance(this.#faults.busLoss);
    if (isLost) this.#faults.count('bus message lost');
    return isLost;
  }
}
