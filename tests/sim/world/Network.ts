import type { Transport } from '@topgunbuild/client';
import type { SimProcess } from '../kernel/SimProcess.js';
import { Link, type LinkPorts } from './Link.js';

/** All connections of the world. */
export class Network {
  readonly links = new Set<Link>();
  readonly #ports: Omit<LinkPorts, 'onGone'>;
  #nextId = 1;

  constructor(ports: Omit<LinkPorts, 'onGone'>) {
    this.#ports = ports;
  }

  /** The network as a client's process sees it. */
  transport(client: SimProcess): Transport {
    return {
      connect: (endpoint, handlers) => {
        const ports = { ...this.#ports, onGone: (link: Link) => this.links.delete(link) };
        const link = new Link(this.#nextId++, client, endpoint, handlers, ports);
        this.links.add(link);
        return link.connection();
      },
    };
  }

  open(): Link[] {
    return [...this.links].filter((link) => link.isOpen);
  }

  clientDied(client: SimProcess): void {
    for (const link of [...this.links]) if (link.client === client) link.clientDied();
  }

  serverDied(server: SimProcess): void {
    for (const link of [...this.links]) if (link.server === server) link.serverDied();
  }

  thawAll(): void {
    for (const link of this.links) {
      link.thaw();
      link.slowDown(Number.POSITIVE_INFINITY);
    }
  }
}
