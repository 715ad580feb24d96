import { decodeValue, encodeValue, type Runtime } from '@topgunbuild/core';
import type { Bus } from '../backbone/Bus.js';
import type { Logger } from '../Logger.js';
import type { Counters } from '../metrics/Counters.js';
import { Link, type LinkPorts, type LinkUser } from './Link.js';
import { endMessage, type LinkHead, readHead, Sender } from './linkCodec.js';

/** What a host tells the origin of a link. */
export interface LinkOffer {
  /** Bytes of frames that may wait for a client before its streams pause here. */
  readonly windowBytes: number;
}

/** The origin's side of a link. */
export interface OriginUser extends LinkUser {
  onOpened(offer: LinkOffer): void;
}

export interface NodeLinksOptions<Origin extends OriginUser> {
  readonly nodeId: string;
  readonly bus: Bus;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly counters: Counters;
  readonly atTurnEnd: (flush: () => void) => void;
  readonly offer: LinkOffer;
  /** Makes what uses a link that this node opens, or one that another has opened. */
  origin(link: Link): Origin;
  host(link: Link): LinkUser;
}

interface OwnLink<Origin> {
  readonly link: Link;
  readonly user: Origin;
}

const OPEN_TIMEOUT_MS = 2_000;

/** All links of this node: one to each node that it has to reach, and those that others have opened to it. */
export class NodeLinks<Origin extends OriginUser> {
  readonly #options: NodeLinksOptions<Origin>;
  readonly #ports: LinkPorts;
  readonly #own = new Map<string, OwnLink<Origin>>();
  /** Links by sender and id, as their messages name them. */
  readonly #byName = new Map<string, Link>();
  readonly #closers: readonly (() => void)[];
  #isClosed = false;

  constructor(options: NodeLinksOptions<Origin>) {
    this.#options = options;
    const { bus, runtime, nodeId, atTurnEnd } = options;
    this.#ports = { bus, runtime, atTurnEnd, onEnded: (link, reason) => this.#onEnded(link, reason) };
    const messages = bus.subscribe(subjectOf(nodeId), (payload) => this.#onMessage(payload));
    const openings = bus.serve(openingOf(nodeId), (payload) => this.#onOpening(payload));
    const interruptions = bus.onInterrupted(() => this.#endAll('the bus was interrupted'));
    this.#closers = [interruptions, () => openings.close(), () => messages.close()];
  }

  /** The link to a node, opened if there is none. What is sent on it before it is open waits. Null: this node stops. */
  to(nodeId: string): Origin | null {
    const known = this.#own.get(nodeId);
    if (known !== undefined) return known.user;
    return this.#isClosed ? null : this.#open(nodeId);
  }

  /** Ends the links to nodes that are not among these: whatever is under way to them has to go elsewhere. */
  keep(nodeIds: ReadonlySet<string>): void {
    for (const [nodeId, { link }] of [...this.#own]) if (!nodeIds.has(nodeId)) link.close('the node is gone');
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#endAll('this node stops');
    for (const close of this.#closers) close();
  }

  #open(nodeId: string): Origin {
    const { bus, runtime, logger, counters, origin } = this.#options;
    const side = { linkId: runtime.id(), nodeId: this.#options.nodeId, sender: Sender.ORIGIN };
    const created: Origin[] = [];
    const create = (link: Link): Origin => {
      const user = origin(link);
      created.push(user);
      return user;
    };
    const link = new Link(side, subjectOf(nodeId), 'opening', create, this.#ports);
    const [user] = created as [Origin];
    this.#own.set(nodeId, { link, user });
    this.#byName.set(nameOf(Sender.HOST, side.linkId), link);
    counters.linksOpened++;
    bus.request(openingOf(nodeId), encodeValue([side.linkId, side.nodeId]), OPEN_TIMEOUT_MS).then(
      (answer) => {
        const offer = link.isEnded ? null : readOffer(answer);
        if (offer === null) {
          link.close('the node takes no links now');
          return;
        }
        user.onOpened(offer);
        link.opened();
      },
      (error: unknown) => {
        logger.debug({ err: error, nodeId }, 'a node could not be reached');
        link.close('the node could not be reached');
      },
    );
    return user;
  }

  #onOpening(payload: Uint8Array): Uint8Array {
    const asked = readOpening(payload);
    if (asked === null || this.#isClosed) return encodeValue(null);
    const { linkId, nodeId } = asked;
    const side = { linkId, nodeId: this.#options.nodeId, sender: Sender.HOST };
    const link = new Link(side, subjectOf(nodeId), 'open', (made) => this.#options.host(made), this.#ports);
    this.#byName.set(nameOf(Sender.ORIGIN, linkId), link);
    return encodeValue([this.#options.offer.windowBytes]);
  }

  #onMessage(payload: Uint8Array): void {
    let head: LinkHead;
    try {
      head = readHead(payload);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'a message of another node could not be read');
      return;
    }
    const link = this.#byName.get(nameOf(head.sender, head.linkId));
    if (link !== undefined) link.onMessage(head);
    else if (head.number !== null) this.#refuse(head);
  }

  /** The other side has a link that this node does not know, or not any more. */
  #refuse({ linkId, nodeId, sender }: LinkHead): void {
    const side = {
      linkId,
      nodeId: this.#options.nodeId,
      sender: sender === Sender.HOST ? Sender.ORIGIN : Sender.HOST,
    };
    try {
      this.#options.bus.publish(subjectOf(nodeId), endMessage(side));
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'a node with an impossible name spoke');
    }
  }

  #onEnded(link: Link, reason: string): void {
    const { linkId, sender } = link.side;
    this.#byName.delete(nameOf(sender === Sender.HOST ? Sender.ORIGIN : Sender.HOST, linkId));
    for (const [nodeId, own] of this.#own) if (own.link === link) this.#own.delete(nodeId);
    if (this.#isClosed) return;
    this.#options.counters.linksBroken++;
    this.#options.logger.info(
      { reason, role: sender === Sender.HOST ? 'host' : 'origin' },
      'a link between nodes ended',
    );
  }

  #endAll(reason: string): void {
    for (const link of [...this.#byName.values()]) link.close(reason);
  }
}

function subjectOf(nodeId: string): string {
  return `node.${nodeId}.link`;
}

function openingOf(nodeId: string): string {
  return `node.${nodeId}.link.open`;
}

function nameOf(sender: Sender, linkId: string): string {
  return `${sender}${linkId}`;
}

function readOpening(payload: Uint8Array): { linkId: string; nodeId: string } | null {
  const [linkId, nodeId] = listIn(payload);
  return typeof linkId === 'string' && typeof nodeId === 'string' ? { linkId, nodeId } : null;
}

function readOffer(payload: Uint8Array): LinkOffer | null {
  const [windowBytes] = listIn(payload);
  return typeof windowBytes === 'number' && windowBytes > 0 ? { windowBytes } : null;
}

function listIn(payload: Uint8Array): readonly unknown[] {
  try {
    const value = decodeValue(payload);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
