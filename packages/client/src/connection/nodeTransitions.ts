import {
  type AuthAckMessage,
  type AuthFailMessage,
  type ClientMessage,
  type ErrorCode,
  type GoodbyeMessage,
  PROTOCOL_VERSION,
  type ServerMessage,
} from '@topgunbuild/core';
import type { ConnectionEnd } from './ConnectionEnd.js';
import type { Credentials } from './ConnectionProvider.js';
import type {
  ConnectionTimes,
  Hello,
  NodeEvent,
  NodeState,
  ReadyState,
  Renewal,
  ServerTime,
  Session,
  Step,
} from './nodeState.js';
import type { CloseInfo } from './Transport.js';

/*
 * What a connection does next. The functions here decide and do nothing else: each takes a state and what happened, and
 * returns the next state and what the shell (NodeConnection) has to do.
 */

/** A timer this late means that the machine slept or the process was stopped, not that the peer was silent. */
const SLEPT_MS = 5_000;

const NO_RENEWAL: Renewal = { phase: 'none' };

export function whenOpened(state: NodeState, now: number, times: ConnectionTimes): Step {
  if (state.name !== 'opening') return { next: state };
  return { next: { name: 'asking', deadline: now + times.authMs, hello: null }, ask: true };
}

export function whenCredentials(state: NodeState, credentials: Credentials, now: number, times: ConnectionTimes): Step {
  const deadline = now + times.authMs;
  const send: ClientMessage = { type: 'AUTH', protocol: PROTOCOL_VERSION, ...credentials };
  if (state.name === 'asking') {
    return { next: { name: 'authenticating', deadline, hello: state.hello, sentAt: now, renew: false }, send };
  }
  if (state.name === 'ready' && state.renewal.phase === 'asking') {
    return { next: { ...state, renewal: { phase: 'sent', sentAt: now, deadline, again: false } }, send };
  }
  return { next: state };
}

/** The application could not name its credentials. A connection that is ready goes on with those it has. */
export function whenNoCredentials(state: NodeState, reason: string): Step {
  if (state.name === 'asking') {
    return { next: closed({ kind: 'no-credentials', code: 'AUTH_REQUIRED', message: `no credentials: ${reason}` }) };
  }
  if (state.name === 'ready' && state.renewal.phase === 'asking') return { next: { ...state, renewal: NO_RENEWAL } };
  return { next: state };
}

/** The credentials changed. */
export function whenRenewalWanted(state: NodeState, now: number, times: ConnectionTimes): Step {
  switch (state.name) {
    case 'asking':
      return { next: { ...state, deadline: now + times.authMs }, ask: true };
    case 'authenticating':
      return { next: { ...state, renew: true } };
    case 'ready':
      return state.renewal.phase === 'sent'
        ? { next: { ...state, renewal: { ...state.renewal, again: true } } }
        : { next: { ...state, renewal: { phase: 'asking' } }, ask: true };
    default:
      return { next: state };
  }
}

export function whenMessage(state: NodeState, message: ServerMessage, now: number, times: ConnectionTimes): Step {
  switch (state.name) {
    case 'asking':
    case 'authenticating':
      return duringHandshake(state, message, now);
    case 'ready':
      state.heardAt = now;
      return whenReady(state, message, now, times);
    case 'leaving':
      return isControl(message) ? { next: state } : { next: state, emit: { type: 'message', message } };
    default:
      return { next: state };
  }
}

/** Messages that belong to the connection itself; all others are its user's. */
export function isControl(message: ServerMessage): boolean {
  switch (message.type) {
    case 'AUTH_REQUIRED':
    case 'AUTH_ACK':
    case 'AUTH_FAIL':
    case 'PONG':
    case 'GOODBYE':
      return true;
    default:
      return false;
  }
}

type Handshake = Extract<NodeState, { name: 'asking' | 'authenticating' }>;

function duringHandshake(state: Handshake, message: ServerMessage, now: number): Step {
  switch (message.type) {
    case 'AUTH_REQUIRED': {
      if (state.hello !== null) return unexpected(message);
      const { type: _, serverTime: __, ...hello } = message;
      if (hello.protocol !== PROTOCOL_VERSION) return otherProtocol(`it speaks protocol ${hello.protocol}`);
      return { next: { ...state, hello } };
    }
    case 'AUTH_ACK':
      if (state.name !== 'authenticating' || state.hello === null) return unexpected(message);
      return admitted(state, state.hello, message, now);
    case 'AUTH_FAIL':
      return state.name === 'authenticating' ? refusal(message, state.renew) : lost(message.code, message.message);
    case 'ERROR':
      if (message.code === 'UNSUPPORTED_PROTOCOL') return otherProtocol(message.message);
      return lost(message.code, message.message);
    case 'GOODBYE':
      return { next: closed(goodbye(message, now)) };
    default:
      return unexpected(message);
  }
}

function whenReady(state: ReadyState, message: ServerMessage, now: number, times: ConnectionTimes): Step {
  switch (message.type) {
    case 'PONG': {
      // An answer to an older PING would make the way look longer than it is.
      if (message.nonce !== state.ping.nonce || state.measuredAt >= state.ping.sentAt) return { next: state };
      const time = timeOf(message.serverTime, state.ping.sentAt, now);
      const session = { ...state.session, latencyMs: time.latencyMs };
      return { next: { ...state, session, measuredAt: now }, emit: { type: 'time', time } };
    }
    case 'AUTH_ACK':
      return state.renewal.phase === 'sent' ? renewed(state, state.renewal, message, now) : unexpected(message);
    case 'AUTH_FAIL':
      // Unasked, it says that the session's time is over; whether newer credentials are refused as well is another question.
      return state.renewal.phase === 'sent'
        ? refusal(message, state.renewal.again)
        : lost(message.code, message.message);
    case 'GOODBYE': {
      const { hello, session } = state;
      const next: NodeState = {
        name: 'leaving',
        deadline: now + times.leaveMs,
        hello,
        session,
        end: goodbye(message, now),
      };
      return { next, emit: { type: 'leaving', reason: message.reason } };
    }
    case 'AUTH_REQUIRED':
      return unexpected(message);
    default:
      return { next: state, emit: { type: 'message', message } };
  }
}

function admitted(
  state: Extract<NodeState, { name: 'authenticating' }>,
  hello: Hello,
  message: AuthAckMessage,
  now: number,
): Step {
  const time = timeOf(message.serverTime, state.sentAt, now);
  const session = sessionOf(message, now, time.latencyMs);
  const next: ReadyState = {
    name: 'ready',
    hello,
    session,
    renewal: state.renew ? { phase: 'asking' } : NO_RENEWAL,
    heardAt: now,
    measuredAt: now,
    ping: { nonce: 0, sentAt: now },
  };
  const emit: NodeEvent = { type: 'ready', hello, session, time, map: message.map };
  return state.renew ? { next, ask: true, emit } : { next, emit };
}

function renewed(
  state: ReadyState,
  renewal: Extract<Renewal, { phase: 'sent' }>,
  message: AuthAckMessage,
  now: number,
): Step {
  const time = timeOf(message.serverTime, renewal.sentAt, now);
  const session = sessionOf(message, state.session.since, time.latencyMs);
  const next: ReadyState = { ...state, session, renewal: renewal.again ? { phase: 'asking' } : NO_RENEWAL };
  const emit: NodeEvent = { type: 'renewed', hello: state.hello, session, time, map: message.map };
  return renewal.again ? { next, ask: true, emit } : { next, emit };
}

/** The socket is gone. */
export function whenSocketClosed(state: NodeState, info: CloseInfo): Step {
  switch (state.name) {
    case 'closed':
      return { next: state };
    case 'leaving':
      return { next: closed(state.end) };
    case 'opening':
      return lost('UNAVAILABLE', `no connection: ${info.reason === '' ? `code ${info.code}` : info.reason}`);
    default:
      return lost('UNAVAILABLE', `the connection broke: ${info.code}${info.reason === '' ? '' : ` ${info.reason}`}`);
  }
}

/** A frame that is no message. To skip it could lose a change while cursors move on: the connection must end. */
export function whenBadFrame(state: NodeState, problem: string): Step {
  if (state.name === 'closed') return { next: state };
  return badPeer(`a frame of the peer is no message of TopGun (${problem}); is this a TopGun server?`);
}

/** This side closes. */
export function whenClosing(state: NodeState): Step {
  if (state.name === 'closed') return { next: state };
  return { next: closed({ kind: 'closed-here', code: 'CLOSED', message: 'closed by this client' }) };
}

/** Time went by; `dueAt` is when the shell was to be woken. */
export function whenTime(state: NodeState, now: number, dueAt: number, times: ConnectionTimes): Step {
  switch (state.name) {
    case 'opening':
      return now < state.deadline ? { next: state } : lost('TIMEOUT', `no connection within ${times.openMs} ms`);
    case 'asking':
      if (now < state.deadline) return { next: state };
      return whenNoCredentials(state, `the application did not name them within ${times.authMs} ms`);
    case 'authenticating':
      if (now < state.deadline) return { next: state };
      return lost('TIMEOUT', `the server did not answer the handshake within ${times.authMs} ms`);
    case 'ready':
      return heartbeat(state, now, dueAt, times);
    case 'leaving':
      return now < state.deadline ? { next: state } : { next: closed(state.end) };
    default:
      return { next: state };
  }
}

function heartbeat(state: ReadyState, now: number, dueAt: number, times: ConnectionTimes): Step {
  // After a sleep, what the peer sent meanwhile may wait unread: it gets the time of a PING to prove itself.
  if (now - dueAt > SLEPT_MS) state.heardAt = Math.max(state.heardAt, now - times.pingAfterMs);
  // Reckoned as in `dueTime`: rounded another way, it could be due and not yet be over, again and again.
  if (now >= state.heardAt + times.deadAfterMs) return lost('TIMEOUT', `nothing was heard for ${times.deadAfterMs} ms`);
  if (state.renewal.phase === 'sent' && now >= state.renewal.deadline) {
    return lost('TIMEOUT', `the server did not answer the renewal within ${times.authMs} ms`);
  }
  if (now < nextPing(state, times)) return { next: state };
  const ping = { nonce: state.ping.nonce + 1, sentAt: now };
  return { next: { ...state, ping }, send: { type: 'PING', nonce: ping.nonce } };
}

/** When `whenTime` wants to be called; null = not before something else happens. */
export function dueTime(state: NodeState, times: ConnectionTimes): number | null {
  switch (state.name) {
    case 'opening':
    case 'asking':
    case 'authenticating':
    case 'leaving':
      return state.deadline;
    case 'ready': {
      const due = Math.min(state.heardAt + times.deadAfterMs, nextPing(state, times));
      return state.renewal.phase === 'sent' ? Math.min(due, state.renewal.deadline) : due;
    }
    default:
      return null;
  }
}

function nextPing({ heardAt, measuredAt, ping }: ReadyState, times: ConnectionTimes): number {
  const forSilence = Math.max(heardAt, ping.sentAt) + times.pingAfterMs;
  const forTime = Math.max(measuredAt, ping.sentAt) + times.measureEveryMs;
  return Math.min(forSilence, forTime);
}

/** Cristian's estimate: the answer was made half-way between question and answer, give or take half the round trip. */
function timeOf(serverTime: number, sentAt: number, now: number): ServerTime {
  return { serverTime, monotonic: (sentAt + now) / 2, latencyMs: now - sentAt };
}

function sessionOf(message: AuthAckMessage, since: number, latencyMs: number): Session {
  const { sessionId, subject, expiresAt } = message;
  return { sessionId, subject, expiresAt, since, latencyMs };
}

function refusal({ code, message }: AuthFailMessage, superseded: boolean): Step {
  switch (code) {
    case 'AUTH_REQUIRED':
    case 'AUTH_INVALID':
    case 'AUTH_EXPIRED':
    case 'FORBIDDEN':
      return { next: closed({ kind: 'refused', code, message, superseded }) };
    case 'UNSUPPORTED_PROTOCOL':
      return otherProtocol(message);
    // The server could not judge, or has no room: that is no fault of the credentials.
    default:
      return lost(code, message);
  }
}

function goodbye({ reason, retryAfterMs }: GoodbyeMessage, now: number): ConnectionEnd {
  const retryAt = now + Math.max(0, retryAfterMs);
  return { kind: 'goodbye', code: 'SHUTTING_DOWN', message: `the server said goodbye: ${reason}`, retryAt };
}

function otherProtocol(what: string): Step {
  const message = `this client speaks protocol ${PROTOCOL_VERSION}; the server answered: ${what}. Update the older of the two`;
  return { next: closed({ kind: 'incompatible', code: 'UNSUPPORTED_PROTOCOL', message }) };
}

function unexpected(message: ServerMessage): Step {
  return badPeer(`the peer sent ${message.type} where the protocol has no place for it`);
}

function badPeer(message: string): Step {
  return { next: closed({ kind: 'bad-peer', code: 'BAD_FRAME', message }) };
}

function lost(code: ErrorCode, message: string): Step {
  return { next: closed({ kind: 'lost', code, message }) };
}

function closed(end: ConnectionEnd): NodeState {
  return { name: 'closed', end };
}
