import {
  connect,
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
} from '@nats-io/transport-node';
import type { Runtime } from '@topgunbuild/core';
import type { Logger } from '../../Logger.js';
import type { NatsOptions } from './NatsOptions.js';

const FIRST_DELAY_MS = 50;
const LAST_DELAY_MS = 2_000;
/** A server that hangs is left after at most three of them. */
const PING_INTERVAL_MS = 2_000;
const CONNECT_MS = 3_000;

export type RequestFailure = 'down' | 'nobody' | 'timeout' | 'forbidden';

/** Why a request has no answer. */
export class NatsRequestError extends Error {
  readonly failure: RequestFailure;

  constructor(failure: RequestFailure, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'NatsRequestError';
    this.failure = failure;
  }
}

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly headers?: MsgHdrs;
}

/** One connection to NATS that comes back by itself for ever. What is asked of it while it is down fails at once. */
export class NatsLink {
  readonly #connection: NatsConnection;
  readonly #inboxPrefix: string;
  readonly #logger: Logger;
  readonly #waiting = new Set<(error: NatsRequestError) => void>();
  readonly #listeners = new Set<(isUp: boolean) => void>();
  #isUp = true;
  #isClosing = false;
  readonly #delay: Backoff;

  private constructor(connection: NatsConnection, inboxPrefix: string, delay: Backoff, logger: Logger) {
    this.#connection = connection;
    this.#inboxPrefix = inboxPrefix;
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
    return new NatsLink(connection, options.connection?.inboxPrefix ?? '_INBOX', delay, logger);
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
  request(subject: string, payload: Uint8Array | string, { timeoutMs, headers }: RequestOptions): Promise<Msg> {
    return new Promise((resolve, reject) => {
      if (!this.#isUp) {
        reject(new NatsRequestError('down', 'NATS is not connected'));
        return;
      }
      this.#waiting.add(reject);
      this.#connection
        .request(subject, payload, { timeout: timeoutMs, ...(headers === undefined ? {} : { headers }) })
        .then(resolve, (error: unknown) => reject(requestError(error, subject)))
        .finally(() => this.#waiting.delete(reject));
    });
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
    this.#fail('NATS was closed');
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
    if (!isUp) this.#fail('the connection to NATS broke');
    for (const listener of [...this.#listeners]) listener(isUp);
  }

  #closed(error: unknown): void {
    if (this.#isClosing) return;
    // It tries for ever, so this is the client's own failure. The node shows it in /readyz.
    this.#logger.error({ error }, 'the connection to NATS was given up: restart the node');
    this.#change(false, '');
  }

  #fail(reason: string): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const fail of waiting) fail(new NatsRequestError('down', reason));
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

function requestError(error: unknown, subject: string): NatsRequestError {
  const inner = error instanceof RequestError ? error.cause : error;
  if (inner instanceof NoRespondersError) return new NatsRequestError('nobody', `nobody serves ${subject}`);
  if (error instanceof TimeoutError) return new NatsRequestError('timeout', `no answer on ${subject}`);
  const message = error instanceof Error ? error.message : String(error);
  if (inner instanceof PermissionViolationError) return new NatsRequestError('forbidden', message, { cause: error });
  return new NatsRequestError('down', message, { cause: error });
}
