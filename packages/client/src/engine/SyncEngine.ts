import {
  applyMapDelta,
  DEFAULT_LIMITS,
  DEFAULT_SHARD_COUNT,
  type EntryBatch,
  type Limits,
  type PartitionMap,
  type Query,
  type Runtime,
  type ServerMessage,
  type Tag,
  type Timer,
  type Timestamp,
  TopGunError,
} from '@topgunbuild/core';
import type { IConnectionProvider, ProviderEvent, SentBatch } from '../connection/ConnectionProvider.js';
import type { Logger } from '../connection/Logger.js';
import { Replica } from '../replica/Replica.js';
import type { ReplicaMap } from '../replica/ReplicaMap.js';
import type { IStorageAdapter } from '../storage/StorageAdapter.js';
import { Account, type AccountContent } from './Account.js';
import type { ClientEvents, ClientStatus } from './ClientEvents.js';
import { Deadlines } from './Deadlines.js';
import type { Emitter } from './Emitter.js';
import { asError, closedError } from './engineErrors.js';
import { DEFAULT_WINDOW, Sender, type SendWindow } from './Sender.js';
import { ServerClock } from './ServerClock.js';
import type { Stream } from './Stream.js';
import { Streams } from './Streams.js';
import { TokenRenewal } from './TokenRenewal.js';
import { subjectOf, type TokenSource } from './TokenSource.js';
import { Topics } from './Topics.js';
import { ValuePool } from './ValuePool.js';
import type { Write } from './Write.js';
import { Writes } from './Writes.js';
import { type WaitOptions, withTimeout } from './withTimeout.js';

export interface SyncEngineOptions {
  readonly runtime: Runtime;
  /** Makes the connection to servers, anew for each subject; null: this client is for itself. */
  readonly createProvider: (() => IConnectionProvider) | null;
  readonly storage: IStorageAdapter | null;
  /** A fixed client id; null: made up once and kept in storage. */
  readonly clientId: string | null;
  readonly tokens: TokenSource;
  readonly events: Emitter<ClientEvents>;
  readonly logger: Logger;
  readonly window?: SendWindow;
}

/** created: not started · running · closed. Whether servers are reached is the provider's to know. */
type Phase = 'created' | 'starting' | 'running' | 'closed';

const STREAM_RETRY_MS = 1_000;
const SWITCH_RETRY_MS = 2_000;

/**
 * The heart of a client. It applies writes to the replica at once, keeps them in the op-log until the server has answered
 * each, keeps streams subscribed, and brings all of it through reconnects, restarts and changes of subject. How
 * servers are reached it does not know.
 */
export class SyncEngine {
  readonly #runtime: Runtime;
  readonly #options: SyncEngineOptions;
  readonly #events: Emitter<ClientEvents>;
  readonly #clock: ServerClock;
  readonly #deadlines: Deadlines;
  readonly #replica: Replica;
  readonly #writes: Writes;
  readonly #values = new ValuePool();
  readonly #sender: Sender;
  readonly #streams: Streams;
  readonly topics: Topics;
  readonly #account: Account;
  #phase: Phase = 'created';
  #provider: IConnectionProvider | null = null;
  #unsubscribe: () => void = () => {};
  #limits: Limits = DEFAULT_LIMITS;
  #map: PartitionMap | null = null;
  #status: ClientStatus = 'offline';
  #reaching = false;
  readonly #renewal: TokenRenewal;
  readonly #retries = new Set<Timer>();
  /** Starts, switches and stops happen one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: SyncEngineOptions) {
    const { runtime, events, storage } = options;
    this.#runtime = runtime;
    this.#options = options;
    this.#events = events;
    this.#clock = new ServerClock(runtime);
    this.#renewal = new TokenRenewal(
      runtime,
      () => this.#clock.now(),
      () => this.#provider?.reauthenticate(),
    );
    this.#deadlines = new Deadlines(runtime, () => this.#clock.now());
    this.#replica = new Replica({
      now: () => this.#clock.now(),
      onDeadline: (map, key, deadline) => this.#deadlines.add(map, key, deadline),
      onBaseChanged: (map, key) => this.#account.writer?.putBase(map, key),
      isCovered: (map, key) => this.#streams.isCovered(map, key),
      onThrow: (error) => this.#events.emit('error', asError(error)),
    });
    this.#account = new Account(
      runtime,
      this.#clock,
      storage,
      options.clientId,
      (error) => this.#storageFailed(error),
      () => this.#sender.release(),
    );
    this.#writes = new Writes({
      runtime,
      replica: this.#replica,
      clock: this.#clock,
      replicaClock: () => this.#account.replicaClock,
      limits: () => this.#limits,
      hasStorage: storage !== null,
      writer: () => this.#account.writer,
      startIncarnation: () => this.#account.startIncarnation(),
      onQueued: () => this.#sender.schedule(),
      onRejected: (rejection) => this.#events.emit('write-rejected', rejection),
    });
    this.#sender = new Sender(
      {
        runtime,
        log: this.#writes.log,
        isConnected: () => this.isConnected,
        send: (ops, nextBatchId) => this.#sendOps(ops, nextBatchId),
        onAccepted: (op) => this.#writes.accept(op, () => this.#streams.onAcked(op, this.#shardCount)),
        onRejected: (op, error) => this.#writes.reject(op, error),
        onDrift: (op) => this.#writes.stampAnew(op),
      },
      options.window ?? DEFAULT_WINDOW,
    );
    this.#streams = new Streams({
      send: (message) => this.#provider?.send(message) ?? false,
      onForgotten: (identity) => this.#account.putStreamState(identity, () => null),
      onState: (stream) => this.#account.putStreamState(stream.identity, () => stream.encodeState()),
      onRefused: (stream, error) => this.#streamRefused(stream, error),
      onTransient: (stream) => this.#later(STREAM_RETRY_MS, () => this.#streams.retry(stream)),
    });
    this.topics = new Topics({
      send: (message) => this.#provider?.send(message) ?? false,
      onThrow: (error) => this.#events.emit('error', asError(error)),
    });
    this.#refreshStatus();
  }

  // --- life --------------------------------------------------------------------------------------------------------

  /** Opens storage, takes over what it holds, and starts to connect. @throws TopGunError STORAGE_FAILED */
  start(): Promise<void> {
    if (this.#phase === 'closed') return Promise.reject(closedError());
    if (this.#phase !== 'created') return this.#turn;
    this.#phase = 'starting';
    return this.#inTurn(async () => {
      try {
        await this.#account.open(this.#content, (last) => this.#options.tokens.token().then(subjectOf, () => last));
      } catch (error) {
        // It may be started again, when storage can be opened.
        if (this.#phase === 'starting') this.#phase = 'created';
        throw error;
      }
      if (this.#phase === 'closed') return;
      this.#phase = 'running';
      this.#connect();
    });
  }

  close(): Promise<void> {
    if (this.#phase === 'closed') return this.#turn;
    this.#phase = 'closed';
    this.#refreshStatus();
    this.#writes.stopWaiting(closedError());
    return this.#inTurn(async () => {
      await this.#disconnect();
      this.#deadlines.clear();
      await this.#account.close();
    });
  }

  /** The application's token changed. Another subject means another store and another replica. */
  tokenChanged(): void {
    this.#writes.refusal = null;
    if (this.#phase === 'created' || this.#phase === 'closed') return;
    void this.#inTurn(async () => {
      const subject = await this.#options.tokens.token().then(subjectOf, () => this.#account.subject);
      if (this.#phase === 'closed') return;
      if (subject === null || subject === this.#account.subject) {
        this.#renewal.renewNow();
        return;
      }
      await this.#disconnect();
      this.#deadlines.clear();
      await this.#account.switchTo(subject, this.#content);
      if (this.#phase === 'running') this.#connect();
    }).catch((error) => {
      this.#events.emit('error', asError(error));
      // Without its storage the client cannot go on as the other subject; it tries until it can.
      if (this.#phase === 'running') this.#later(SWITCH_RETRY_MS, () => this.tokenChanged());
    });
  }

  /** The token for a handshake; starts a switch when it speaks for somebody else. @throws TopGunError AUTH_REQUIRED */
  async credentials(): Promise<{ token: string | null; clientId: string; mapVersion: number }> {
    const token = await this.#options.tokens.token();
    if (subjectOf(token) !== this.#account.subject) {
      this.tokenChanged();
      throw new TopGunError('AUTH_REQUIRED', 'The token speaks for another subject; the client changes over to it.');
    }
    return { token, clientId: this.#account.clientId, mapVersion: this.#map?.version ?? 0 };
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn;
    turn.catch(() => {});
    return turn;
  }

  // --- reading -----------------------------------------------------------------------------------------------------

  map(name: string): ReplicaMap {
    return this.#replica.map(name);
  }

  openStream(map: ReplicaMap, query: Query): Stream {
    return this.#streams.open(map, query);
  }

  /** Whether the record of `key` may count as a row of `stream`. */
  standsFor(stream: Stream, key: string): boolean {
    return this.#streams.standsFor(stream, key);
  }

  closeStream(stream: Stream): void {
    this.#streams.close(stream);
  }

  /** Resolves when everything of `stream` has arrived. */
  completed(stream: Stream, options: WaitOptions): Promise<void> {
    return withTimeout(this.#runtime, stream.completed(), options);
  }

  // --- writing -----------------------------------------------------------------------------------------------------

  /** The bytes of a value to be written, for an operation only. @throws TypeError for what cannot be stored */
  encode(value: unknown): Uint8Array {
    return this.#values.encode(value);
  }

  /** Applies an operation at once and queues it. `ttlMs`: 0 = lives for ever. */
  write(map: ReplicaMap, key: string, tag: Tag, value: Uint8Array, ttlMs = 0): Write {
    this.#mustBeOpen();
    return this.#writes.write(map, key, tag, value, ttlMs);
  }

  /** Adds `delta` to a counter. */
  addToCounter(map: ReplicaMap, key: string, delta: number): Write {
    this.#mustBeOpen();
    return this.#writes.addToCounter(map, key, delta);
  }

  /** Removes elements from an OR set. */
  removeElements(map: ReplicaMap, key: string, stamps: readonly Timestamp[]): Write {
    this.#mustBeOpen();
    return this.#writes.removeElements(map, key, stamps);
  }

  get pendingWrites(): number {
    return this.#writes.log.size;
  }

  get refusal(): TopGunError | null {
    return this.#writes.refusal;
  }

  /** Resolves when every operation so far was answered. */
  flush(options: WaitOptions): Promise<void> {
    if (this.#options.createProvider === null && this.pendingWrites > 0) {
      return Promise.reject(new TopGunError('UNAVAILABLE', 'This client has no server: give it a url to sync with.'));
    }
    return withTimeout(this.#runtime, this.#writes.flushed(), options);
  }

  // --- servers -----------------------------------------------------------------------------------------------------

  get isConnected(): boolean {
    return this.#provider?.isConnected() ?? false;
  }

  get provider(): IConnectionProvider | null {
    return this.#provider;
  }

  get status(): ClientStatus {
    return this.#status;
  }

  get partitionMap(): PartitionMap | null {
    return this.#map;
  }

  #connect(): void {
    if (this.#options.createProvider === null) return;
    const provider = this.#options.createProvider();
    this.#provider = provider;
    this.#unsubscribe = provider.on((event) => this.#onEvent(event));
    provider.connect();
    this.#refreshStatus();
  }

  async #disconnect(): Promise<void> {
    this.#sender.close();
    this.#renewal.cancel();
    for (const timer of this.#retries) this.#runtime.clearTimer(timer);
    this.#retries.clear();
    const provider = this.#provider;
    this.#provider = null;
    this.#unsubscribe();
    this.#reaching = false;
    this.#refreshStatus();
    await provider?.close();
  }

  #onEvent(event: ProviderEvent): void {
    switch (event.type) {
      case 'connecting':
        this.#reaching = true;
        break;
      case 'connected':
        this.#writes.refusal = null;
        this.#onConnected(event);
        break;
      case 'renewed':
        if (this.#options.tokens.isRenewable) this.#renewal.plan(event.expiresAt);
        break;
      case 'disconnected':
        if (!this.isConnected) this.#renewal.cancel();
        this.#sender.onNodeLost(event.nodeId);
        this.#events.emit('node', { type: 'lost', nodeId: event.nodeId, reason: event.reason });
        break;
      case 'connect-failed':
        this.#reaching = false;
        if (event.code === 'UNSUPPORTED_PROTOCOL')
          this.#events.emit('error', new TopGunError(event.code, event.reason));
        break;
      case 'auth-failed':
        this.#reaching = false;
        this.#writes.refusal = new TopGunError(event.code, event.message);
        this.#events.emit('auth-failed', this.#writes.refusal);
        break;
      case 'time':
        this.#onTime(event.serverTime, event.monotonic);
        break;
      case 'message':
        this.#onMessage(event.message);
        break;
      case 'drain':
        this.#streams.onDrain();
        this.topics.onDrain();
        this.#sender.schedule();
        break;
    }
    this.#refreshStatus();
  }

  #onConnected(event: Extract<ProviderEvent, { type: 'connected' }>): void {
    this.#reaching = false;
    this.#limits = event.limits;
    if (event.map !== null) this.#takeMap(event.map);
    const isOtherLog = this.#account.logId !== null && this.#account.logId !== event.logId;
    this.#account.logId = event.logId;
    const behind = this.#clock.isTrusted ? 0 : this.#behind(event.serverTimeAt);
    // Deadlines move with the clock and with the timestamps of what was written by it: readers see both at once.
    this.#replica.hold();
    this.#onTime(event.serverTimeAt.serverTime, event.serverTimeAt.monotonic);
    if (this.#options.tokens.isRenewable) this.#renewal.plan(event.expiresAt);
    this.#writes.restamp(this.#writes.untrusted(), behind);
    if (isOtherLog) this.#writes.offerAgain(`${this.#account.clientId}.`);
    this.#replica.release();
    this.#events.emit('node', { type: 'connected', nodeId: event.nodeId });
    this.#streams.onConnected(event.keepsSubscriptions);
    this.topics.onConnected(event.keepsSubscriptions);
    this.#sender.resume();
  }

  #behind(at: { readonly serverTime: number; readonly monotonic: number }): number {
    const now = this.#runtime.monotonic();
    return at.serverTime + (now - at.monotonic) - this.#clock.now();
  }

  #onTime(serverTime: number, monotonic: number): void {
    const behind = this.#clock.synchronize(serverTime, monotonic);
    if (behind === 0) return;
    if (behind < 0) {
      this.#account.replicaClock.rewind();
      this.#replica.revive();
    }
    this.#deadlines.clockChanged();
  }

  #onMessage(message: ServerMessage): void {
    switch (message.type) {
      case 'OP_ACK':
        this.#sender.onAck(message);
        return;
      case 'QUERY_RECORDS':
        this.#account.observe(message.records);
        this.#streams.onRecords(message, this.#account.logId ?? '', this.#shardCount);
        return;
      case 'QUERY_RESET':
        this.#streams.onReset(message, this.#shardCount);
        return;
      case 'TOPIC_MESSAGE':
        this.topics.onMessage(message);
        return;
      case 'PARTITION_MAP':
        this.#takeMap(message.map);
        return;
      case 'PARTITION_MAP_DELTA':
        this.#takeMap(this.#map === null ? null : applyMapDelta(this.#map, message.delta));
        return;
      case 'NOT_OWNER':
        this.#streams.onNotOwner(message);
        return;
      case 'ERROR':
        if (message.ref === null) this.#events.emit('error', new TopGunError(message.code, message.message));
        else this.#streams.onError(message);
        return;
      case 'GOODBYE':
        this.#options.logger.info({ reason: message.reason }, 'The server is about to close the connection');
        return;
      default:
        // The handshake and the heartbeat are the connection's.
        return;
    }
  }

  get #shardCount(): number {
    return this.#map?.shardCount ?? DEFAULT_SHARD_COUNT;
  }

  /** Null: a change came that does not fit what is here. */
  #takeMap(map: PartitionMap | null): void {
    if (map !== null) this.#map = map;
    else this.#provider?.send({ type: 'PARTITION_MAP_REQUEST', version: 0 });
    if (map !== null) this.#events.emit('partition-map', { version: map.version });
  }

  #sendOps(ops: EntryBatch, nextBatchId: () => number): readonly SentBatch[] {
    const provider = this.#provider;
    const nodeId = provider?.getConnectedNodes()[0];
    if (provider === null || nodeId === undefined) return [];
    if (provider.sendBatch !== undefined) return provider.sendBatch(ops, nextBatchId);
    const batchId = nextBatchId();
    const mapVersion = this.#map?.version ?? 0;
    const sent = provider.send({ type: 'OP_BATCH', batchId, routed: false, mapVersion, ops });
    return sent ? [{ batchId, nodeId, indexes: [...ops.keys.keys()] }] : [];
  }

  #streamRefused(stream: Stream, error: TopGunError): void {
    this.#options.logger.warn({ map: stream.map.name, code: error.code }, 'The server refuses a query');
    this.#events.emit('error', error);
  }

  #later(delayMs: number, work: () => void): void {
    const timer = this.#runtime.setTimer(delayMs * (0.5 + this.#runtime.random()), () => {
      this.#retries.delete(timer);
      work();
    });
    this.#retries.add(timer);
  }

  #refreshStatus(): void {
    const status = this.#currentStatus();
    if (status === this.#status) return;
    this.#status = status;
    this.#events.emit('status', status);
  }

  #currentStatus(): ClientStatus {
    if (this.#phase === 'closed') return 'closed';
    if (this.#options.createProvider === null) return 'local';
    if (this.isConnected) return 'online';
    return this.#reaching ? 'connecting' : 'offline';
  }

  get #content(): AccountContent {
    return { replica: this.#replica, writes: this.#writes, streams: this.#streams };
  }

  #mustBeOpen(): void {
    if (this.#phase === 'closed') throw closedError();
  }

  #storageFailed(error: TopGunError): void {
    this.#options.logger.error({ code: error.code }, 'The local storage failed; what is pending stays in memory');
    this.#events.emit('error', error);
  }
}
