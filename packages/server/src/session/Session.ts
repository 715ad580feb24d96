import {
  type AuthMessage,
  type ClientMessage,
  decodeClientMessage,
  type ErrorCode,
  encodeMessage,
  type PartitionMap,
  PROTOCOL_VERSION,
  type ServerMessage,
  type Timer,
  TopGunError,
} from '@topgunbuild/core';
import type { Identity } from '../auth/Authenticator.js';
import { ActiveSession } from './ActiveSession.js';
import type { ClientIds } from './ClientIds.js';
import { CloseCode, closeCodeOf } from './CloseCode.js';
import { ExpiryWatch } from './ExpiryWatch.js';
import type { KnownMap, MapPush, MapReader } from './MapPush.js';
import { Outbox } from './Outbox.js';
import type { Peer } from './Peer.js';
import { tellable } from './Refusal.js';
import type { SessionPorts } from './SessionPorts.js';

/*
 *   handshaking ─AUTH→ authenticating ─verdict→ active ⟲ renewal ─GOODBYE→ leaving
 *        └─────────────────┴──── failure, deadline, expiry ────┴─────────────┴──→ closing ─→ closed
 *
 * Nothing is dispatched before `active`, and nothing in `closing`. `leaving` waits for the answers that are under way.
 */
type State =
  | { readonly name: 'handshaking'; readonly deadline: Timer }
  | { readonly name: 'authenticating'; readonly deadline: Timer }
  | ActiveState
  | { readonly name: 'leaving'; readonly active: ActiveSession; readonly expiry: ExpiryWatch }
  | { readonly name: 'closing' }
  | { readonly name: 'closed' };

interface ActiveState {
  readonly name: 'active';
  readonly active: ActiveSession;
  readonly expiry: ExpiryWatch;
  /** A renewal is being judged; a second one at the same time would race it. */
  readonly renewing: boolean;
}

/** Two readings of one clock differ by less. */
const SAME_TIME_MS = 1_000;

const MAX_BAD_FRAMES = 3;
const CLIENT_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Ports that belong to the node rather than to what sessions do. */
export interface SessionHost {
  readonly clientIds: ClientIds;
  onClosed(session: Session): void;
}

/** One connection, from its first frame to its end. Whatever the peer sends, nothing is thrown out of here. */
export class Session implements MapReader {
  readonly id: string;
  readonly #ports: SessionPorts;
  readonly #host: SessionHost;
  readonly #peer: Peer;
  readonly #outbox: Outbox;
  #state: State;
  #badFrames = 0;
  #knownMap: KnownMap | null = null;
  #heardAt: number;

  /** Greets the peer at once. */
  constructor(peer: Peer, ports: SessionPorts, host: SessionHost) {
    const { runtime, limits } = ports;
    this.id = runtime.id();
    this.#ports = ports;
    this.#host = host;
    this.#peer = peer;
    this.#outbox = new Outbox(peer, runtime, limits, ports.counters, () => this.#onStuck());
    this.#heardAt = runtime.monotonic();
    this.#state = {
      name: 'handshaking',
      deadline: runtime.setTimer(limits.authTimeoutMs, () => this.#onAuthTimeout()),
    };
    this.#send({
      type: 'AUTH_REQUIRED',
      protocol: PROTOCOL_VERSION,
      nodeId: ports.nodeId,
      clusterId: ports.clusterId,
      logId: ports.plane.logId,
      serverTime: ports.plane.now(),
      limits,
    });
  }

  get state(): State['name'] {
    return this.#state.name;
  }

  /** '' until the peer is authenticated. */
  get subject(): string {
    return this.#active?.identity.subject ?? '';
  }

  /** When the peer was last heard of, ms of the monotonic clock. */
  get heardAt(): number {
    return this.#heardAt;
  }

  // --- inputs ------------------------------------------------------------------------------------------------------

  onFrame(frame: Uint8Array): void {
    const { counters, runtime } = this.#ports;
    counters.framesIn++;
    counters.bytesIn += frame.length;
    this.#heardAt = runtime.monotonic();
    if (this.#state.name === 'closing' || this.#state.name === 'closed') return;
    try {
      this.#dispatch(decodeClientMessage(frame, this.#ports.limits.maxBatchOps), frame.length);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  /** The peer sent something that is no binary frame. */
  onForeignFrame(): void {
    this.#heardAt = this.#ports.runtime.monotonic();
    if (this.#state.name === 'closing' || this.#state.name === 'closed') return;
    this.#onFailure(new TopGunError('BAD_FRAME', 'frames are binary'));
  }

  /** Some of what was buffered is on the network. */
  onDrain(): void {
    if (this.#outbox.onDrain()) this.#active?.onDrain();
  }

  onClosed(): void {
    if (this.#state.name === 'closed') return;
    this.#leaveState();
    this.#outbox.close();
    this.#state = { name: 'closed' };
    this.#host.onClosed(this);
  }

  /** The node stops: no new operations, and the end as soon as those under way are answered. */
  goodbye(reason: string, retryAfterMs: number): void {
    const state = this.#state;
    switch (state.name) {
      case 'handshaking':
      case 'authenticating':
        this.#send({ type: 'GOODBYE', reason, retryAfterMs });
        this.close(CloseCode.GOING_AWAY, reason);
        return;
      case 'active':
        this.#send({ type: 'GOODBYE', reason, retryAfterMs });
        state.active.refuseOps();
        this.#state = { name: 'leaving', active: state.active, expiry: state.expiry };
        this.#onIdle();
        return;
      default:
        return;
    }
  }

  /** The partition map has changed. */
  takeMap(push: MapPush): void {
    if (this.#active === null) return;
    const frame = push.frameFor(this.#knownMap);
    this.#knownMap = push.map;
    if (frame !== null) this.#outbox.send(frame);
  }

  /** A newer session of the same client has taken over. */
  replace(): void {
    this.close(CloseCode.REPLACED, 'another session of this client took over');
  }

  close(code: CloseCode, reason: string): void {
    if (this.#state.name === 'closing' || this.#state.name === 'closed') return;
    this.#leaveState();
    this.#outbox.close();
    this.#state = { name: 'closing' };
    this.#ports.counters.cut.add(code);
    this.#peer.close(code, reason);
  }

  // --- messages ----------------------------------------------------------------------------------------------------

  #dispatch(message: ClientMessage, frameBytes: number): void {
    const state = this.#state;
    switch (state.name) {
      case 'handshaking':
        if (message.type === 'AUTH') this.#authenticate(message, state.deadline);
        else this.#refuse('AUTH_REQUIRED', 'authenticate first', CloseCode.POLICY);
        return;
      case 'authenticating':
        this.#refuse('AUTH_REQUIRED', 'wait for the answer to AUTH', CloseCode.POLICY);
        return;
      case 'active':
        if (this.#isExpired(state.active.identity)) this.#expire();
        else if (message.type === 'AUTH') this.#renew(message, state);
        else this.#handle(message, state.active, frameBytes);
        return;
      case 'leaving':
        if (message.type !== 'AUTH') this.#handle(message, state.active, frameBytes);
        return;
      default:
        return;
    }
  }

  #handle(message: Exclude<ClientMessage, AuthMessage>, active: ActiveSession, frameBytes: number): void {
    switch (message.type) {
      case 'PING':
        this.#send({ type: 'PONG', nonce: message.nonce, serverTime: this.#ports.plane.now() });
        break;
      case 'OP_BATCH':
        active.onOpBatch(message, frameBytes);
        break;
      case 'QUERY_SUB':
        active.onQuerySub(message);
        break;
      case 'QUERY_UNSUB':
        active.onQueryUnsub(message.queryId);
        break;
      case 'TOPIC_SUB':
        active.onTopicSub(message.topic);
        break;
      case 'TOPIC_UNSUB':
        active.onTopicUnsub(message.topic);
        break;
      case 'TOPIC_PUB':
        active.onTopicPub(message);
        break;
      case 'PARTITION_MAP_REQUEST':
        this.#send({ type: 'PARTITION_MAP', map: this.#currentMap() });
        break;
    }
  }

  // --- authentication ----------------------------------------------------------------------------------------------

  #authenticate(message: AuthMessage, deadline: Timer): void {
    if (message.protocol !== PROTOCOL_VERSION) {
      const said = `this server speaks protocol ${PROTOCOL_VERSION}, not ${message.protocol}`;
      this.#refuse('UNSUPPORTED_PROTOCOL', said, CloseCode.POLICY);
      return;
    }
    if (!CLIENT_ID.test(message.clientId)) {
      this.#failAuth('AUTH_INVALID', 'a client id has 1 to 64 characters of A-Z, a-z, 0-9, _ and -');
      return;
    }
    const waiting: State = { name: 'authenticating', deadline };
    this.#state = waiting;
    this.#judge(message.token, waiting, (identity) => this.#admit(identity, message.clientId));
  }

  #admit(identity: Identity, clientId: string): void {
    const { runtime, counters } = this.#ports;
    this.#leaveState();
    const active = new ActiveSession(this.#ports, this.#outbox, clientId, identity, () => this.#onIdle());
    this.#state = { name: 'active', active, expiry: this.#watchExpiry(identity), renewing: false };
    if (!this.#host.clientIds.claim(clientId, this, runtime.monotonic())) {
      // Not the credentials' fault: on a device that changes users, the former user's connection may end a moment later.
      this.#failAuth('UNAVAILABLE', 'another subject goes by this client id; try again, or choose another id');
      return;
    }
    counters.authSucceeded++;
    this.#acknowledge(identity);
  }

  /** The identity of an open session stays; only how long it lasts and what it may do can change. */
  #renew(message: AuthMessage, state: ActiveState): void {
    if (state.renewing) {
      this.#refuse('AUTH_REQUIRED', 'wait for the answer to AUTH', CloseCode.POLICY);
      return;
    }
    if (message.protocol !== PROTOCOL_VERSION || message.clientId !== state.active.clientId) {
      this.#failAuth('FORBIDDEN', 'a renewal keeps its protocol and client id');
      return;
    }
    const waiting: State = { ...state, renewing: true };
    this.#state = waiting;
    this.#judge(message.token, waiting, (identity) => {
      if (identity.subject !== state.active.identity.subject) {
        this.#failAuth('FORBIDDEN', 'a renewal keeps its subject; open another connection for another subject');
        return;
      }
      state.expiry.stop();
      this.#state = { ...state, expiry: this.#watchExpiry(identity), renewing: false };
      this.#ports.counters.authSucceeded++;
      this.#acknowledge(identity);
      state.active.renew(identity);
    });
  }

  /** Asks who the bearer of `token` is. The answer counts only if nothing has happened to the session meanwhile. */
  #judge(token: string | null, waiting: State, onIdentity: (identity: Identity) => void): void {
    const settle = (act: () => void): void => {
      if (this.#state !== waiting) return;
      try {
        act();
      } catch (error) {
        this.#onFailure(error);
      }
    };
    const asked = (async () => await this.#ports.authenticator.authenticate(token))();
    asked.then(
      (identity) => settle(() => (this.#isExpired(identity) ? this.#failExpired() : onIdentity(identity))),
      (error: unknown) => settle(() => this.#failJudgement(error)),
    );
  }

  #acknowledge({ subject, expiresAt }: Identity): void {
    const serverTime = this.#ports.plane.now();
    this.#send({
      type: 'AUTH_ACK',
      sessionId: this.id,
      subject,
      expiresAt: expiresAt === 0 ? 0 : expiresAt + this.#aheadMs(serverTime),
      serverTime,
      // The client names a version but no incarnation, so only the map itself can tell whether its own is the same.
      map: this.#currentMap(),
    });
  }

  /** By how much the time that clients are told is ahead of the wall clock, by which tokens end. */
  #aheadMs(serverTime: number): number {
    const ahead = serverTime - this.#ports.runtime.now();
    return ahead > SAME_TIME_MS ? ahead : 0;
  }

  /** The map that the peer is about to be sent. */
  #currentMap(): PartitionMap {
    const map = this.#ports.partitionMap();
    this.#knownMap = map;
    return map;
  }

  #failJudgement(error: unknown): void {
    if (!(error instanceof TopGunError)) this.#ports.logger.error({ err: error }, 'the authenticator failed');
    const { code, message } = tellable(error);
    this.#failAuth(code, message);
  }

  #failExpired(): void {
    this.#failAuth('AUTH_EXPIRED', 'the token has expired');
  }

  /** A code that says nothing about the credentials (UNAVAILABLE) lets the client come back with them. */
  #failAuth(code: ErrorCode, message: string): void {
    this.#ports.counters.authFailed.add(code);
    this.#send({ type: 'AUTH_FAIL', code, message });
    this.close(closeCodeOf(code), message);
  }

  #watchExpiry({ expiresAt }: Identity): ExpiryWatch {
    return new ExpiryWatch(this.#ports.runtime, expiresAt, () => this.#expire());
  }

  #isExpired({ expiresAt }: Identity): boolean {
    return expiresAt !== 0 && this.#ports.runtime.now() >= expiresAt;
  }

  #expire(): void {
    this.#refuse('AUTH_EXPIRED', 'the token has expired; authenticate anew', CloseCode.UNAUTHENTICATED);
  }

  // --- ends --------------------------------------------------------------------------------------------------------

  #onAuthTimeout(): void {
    this.#refuse('AUTH_REQUIRED', 'no AUTH in time', CloseCode.AUTH_TIMEOUT);
  }

  #onStuck(): void {
    this.#refuse('LIMIT_EXCEEDED', 'this connection does not read what it subscribed to', CloseCode.TOO_SLOW);
  }

  #onIdle(): void {
    if (this.#state.name === 'leaving' && this.#state.active.isIdle) {
      this.close(CloseCode.GOING_AWAY, 'the node stops');
    }
  }

  /** A frame that could not be taken, or a bug. */
  #onFailure(error: unknown): void {
    if (!(error instanceof TopGunError)) {
      this.#ports.logger.error({ err: error, session: this.id }, 'a session failed');
      this.#refuse('INTERNAL', tellable(error).message, CloseCode.INTERNAL);
      return;
    }
    this.#badFrames++;
    this.#ports.counters.badFrames++;
    const { code, message } = tellable(error);
    const patient = this.#state.name === 'active' || this.#state.name === 'leaving';
    if (patient && this.#badFrames < MAX_BAD_FRAMES) this.#sendError(code, message);
    else this.#refuse(code, message, code === 'TOO_LARGE' ? CloseCode.TOO_BIG : CloseCode.POLICY);
  }

  #refuse(code: ErrorCode, message: string, closeCode: CloseCode): void {
    if (this.#state.name === 'closing' || this.#state.name === 'closed') return;
    this.#sendError(code, message);
    this.close(closeCode, message);
  }

  #sendError(code: ErrorCode, message: string): void {
    this.#ports.counters.errorsSent.add(code);
    this.#send({ type: 'ERROR', code, message, ref: null });
  }

  #send(message: ServerMessage): void {
    this.#outbox.send(encodeMessage(message));
  }

  get #active(): ActiveSession | null {
    const state = this.#state;
    return state.name === 'active' || state.name === 'leaving' ? state.active : null;
  }

  /** Gives back what the current state holds. */
  #leaveState(): void {
    const state = this.#state;
    switch (state.name) {
      case 'handshaking':
      case 'authenticating':
        this.#ports.runtime.clearTimer(state.deadline);
        return;
      case 'active':
      case 'leaving':
        state.expiry.stop();
        this.#host.clientIds.release(state.active.clientId, this);
        state.active.close();
        return;
      default:
        return;
    }
  }
}
