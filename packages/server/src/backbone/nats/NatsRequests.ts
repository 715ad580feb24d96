import {
  createInbox,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  PermissionViolationError,
} from '@nats-io/transport-node';
import type { Runtime, Timer } from '@topgunbuild/core';

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

interface Waiting {
  readonly subject: string;
  readonly resolve: (answer: Msg) => void;
  readonly reject: (error: NatsRequestError) => void;
  readonly timer: Timer;
}

const NO_RESPONDERS = 503;

/**
 * Requests whose answers come to one subscription. The client could do that itself, but makes an error, with its stack,
 * and a handful of promises for each one; every log record is a request.
 */
export class NatsRequests {
  readonly #connection: NatsConnection;
  readonly #runtime: Runtime;
  readonly #prefix: string;
  /** By the last token of the subject to which the answer comes. */
  readonly #waiting = new Map<string, Waiting>();
  #isSubscribed = false;
  #asked = 0;

  constructor(connection: NatsConnection, inboxPrefix: string, runtime: Runtime) {
    this.#connection = connection;
    this.#runtime = runtime;
    this.#prefix = `${createInbox(inboxPrefix)}.`;
  }

  /** @throws NatsRequestError */
  ask(subject: string, payload: Uint8Array | string, { timeoutMs, headers }: RequestOptions): Promise<Msg> {
    return new Promise((resolve, reject) => {
      this.#subscribe();
      const token = (this.#asked++).toString(36);
      const timer = this.#runtime.setTimer(timeoutMs, () =>
        this.#take(token)?.reject(new NatsRequestError('timeout', `no answer on ${subject}`)),
      );
      this.#waiting.set(token, { subject, resolve, reject, timer });
      try {
        const reply = this.#prefix + token;
        this.#connection.publish(subject, payload, headers === undefined ? { reply } : { reply, headers });
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause);
        this.#take(token)?.reject(new NatsRequestError('down', message, { cause }));
      }
    });
  }

  /** Nobody waits any more. */
  failAll(failure: RequestFailure, message: string, cause?: unknown): void {
    for (const token of [...this.#waiting.keys()]) {
      this.#take(token)?.reject(new NatsRequestError(failure, message, { cause }));
    }
  }

  /** The server has refused something, perhaps one of these requests. */
  onError(error: unknown): void {
    if (!(error instanceof PermissionViolationError) || error.operation !== 'publish') return;
    for (const [token, { subject }] of this.#waiting) {
      if (subject !== error.subject) continue;
      this.#take(token)?.reject(new NatsRequestError('forbidden', error.message, { cause: error }));
      return;
    }
  }

  /** At the first request, and once more after the server has refused it: rights can be changed. */
  #subscribe(): void {
    if (this.#isSubscribed) return;
    this.#isSubscribed = true;
    this.#connection.subscribe(`${this.#prefix}*`, {
      callback: (error, answer) => {
        if (error === null) {
          this.#onAnswer(answer);
          return;
        }
        this.#isSubscribed = false;
        this.failAll('forbidden', error.message, error);
      },
    });
  }

  #onAnswer(answer: Msg): void {
    const waiting = this.#take(answer.subject.slice(this.#prefix.length));
    if (waiting === null) return;
    const isNobody = answer.data.length === 0 && answer.headers?.code === NO_RESPONDERS;
    if (isNobody) waiting.reject(new NatsRequestError('nobody', `nobody serves ${waiting.subject}`));
    else waiting.resolve(answer);
  }

  #take(token: string): Waiting | null {
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) return null;
    this.#waiting.delete(token);
    this.#runtime.clearTimer(waiting.timer);
    return waiting;
  }
}
