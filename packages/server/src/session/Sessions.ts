import { ClientIds } from './ClientIds.js';
import { CloseCode } from './CloseCode.js';
import { MapPush } from './MapPush.js';
import type { Peer } from './Peer.js';
import { Session } from './Session.js';
import type { SessionPorts } from './SessionPorts.js';

/** Clients are told to come back after up to so long, each at another moment. */
const RETRY_SPREAD_MS = 1_000;

/** The sessions of a node. */
export class Sessions {
  readonly #ports: SessionPorts;
  readonly #clientIds = new ClientIds();
  readonly #sessions = new Set<Session>();
  #onEmpty: (() => void) | null = null;

  constructor(ports: SessionPorts) {
    this.#ports = ports;
    const { cluster, runtime } = ports;
    if (cluster === null) return;
    const push = new MapPush(cluster.map, runtime);
    cluster.onMap(() => push.changed(cluster.map, this.#sessions));
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Starts a session with `peer`, which is greeted at once. The caller feeds it: onFrame, onDrain, onClosed. */
  accept(peer: Peer): Session {
    const session = new Session(peer, this.#ports, {
      clientIds: this.#clientIds,
      onClosed: (closed) => this.#onClosed(closed),
    });
    this.#sessions.add(session);
    this.#ports.counters.sessionsOpened++;
    return session;
  }

  /** Tells everybody that the node stops. Sessions end by themselves once their operations are answered. */
  goodbye(reason: string): void {
    for (const session of [...this.#sessions]) {
      session.goodbye(reason, Math.floor(this.#ports.runtime.random() * RETRY_SPREAD_MS));
    }
  }

  closeAll(reason: string): void {
    for (const session of [...this.#sessions]) session.close(CloseCode.GOING_AWAY, reason);
  }

  /** Resolves when no session is left, or after `timeoutMs`. */
  emptied(timeoutMs: number): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve();
    const { runtime } = this.#ports;
    return new Promise((resolve) => {
      const timer = runtime.setTimer(timeoutMs, () => settle());
      const settle = (): void => {
        runtime.clearTimer(timer);
        this.#onEmpty = null;
        resolve();
      };
      this.#onEmpty = settle;
    });
  }

  #onClosed(session: Session): void {
    if (!this.#sessions.delete(session)) return;
    this.#ports.counters.sessionsClosed++;
    if (this.#sessions.size === 0) this.#onEmpty?.();
  }
}
