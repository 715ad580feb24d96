import { connect, createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import type { Runtime } from '@topgunbuild/core';
import type { Logger } from '../../Logger.js';
import type { NatsOptions } from './NatsOptions.js';
import { NatsRequestError, NatsRequests, type RequestOptions } from './NatsRequests.js';

const FIRST_DELAY_MS = 50;
const LAST_DELAY_MS = 2_000;
/** A server that hangs is left after at most three of them. */
const PING_INTERVAL_MS = 2_000;
const CONNECT_MS = 3_000;

/** One connection to NATS that comes back by itself for ever. What is asked of it while it is down fails at once. */
export class NatsLink {
  readonly #connection: NatsConnection;
  readonly #inboxPrefix: string;
  readonly #logger: Logger;
  readonly #requests: NatsRequests;
  readonly #listeners = new Set<(isUp: boolean) => void>();
  #isUp = true;
  #isClosing = false;
  readonly #delay: Backoff;

  private constructor(
    connection: NatsConnection,
    inboxPrefix: string,
    delay: Backoff,
    runtime: Runtime,
    logger: Logger,
  ) {
    this.#connection = connection;
    this.#inboxPrefix = inboxPrefix;
    this.#requests = new NatsRequests(connection, inboxPrefix, runtime);
    this.#delay = delay;
    this.#logger = logger;
    void this.#watchStatus();
    void connection.closed().then((error) => this.#closed(error));
  }

  /** One attempt, at each of the servers. @throws what the client throws */
  static async open(options: NatsOptions, runtime: Runtime, logger: Logger): Promise<NatsLink> {
    const delay = new Backoff(runtime);
    const connection = await connect({
      name: 'topgun',
      ...options.connection,
      servers: [...options.servers],
      timeout: CONNECT_MS,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: 2,
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      reconnectDelayHandler: () => delay.next(),
      noAsyncTraces: true,
    });
    return new NatsLink(connection, options.connection?.inboxPrefix ?? '_INBOX', delay, runtime, logger);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get version(): string {
    return this.#connection.info?.version ?? '0.0.0';
  }

  get server(): string {
    return this.#connection.getServer();
  }

  /** Whether the server that this link is connected to has JetStream itself; another of its cluster may. */
  get hasJetStream(): boolean {
    return this.#connection.info?.jetstream === true;
  }

  /** The largest message, headers included, bytes. */
  get maxPayload(): number {
    return this.#connection.info?.max_payload ?? 1024 * 1024;
  }

  /** A subject that nobody else uses. */
  inbox(): string {
    return createInbox(this.#inboxPrefix);
  }

  /** @throws NatsRequestError */
  request(subject: string, payload: Uint8Array | string, options: RequestOptions): Promise<Msg> {
    if (this.#isUp) return this.#requests.ask(subject, payload, options);
    return Promise.reject(new NatsRequestError('down', 'NATS is not connected'));
  }

  /** Dropped while the link is down: sent late it would be worse than not at all. */
  publish(subject: string, payload: Uint8Array): void {
    if (this.#isUp) this.#connection.publish(subject, payload);
  }

  /** Lasts over reconnects. Returns the unsubscribe: nothing is handed over once that has returned. */
  subscribe(subject: string, onMessage: (message: Msg) => void): () => void {
    let isClosed = false;
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (isClosed) return;
        if (error !== null) {
          this.#logger.error({ error, subject }, 'NATS does not let this node subscribe');
          return;
        }
        try {
          onMessage(message);
        } catch (cause) {
          // Thrown further, it would end the reading of the connection.
          this.#logger.error({ error: cause, subject }, 'a message from NATS could not be handled');
        }
      },
    });
    return () => {
      isClosed = true;
      subscription.unsubscribe();
    };
  }

  /** Told whenever the connection broke or came back. Returns the unsubscribe. */
  onChange(listener: (isUp: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#listeners.clear();
    this.#requests.failAll('down', 'NATS was closed');
    // Unsubscribes and deletions of consumers are on their way.
    if (this.#isUp) await Promise.race([this.#connection.flush().catch(() => undefined), this.#connection.closed()]);
    this.#isUp = false;
    await this.#connection.close();
  }

  async #watchStatus(): Promise<void> {
    for await (const status of this.#connection.status()) {
      switch (status.type) {
        case 'disconnect':
          this.#change(false, status.server);
          break;
        case 'reconnect':
          this.#delay.reset();
          this.#change(true, status.server);
          break;
        case 'error':
          this.#logger.warn({ error: status.error }, 'NATS reports an error');
          this.#requests.onError(status.error);
          break;
        case 'slowConsumer':
        case 'staleConnection':
        case 'ldm':
          this.#logger.warn({ status: status.type }, 'NATS connection');
          break;
      }
    }
  }

  #change(isUp: boolean, server: string): void {
    if (this.#isClosing || isUp === this.#isUp) return;
    this.#isUp = isUp;
    if (isUp) this.#logger.info({ server }, 'connected to NATS again');
    else this.#logger.warn({ server }, 'the connection to NATS broke');
    if (!isUp) this.#requests.failAll('down', 'the connection to NATS broke');
    for (const listener of [...this.#listeners]) listener(isUp);
  }

  #closed(error: unknown): void {
    if (this.#isClosing) return;
    // It tries for ever, so this is the client's own failure. The node shows it in /readyz.
    this.#logger.error({ error }, 'the connection to NATS was given up: restart the node');
    this.#change(false, '');
  }
}

/** Delays between attempts to connect. */
class Backoff {
  readonly #runtime: Runtime;
  #attempts = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  next(): number {
    const delay = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(this.#attempts++, 16));
    return delay * (0.5 + this.#runtime.random() / 2);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
