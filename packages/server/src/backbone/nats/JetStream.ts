import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { TopGunError } from '@topgunbuild/core';
import type { PublishResult, StoredMessage, StreamConfig, StreamState } from './jetStreamTypes.js';
import type { NatsLink } from './NatsLink.js';
import { NatsRequestError } from './NatsRequests.js';

const API = '$JS.API';
export const EXPECTED_HEADER = 'Nats-Expected-Last-Subject-Sequence';

/** Codes of JetStream's errors, see `errors.json` of nats-server. */
const NOT_FOUND = new Set([10037, 10059, 10014]);
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
const DISABLED = new Set([10039, 10076]);
/** Insufficient resources, storage or memory; limits of account, stream or server. */
const FULL = new Set([10002, 10023, 10028, 10047, 10119, 10120, 10122]);
/** The store refused the message; its text tells whether that is for want of room. */
const STORE_FAILED = 10077;
/** No leader yet, not enough peers, server shutting down: all of that may pass. */
const PASSING = new Set([10004, 10005, 10008, 10009, 10118]);
const SINGLE_SERVER = 10074;

/** An error that JetStream answered. */
class JetStreamError extends Error {
  readonly errorCode: number;

  constructor(errorCode: number, description: string) {
    super(`${description} (${errorCode})`);
    this.name = 'JetStreamError';
    this.errorCode = errorCode;
  }
}

/** For what is answered from memory: while a stream has no leader nobody answers, and waiting longer does not help. */
const QUICK_MS = 1_000;

/** The few requests to JetStream that the backbone needs. Every wait is bounded; every answer is the stream leader's. */
export class JetStream {
  readonly link: NatsLink;
  readonly #timeoutMs: number;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(link: NatsLink, timeoutMs: number) {
    this.link = link;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Stores a message if the last one of its subject has the sequence `expectedSeq` (0 = there is none).
   * @returns its sequence, or null when the last one is another
   * @throws TopGunError UNAVAILABLE, STORAGE_FULL or STORAGE_FAILED: it may be stored all the same
   */
  async publish(
    subject: string,
    payload: Uint8Array,
    expectedSeq: number | null,
    more: MsgHdrs = headers(),
    timeoutMs = this.#timeoutMs,
  ): Promise<number | null> {
    if (expectedSeq !== null) more.set(EXPECTED_HEADER, String(expectedSeq));
    try {
      const { seq } = await this.#request<PublishResult>(subject, payload, timeoutMs, more);
      return seq;
    } catch (error) {
      if (error instanceof JetStreamError && WRONG_LAST_SEQUENCE.has(error.errorCode)) return null;
      throw failure(error);
    }
  }

  /** As `publish`, for what somebody waits for who has better to do. */
  publishQuickly(subject: string, payload: Uint8Array, expectedSeq: number, more?: MsgHdrs): Promise<number | null> {
    return this.publish(subject, payload, expectedSeq, more, this.#quickMs);
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  /** The last message on a subject, which may have wildcards; null when there is none. */
  last(stream: string, subject: string): Promise<StoredMessage | null> {
    return this.#get(stream, { last_by_subj: subject });
  }

  /** The first message on a subject from `seq` on; null when there is none. */
  next(stream: string, subject: string, seq: number): Promise<StoredMessage | null> {
    return this.#get(stream, { seq, next_by_subj: subject });
  }

  /** Forgets messages of the subject before `seq`; all of them without it. */
  async purge(stream: string, subject: string, seq?: number): Promise<void> {
    await this.#call(`STREAM.PURGE.${stream}`, { filter: subject, ...(seq === undefined ? {} : { seq }) });
  }

  /** Forgets all messages before `seq`, on whatever subject. */
  async purgeAll(stream: string, seq: number): Promise<void> {
    await this.#call(`STREAM.PURGE.${stream}`, { seq });
  }

  /** The number of messages on each subject that `filter` matches. */
  async subjects(stream: string, filter: string): Promise<ReadonlyMap<string, number>> {
    const info = await this.#call<{ state: StreamState }>(`STREAM.INFO.${stream}`, { subjects_filter: filter });
    return new Map(Object.entries(info.state.subjects ?? {}));
  }

  /** Null: there is no such stream. */
  async streamState(stream: string): Promise<StreamState | null> {
    try {
      const info = await this.#request<{ state: StreamState }>(`${API}.STREAM.INFO.${stream}`, '', this.#quickMs);
      return info.state;
    } catch (error) {
      if (isNotFound(error)) return null;
      throw failure(error);
    }
  }

  /** Does nothing when the stream is there with this configuration. */
  async createStream(config: StreamConfig): Promise<void> {
    await this.#call(`STREAM.CREATE.${config.name}`, config);
  }

  /** @returns how many messages wait for it */
  async createConsumer(stream: string, name: string, filter: string, config: object): Promise<number> {
    const subject = `CONSUMER.CREATE.${stream}.${name}.${filter}`;
    const body = { stream_name: stream, config: { ...config, name, filter_subject: filter }, action: 'create' };
    const { num_pending } = await this.#call<{ num_pending: number }>(subject, body, this.#quickMs);
    return num_pending;
  }

  /** Not waited for: one that stays is deleted by the server in a while. */
  deleteConsumer(stream: string, name: string): void {
    this.link.publish(`${API}.CONSUMER.DELETE.${stream}.${name}`, new Uint8Array());
  }

  /** @throws TopGunError UNAVAILABLE when JetStream does not answer now, INVALID_VALUE when it is not enabled */
  async check(): Promise<void> {
    try {
      await this.#request(`${API}.INFO`, '', this.#quickMs);
    } catch (error) {
      const isNobody = error instanceof NatsRequestError && error.failure === 'nobody';
      throw isNobody && !this.link.hasJetStream ? notEnabled(error) : failure(error);
    }
  }

  async #get(stream: string, query: object): Promise<StoredMessage | null> {
    try {
      const { message } = await this.#request<{ message: RawMessage }>(
        `${API}.STREAM.MSG.GET.${stream}`,
        JSON.stringify(query),
        this.#quickMs,
      );
      return {
        subject: message.subject,
        seq: message.seq,
        headers: message.hdrs === undefined ? '' : Buffer.from(message.hdrs, 'base64').toString('latin1'),
        data: new Uint8Array(Buffer.from(message.data ?? '', 'base64')),
      };
    } catch (error) {
      if (isNotFound(error)) return null;
      throw failure(error);
    }
  }

  get #quickMs(): number {
    return Math.min(QUICK_MS, this.#timeoutMs);
  }

  async #call<T>(subject: string, body: object, timeoutMs = this.#timeoutMs): Promise<T> {
    try {
      return await this.#request<T>(`${API}.${subject}`, JSON.stringify(body), timeoutMs);
    } catch (error) {
      throw failure(error);
    }
  }

  async #request<T>(subject: string, payload: Uint8Array | string, timeoutMs: number, headers?: MsgHdrs): Promise<T> {
    const options = headers === undefined ? { timeoutMs } : { timeoutMs, headers };
    const asked = this.link.request(subject, payload, options);
    this.#underWay.add(asked);
    const reply = await asked.finally(() => this.#underWay.delete(asked));
    const answer = reply.json<T & { error?: { err_code?: number; code: number; description: string } }>();
    const { error } = answer;
    if (error !== undefined) throw new JetStreamError(error.err_code ?? error.code, error.description);
    return answer;
  }
}

interface RawMessage {
  readonly subject: string;
  readonly seq: number;
  readonly hdrs?: string;
  readonly data?: string;
}

function isNotFound(error: unknown): boolean {
  return error instanceof JetStreamError && NOT_FOUND.has(error.errorCode);
}

function failure(cause: unknown): TopGunError {
  if (cause instanceof TopGunError) return cause;
  if (cause instanceof NatsRequestError) {
    if (cause.failure === 'forbidden') {
      return new TopGunError('FORBIDDEN', `NATS does not allow what this node needs: ${cause.message}`, { cause });
    }
    // A stream without leader, or a server that starts, has nobody who serves its subjects.
    const what = cause.failure === 'nobody' ? 'JetStream has no leader now, or its stream is gone' : cause.message;
    return new TopGunError('UNAVAILABLE', `NATS cannot be used: ${what}. Try again soon.`, { cause });
  }
  if (cause instanceof JetStreamError) {
    const { errorCode, message } = cause;
    if (DISABLED.has(errorCode)) return notEnabled(cause);
    if (errorCode === SINGLE_SERVER) {
      const text = 'More than one replica takes a cluster of NATS servers; this one is alone. Start with replicas 1.';
      return new TopGunError('INVALID_VALUE', text, { cause });
    }
    if (FULL.has(errorCode) || (errorCode === STORE_FAILED && /exceed|resource|space/i.test(message))) {
      return new TopGunError('STORAGE_FULL', `NATS has no room: ${message}`, { cause });
    }
    if (PASSING.has(errorCode)) {
      return new TopGunError('UNAVAILABLE', `JetStream cannot serve now: ${message}. Try again soon.`, { cause });
    }
    return new TopGunError('STORAGE_FAILED', `JetStream refused: ${message}`, { cause });
  }
  return new TopGunError('STORAGE_FAILED', 'JetStream answered what cannot be read.', { cause });
}

function notEnabled(cause: unknown): TopGunError {
  const text = 'JetStream is not enabled in NATS. Enable it: nats-server -js, or `jetstream {}` in its configuration.';
  return new TopGunError('INVALID_VALUE', text, { cause });
}
