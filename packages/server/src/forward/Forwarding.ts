import type { Bus } from '../backbone/Bus.js';
import { Counters } from '../metrics/Counters.js';
import type { ClusterView } from '../session/ClusterView.js';
import type { RouteUser, Routing, SessionRoutes } from '../session/Routing.js';
import type { SessionPorts } from '../session/SessionPorts.js';
import { Slices } from '../session/Slices.js';
import { ClusterRoutes, type RoutesPorts } from './ClusterRoutes.js';
import { HostEnd } from './HostEnd.js';
import { NodeLinks } from './NodeLinks.js';
import { OriginEnd } from './OriginEnd.js';
import { Owners } from './Owners.js';

export interface ForwardingOptions {
  readonly bus: Bus;
  readonly view: ClusterView;
  /** What sessions with sockets share; `plane` must be this node's own part of the data. */
  readonly ports: Omit<SessionPorts, 'cluster' | 'routing' | 'streamsPerQuery'>;
  /** Runs `flush` at the end of this turn of the event loop: `setImmediate`. Default: a timer of the runtime. */
  readonly atTurnEnd?: (flush: () => void) => void;
}

/** Bytes that may be on their way to a client of another node before its streams pause here. */
const MAX_WINDOW_BYTES = 256 * 1024;
/** Bytes of operations that may wait for other nodes. */
const MAX_HELD_BYTES = 128 * 1024 * 1024;
const SESSIONS_PER_TURN = 200;
/** A query that is one stream for its client may be so many here, each for shards that came at another time. */
const STREAMS_PER_QUERY = 5;

/**
 * Data of other nodes for clients of this one, and data of this node for clients of others. Hand it to `Sessions` as their
 * routing; close it when sessions have ended.
 */
export class Forwarding implements Routing {
  readonly #ports: RoutesPorts;
  readonly #links: NodeLinks<OriginEnd>;
  readonly #sessions = new Set<ClusterRoutes>();
  readonly #slices: Slices<ClusterRoutes>;
  readonly #unsubscribe: () => void;

  constructor({ bus, view, ports, atTurnEnd }: ForwardingOptions) {
    const { nodeId, runtime, logger, counters, limits, plane } = ports;
    const windowBytes = Math.min(MAX_WINDOW_BYTES, limits.maxSendBufferBytes / 2);
    const hosted = { ...ports, cluster: view, routing: null, streamsPerQuery: STREAMS_PER_QUERY };
    const hostPorts = { ...hosted, counters: new Counters(), nodeCounters: counters };
    this.#links = new NodeLinks({
      nodeId,
      bus,
      runtime,
      logger,
      counters,
      atTurnEnd: atTurnEnd ?? ((flush) => runtime.setTimer(0, flush)),
      offer: { windowBytes },
      origin: (link) => new OriginEnd(link),
      host: (link) => new HostEnd(link, hostPorts, windowBytes),
    });
    this.#ports = {
      nodeId,
      runtime,
      logger,
      counters,
      plane,
      owners: new Owners(view),
      budget: budgetOf(MAX_HELD_BYTES),
      link: (id) => this.#links.to(id),
      onClosed: (routes) => this.#sessions.delete(routes),
    };
    this.#slices = new Slices(runtime, SESSIONS_PER_TURN, (routes) => routes.onMap());
    this.#unsubscribe = view.onMap(() => this.#onMap(view));
  }

  open(user: RouteUser): SessionRoutes {
    const routes = new ClusterRoutes(user, this.#ports);
    this.#sessions.add(routes);
    return routes;
  }

  /** Ends all virtual sessions, here and elsewhere. */
  close(): void {
    this.#unsubscribe();
    this.#slices.stop();
    this.#links.close();
  }

  #onMap(view: ClusterView): void {
    this.#links.keep(new Set(view.map.nodes.map(({ id }) => id)));
    const sessions = [...this.#sessions];
    // Whoever has operations that wait for an owner comes first.
    const waiting = sessions.filter((routes) => routes.isWaiting);
    this.#slices.start(waiting.length === 0 ? sessions : new Set([...waiting, ...sessions]));
  }
}

function budgetOf(maxBytes: number): RoutesPorts['budget'] {
  let held = 0;
  return {
    take: (bytes) => {
      if (held > 0 && held + bytes > maxBytes) return false;
      held += bytes;
      return true;
    },
    give: (bytes) => {
      held -= bytes;
    },
  };
}
