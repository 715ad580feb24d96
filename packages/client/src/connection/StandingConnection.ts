import type { ClientMessage, Runtime } from '@topgunbuild/core';
import type { ConnectionEnd } from './ConnectionEnd.js';
import type { Credentials } from './ConnectionProvider.js';
import type { Logger } from './Logger.js';
import { NodeConnection } from './NodeConnection.js';
import type { ConnectionTimes, Hello, NodeEvent, Session } from './nodeState.js';
import { ReconnectPolicy, type ReconnectTimes } from './ReconnectPolicy.js';
import type { Transport } from './Transport.js';
import { Wakeup } from './Wakeup.js';

export interface StandingConnectionOptions {
  /** Asked for each attempt. */
  readonly endpoint: () => string;
  readonly transport: Transport;
  readonly runtime: Runtime;
  /** Asked for each handshake and each renewal. A rejection counts as a failed attempt. */
  readonly credentials: () => Promise<Credentials>;
  readonly listener: (event: StandingEvent) => void;
  readonly logger?: Logger | undefined;
  readonly times?: Partial<ConnectionTimes> | undefined;
  readonly reconnect?: Partial<ReconnectTimes> | undefined;
}

export type StandingEvent =
  | { readonly type: 'connecting' }
  | Exclude<NodeEvent, { type: 'ended' }>
  /** `retryInMs`: when the next attempt follows; null = not before there are new credentials, or never (closed). */
  | (Extract<NodeEvent, { type: 'ended' }> & { readonly retryInMs: number | null });

/**
 *   idle ─start→ linked ⇄ waiting
 *                  └─refused─┘ (until there are new credentials)        close → closed, from anywhere
 *
 * Whether the link is up is the connection's to say: it is asked each time, and nothing here remembers it.
 */
type StandingState =
  | { readonly name: 'idle' }
  | { readonly name: 'linked'; readonly connection: NodeConnection }
  /** The wake-up is set to the next attempt. */
  | { readonly name: 'waiting'; readonly because: ConnectionEnd['kind'] }
  | { readonly name: 'refused' }
  | { readonly name: 'closed' };

/** A connection that is made again, after a wait, whenever it ended. */
export class StandingConnection {
  readonly #options: StandingConnectionOptions;
  readonly #policy: ReconnectPolicy;
  readonly #retry: Wakeup;
  #state: StandingState = { name: 'idle' };

  constructor(options: StandingConnectionOptions) {
    this.#options = options;
    this.#policy = new ReconnectPolicy(() => options.runtime.random(), options.reconnect);
    this.#retry = new Wakeup(options.runtime, () => this.#attempt());
  }

  get stateName(): StandingState['name'] {
    return this.#state.name;
  }

  /** The connection of the moment, whatever its state; null between two attempts. */
  get connection(): NodeConnection | null {
    return this.#state.name === 'linked' ? this.#state.connection : null;
  }

  /** Handshake done and not ended; after GOODBYE answers still come, though nothing can be sent. */
  get isConnected(): boolean {
    return this.#state.name === 'linked' && this.#state.connection.isConnected;
  }

  /** What the server told of itself, once it did. */
  get hello(): Hello | null {
    return this.connection?.hello ?? null;
  }

  get session(): Session | null {
    return this.connection?.session ?? null;
  }

  start(): void {
    if (this.#state.name === 'idle') this.#attempt();
  }

  /** False: nothing was sent; `ready` or `drain` will tell when to try again. */
  send(message: ClientMessage): boolean {
    return this.#state.name === 'linked' && this.#state.connection.send(message);
  }

  /** The credentials changed: renews with them, or tries again where the lack of them was the reason not to. */
  reauthenticate(): void {
    switch (this.#state.name) {
      case 'linked':
        this.#state.connection.reauthenticate();
        return;
      case 'waiting':
        // A wait for a server that is away stays what it is: new credentials will not bring it back.
        if (this.#state.because === 'no-credentials') this.#attempt();
        return;
      case 'refused': {
        const delayMs = this.#policy.delayAfterNewCredentials();
        if (delayMs === 0) this.#attempt();
        else this.#wait('refused', delayMs);
        return;
      }
      default:
        return;
    }
  }

  /** Ends the connection of the moment; the next attempt follows as after a failure. */
  drop(): void {
    if (this.#state.name === 'linked') this.#state.connection.close();
  }

  /** Ends it for good, at once. Of events there is none after this returned. */
  close(): void {
    const state = this.#state;
    this.#state = { name: 'closed' };
    this.#retry.cancel();
    if (state.name === 'linked') state.connection.close();
  }

  #attempt(): void {
    this.#retry.cancel();
    const { transport, runtime, credentials, logger, times } = this.#options;
    const listener = (event: NodeEvent): void => this.#onEvent(event);
    const endpoint = this.#options.endpoint();
    const connection = new NodeConnection({ endpoint, transport, runtime, credentials, logger, times, listener });
    this.#state = { name: 'linked', connection };
    this.#options.listener({ type: 'connecting' });
    connection.open();
  }

  /** The next state is taken before anything is told, so that a listener that asks finds what the event says. */
  #onEvent(event: NodeEvent): void {
    if (event.type !== 'ended') {
      this.#options.listener(event);
      return;
    }
    const now = this.#options.runtime.monotonic();
    const retryInMs = this.#policy.delayAfter(event.end, event.session === null ? 0 : now - event.session.since, now);
    const isClosed = this.#state.name === 'closed';
    if (!isClosed) {
      if (retryInMs === null) this.#state = { name: 'refused' };
      else this.#wait(event.end.kind, retryInMs);
    }
    this.#options.listener({ ...event, retryInMs: isClosed ? null : retryInMs });
  }

  #wait(because: ConnectionEnd['kind'], delayMs: number): void {
    this.#state = { name: 'waiting', because };
    this.#retry.at(this.#options.runtime.monotonic() + delayMs);
  }
}
