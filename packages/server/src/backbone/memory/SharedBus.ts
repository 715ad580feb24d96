import type { BusListener, BusResponder } from '../Bus.js';
import type { MemoryLink } from './MemoryLink.js';

/** Somebody who serves or listens, and the way to them. */
export interface Reachable<T> {
  readonly link: MemoryLink;
  readonly run: T;
}

/** Who serves and who listens among the nodes of a MemoryCluster. */
export class SharedBus {
  readonly #servers = new Map<string, Set<Reachable<BusResponder>>>();
  readonly #listeners = new Map<string, Set<Reachable<BusListener>>>();

  serve(subject: string, server: Reachable<BusResponder>): () => void {
    return add(this.#servers, subject, server);
  }

  listen(subject: string, listener: Reachable<BusListener>): () => void {
    return add(this.#listeners, subject, listener);
  }

  serversOf(subject: string): Reachable<BusResponder>[] {
    return reachable(this.#servers.get(subject));
  }

  listenersOf(subject: string): Reachable<BusListener>[] {
    return reachable(this.#listeners.get(subject));
  }
}

function add<T>(all: Map<string, Set<T>>, subject: string, one: T): () => void {
  const found = all.get(subject) ?? new Set<T>();
  all.set(subject, found);
  found.add(one);
  return () => {
    found.delete(one);
    if (found.size === 0 && all.get(subject) === found) all.delete(subject);
  };
}

function reachable<T>(all: ReadonlySet<Reachable<T>> | undefined): Reachable<T>[] {
  return [...(all ?? [])].filter(({ link }) => link.isReachable);
}
