import type { ClientMessage, Runtime } from '@topgunbuild/core';
import type { Credentials, IConnectionProvider, ProviderEvent } from './ConnectionProvider.js';
import { connectedEvent } from './connectedEvent.js';
import { EventQueue } from './EventQueue.js';
import type { Logger } from './Logger.js';
import type { ConnectionTimes } from './nodeState.js';
import type { ReconnectTimes } from './ReconnectPolicy.js';
import { StandingConnection, type StandingEvent } from './StandingConnection.js';
import type { Transport } from './Transport.js';
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

/** Stays connected to one server: connects, and connects again after a wait whenever the connection ended. */
export class SingleServerProvider implements IConnectionProvider {
  readonly #connection: StandingConnection;
  readonly #events: EventQueue<ProviderEvent>;
  readonly #logger: Logger | undefined;

  /** @throws TopGunError INVALID_VALUE when the URL is none that can be connected to. */
  constructor({ url, ...options }: SingleServerProviderOptions) {
    const endpoint = webSocketUrl(url);
    this.#logger = options.logger;
    this.#events = new EventQueue(options.logger);
    const listener = (event: StandingEvent): void => this.#onEvent(event);
    this.#connection = new StandingConnection({ ...options, endpoint: () => endpoint, listener });
  }

  connect(): void {
    this.#connection.start();
  }

  isConnected(): boolean {
    return this.#connection.isConnected;
  }

  getConnectedNodes(): readonly string[] {
    const { isConnected, hello } = this.#connection;
    return isConnected && hello !== null ? [hello.nodeId] : [];
  }

  send(message: ClientMessage): boolean {
    return this.#connection.send(message);
  }

  reauthenticate(): void {
    this.#connection.reauthenticate();
  }

  on(listener: (event: ProviderEvent) => void): () => void {
    return this.#events.on(listener);
  }

  /** Resolves at once: a peer that does not answer cannot hold it up. No events follow, but the last `disconnected`. */
  async close(): Promise<void> {
    this.#connection.close();
  }

  #onEvent(event: StandingEvent): void {
    switch (event.type) {
      case 'connecting':
        this.#events.emit({ type: 'connecting' });
        return;
      case 'ready': {
        const { nodeId, clusterId } = event.hello;
        this.#logger?.info({ nodeId, clusterId, latencyMs: event.time.latencyMs }, 'Connected');
        this.#events.emit(connectedEvent(event, event.map, false));
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
      case 'message': {
        const nodeId = this.#connection.hello?.nodeId ?? '';
        this.#events.emit({ type: 'message', nodeId, message: event.message });
        return;
      }
      case 'drain':
        this.#events.emit({ type: 'drain' });
        return;
      case 'leaving':
        return;
      case 'ended':
        this.#onEnded(event);
    }
  }

  #onEnded({ end, hello, session, retryInMs }: Extract<StandingEvent, { type: 'ended' }>): void {
    const isClosed = this.#connection.stateName === 'closed';
    const { code, message: reason } = end;
    if (!isClosed) this.#logger?.warn({ code, reason, retryInMs }, 'Not connected');
    if (session !== null && hello !== null) {
      this.#events.emit({ type: 'disconnected', nodeId: hello.nodeId, code, reason });
    }
    if (isClosed) return;
    if (retryInMs === null) this.#events.emit({ type: 'auth-failed', code, message: reason });
    else if (session === null) this.#events.emit({ type: 'connect-failed', code, reason, retryInMs });
  }
}
