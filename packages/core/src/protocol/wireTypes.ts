import type { ClientMessage, ServerMessage } from './messages.js';

/** The first item of every message, by name. Numbers are never used again for something else. */
export const WIRE_TYPES = {
  AUTH: 1,
  PING: 2,
  OP_BATCH: 10,
  QUERY_SUB: 20,
  QUERY_UNSUB: 21,
  TOPIC_SUB: 30,
  TOPIC_UNSUB: 31,
  TOPIC_PUB: 32,
  PARTITION_MAP_REQUEST: 40,
  AUTH_REQUIRED: 65,
  AUTH_ACK: 66,
  AUTH_FAIL: 67,
  PONG: 68,
  GOODBYE: 69,
  ERROR: 70,
  OP_ACK: 75,
  QUERY_RECORDS: 85,
  QUERY_RESET: 86,
  NOT_OWNER: 87,
  TOPIC_MESSAGE: 95,
  PARTITION_MAP: 105,
  PARTITION_MAP_DELTA: 106,
} as const satisfies Record<(ClientMessage | ServerMessage)['type'], number>;
