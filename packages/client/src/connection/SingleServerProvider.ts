import type { ClientMessage, Runtime } from '@topgunbuild/core';
import type { ConnectionEnd } from './ConnectionEnd.js';
import type { Credentials, IConnectionProvider, ProviderEvent } from './ConnectionProvider.js';
import { EventQueue } from './EventQueue.js';
import type { Logger } from './Logger.js';
import { NodeConnection } from './NodeConnection.js';
import type { ConnectionTimes, NodeEvent } from './nodeState.js';
import { ReconnectPolicy, type ReconnectTimes } from './ReconnectPolicy.js';
import type { Transport } from './Transport.js';
import { Wakeup } from './Wakeup.js';
import { webSocketUrl } from './webSocketUrl.js';

export interface SingleServerProviderOptions {
  /** ws, wss, http or https. */
  readonly url: string;
  readonly transport: Transport;
  readonly runtime: Runtime;
  /** Asked for each handshake and each renewal. A rejection counts as a failed attempt. */
  readonly credentials: () => Promise<Credentials>;
  readonly logger?: Logger | undefined;
  readonly times?: Partial<ConnectionTimes> | undefined;
  readonly reconnect?: Partial<ReconnectTimes> | undefined;
}

/**
 *   idle ─connect→ linked ⇄ waiting
 *                    └─refused─┘ (until there are new credentials)        close → closed, from anywhere
 *
 * Whether the link is up is the connection's to say: it is asked each time, and nothing here remembers it.
 */
type ProviderState =
  | { readonly name: 'idle' }
  | { readonly name: 'linked'; readonly connection: NodeConnection }
  /** The wake-up is set to the next attempt. */
  | { readonly name: 'waiting'; readonly because: ConnectionEnd['kind'] }
  | { readonly name: 'refused' }
  | { readonly name: 'closed' };

/** Stays connected to one server: connects, and connects again after a wait whenever the connection ended. */
export class SingleServerProvider implements IConnectionProvider {
  readonly #options: SingleServerProviderOptions;
  readonly #endpoint: string;
  readonly #policy: ReconnectPolicy;
  readonly #events: EventQueue<ProviderEvent>;
  readonly #retry: Wakeup;
  #state: ProviderState = { name: 'idle' };

  /** @throws TopGunError INVALID_VALUE when the URL is none that can be connected to. */
  constructor(options: SingleServerProviderOptions) {
    this.#options = options;
    this.#endpoint = webSocketUrl(options.url);
    this.#policy = new ReconnectPolicy(() => options.runtime.random(), options.reconnect);
    this.#events = new EventQueue(options.logger);
    this.#retry = new Wakeup(options.runtime, () => this.#attempt());
  }

  connect(): void {
    if (this.#state.name === 'idle') this.#attempt();
  }

  isConnected(): boolean {
    return this.#state.name === 'linked' && this.#state.connection.isConnected;
  }

  getConnectedNodes(): readonly string[] {
    if (this.#state.name !== 'linked' || !this.#state.connection.isConnected) return [];
    const hello = this.#state.connection.hello;
    return hello === null ? [] : [hello.nodeId];
  }

  send(message: ClientMessage): boolean {
    return this.#state.name === 'linked' && this.#state.connection.send(message);
  }

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

  on(listener: (event: ProviderEvent) => void): () => void {
    return this.#events.on(listener);
  }

  /** Resolves at once: a peer that does not answer cannot hold it up. No events follow, but the last `disconnected`. */
  async close(): Promise<void> {
    const state = this.#state;
    this.#state = { name: 'closed' };
    this.#retry.cancel();
    if (state.name === 'linked') state.connection.close();
  }

  #attempt(): void {
    this.#retry.cancel();
    const { transport, runtime, credentials, logger, times } = this.#options;
    const listener = (event: NodeEvent): void => this.#onNodeEvent(event);
    const endpoint = this.#endpoint;
    const connection = new NodeConnection({ endpoint, transport, runtime, credentials, logger, times, listener });
    this.#state = { name: 'linked', connection };
    this.#events.emit({ type: 'connecting' });
    connection.open();
  }

  #onNodeEvent(event: NodeEvent): void {
    switch (event.type) {
      case 'ready': {
        const { nodeId, clusterId, logId, limits } = event.hello;
        const { subject, sessionId, expiresAt } = event.session;
        const { serverTime, monotonic } = event.time;
        const serverTimeAt = { serverTime, monotonic };
        this.#options.logger?.info({ nodeId, clusterId, latencyMs: event.time.latencyMs }, 'Connected');
        this.#events.emit({
          type: 'connected',
          nodeId,
          clusterId,
          logId,
          subject,
          sessionId,
          expiresAt,
          limits,
          map: event.map,
          serverTimeAt,
        });
        return;
      }
      case 'renewed': {
        const { subject, expiresAt } = event.session;
        this.#events.emit({ type: 'renewed', nodeId: event.hello.nodeId, subject, expiresAt });
        this.#events.emit({ type: 'time', ...event.time });
        return;
      }
      case 'time':
        this.#events.emit({ type: 'time', ...event.time });
        return;
      case 'message':
        this.#events.emit({ type: 'message', nodeId: this.#nodeId(), message: event.message });
        return;
      case 'drain':
        this.#events.emit({ type: 'drain' });
        return;
      case 'ended':
        this.#onEnded(event);
    }
  }

  /** The next state is taken before anything is told, so that a listener that asks finds what the event says. */
  #onEnded({ end, hello, session }: Extract<NodeEvent, { type: 'ended' }>): void {
    const closing = this.#state.name === 'closed';
    const now = this.#options.runtime.monotonic();
    const delayMs = this.#policy.delayAfter(end, session === null ? 0 : now - session.since, now);
    if (!closing) {
      if (delayMs === null) this.#state = { name: 'refused' };
      else this.#wait(end.kind, delayMs);
      this.#options.logger?.warn({ code: end.code, reason: end.message, retryInMs: delayMs }, 'Not connected');
    }
    const { code, message: reason } = end;
    if (session !== null && hello !== null) {
      this.#events.emit({ type: 'disconnected', nodeId: hello.nodeId, code, reason });
    }
    if (closing) return;
    if (delayMs === null) this.#events.emit({ type: 'auth-failed', code, message: reason });
    else if (session === null) this.#events.emit({ type: 'connect-failed', code, reason, retryInMs: delayMs });
  }

  #wait(because: ConnectionEnd['kind'], delayMs: number): void {
    this.#state = { name: 'waiting', because };
    this.#retry.at(this.#options.runtime.monotonic() + delayMs);
  }

  #nodeId(): string {
    return this.#state.name === 'linked' ? (this.#state.connection.hello?.nodeId ?? '') : '';
  }
}
