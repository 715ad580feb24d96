import { DEFAULT_LIMITS, type Limits } from '../limits.js';
import { readPartitionMap, writePartitionMap } from './cluster.js';
import type { FieldReader } from './FieldReader.js';
import type { MessageCodecs } from './MessageCodec.js';
import { type AuthMessage, type AuthRequiredMessage, PROTOCOL_VERSION } from './messages.js';
import { plainText } from './plainText.js';

/*
 * A connection begins with AUTH_REQUIRED from the server and AUTH from the client, neither waiting for the other, and
 * is usable with AUTH_ACK, one round trip after it opened. AUTH_FAIL refuses the credentials and ends the connection.
 * A later AUTH renews the token in place; its subject must be the same. PING is answered by PONG, which carries the
 * server's time. GOODBYE announces that the server will close, and when to come back. ERROR reports what
 * went wrong with a message (`ref` names the query it belongs to) and leaves the session alive unless a close follows.
 */
export const sessionCodecs: MessageCodecs<
  'AUTH' | 'PING' | 'AUTH_REQUIRED' | 'AUTH_ACK' | 'AUTH_FAIL' | 'PONG' | 'GOODBYE' | 'ERROR'
> = {
  AUTH: {
    fields: (m) => [m.protocol, m.token, m.clientId, m.mapVersion],
    read: (f) => {
      const protocol = f.uint('protocol');
      if (protocol !== PROTOCOL_VERSION) return foreignAuth(f, protocol);
      return {
        type: 'AUTH',
        protocol,
        token: f.nullable(() => f.text('token', MAX_TOKEN)),
        clientId: f.text('clientId', 64),
        mapVersion: f.uint('mapVersion'),
      };
    },
  },
  PING: {
    fields: (m) => [m.nonce],
    read: (f) => ({ type: 'PING', nonce: f.uint('nonce') }),
  },
  AUTH_REQUIRED: {
    fields: (m) => [m.protocol, m.nodeId, m.clusterId, m.logId, m.serverTime, m.limits],
    read: (f) => {
      const protocol = f.uint('protocol');
      if (protocol !== PROTOCOL_VERSION) return foreignAuthRequired(f, protocol);
      return {
        type: 'AUTH_REQUIRED',
        protocol,
        nodeId: f.text('nodeId'),
        clusterId: f.text('clusterId'),
        logId: f.text('logId'),
        serverTime: f.number('serverTime'),
        limits: readLimits(f),
      };
    },
  },
  AUTH_ACK: {
    fields: (m) => [
      m.sessionId,
      plainText(m.subject),
      m.expiresAt,
      m.serverTime,
      m.map === null ? null : writePartitionMap(m.map),
    ],
    read: (f) => ({
      type: 'AUTH_ACK',
      sessionId: f.text('sessionId'),
      subject: f.text('subject'),
      expiresAt: f.number('expiresAt'),
      serverTime: f.number('serverTime'),
      map: f.nullable(() => f.group('map', readPartitionMap)),
    }),
  },
  AUTH_FAIL: {
    fields: (m) => [m.code, plainText(m.message)],
    read: (f) => ({ type: 'AUTH_FAIL', code: f.code('code'), message: f.text('message') }),
  },
  PONG: {
    fields: (m) => [m.nonce, m.serverTime],
    read: (f) => ({ type: 'PONG', nonce: f.uint('nonce'), serverTime: f.number('serverTime') }),
  },
  GOODBYE: {
    fields: (m) => [plainText(m.reason), m.retryAfterMs],
    read: (f) => ({ type: 'GOODBYE', reason: f.text('reason'), retryAfterMs: f.uint('retryAfterMs') }),
  },
  ERROR: {
    fields: (m) => [m.code, plainText(m.message), m.ref],
    read: (f) => ({
      type: 'ERROR',
      code: f.code('code'),
      message: f.text('message'),
      ref: f.nullable(() => f.uint('ref')),
    }),
  },
};

const MAX_TOKEN = 16 * 1024;

/*
 * The version comes first, and nobody knows what follows it in another version: the message then holds the version and
 * nothing else, so that the two sides can tell each other what is wrong.
 */

function foreignAuth(fields: FieldReader, protocol: number): AuthMessage {
  fields.skipRest();
  return { type: 'AUTH', protocol, token: null, clientId: '', mapVersion: 0 };
}

function foreignAuthRequired(fields: FieldReader, protocol: number): AuthRequiredMessage {
  fields.skipRest();
  const unknown = { nodeId: '', clusterId: '', logId: '', serverTime: 0, limits: DEFAULT_LIMITS };
  return { type: 'AUTH_REQUIRED', protocol, ...unknown };
}

/** Limits travel by name, so that either side may know more of them than the other. */
function readLimits(fields: FieldReader): Limits {
  const told = fields.object('limits');
  const limits: Record<string, number> = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(DEFAULT_LIMITS)) {
    const value = told[name];
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) limits[name] = value;
  }
  return limits as unknown as Limits;
}
