import type { PartitionMap } from '@topgunbuild/core';
import type { ProviderEvent } from './ConnectionProvider.js';
import type { Admission } from './nodeState.js';

/** What a provider says of a handshake that succeeded. */
export function connectedEvent(
  { hello, session, time }: Admission,
  map: PartitionMap | null,
  keepsSubscriptions: boolean,
): Extract<ProviderEvent, { type: 'connected' }> {
  const { nodeId, clusterId, logId, limits } = hello;
  const { subject, sessionId, expiresAt } = session;
  const serverTimeAt = { serverTime: time.serverTime, monotonic: time.monotonic };
  const told = { nodeId, clusterId, logId, limits, subject, sessionId, expiresAt };
  return { type: 'connected', ...told, map, serverTimeAt, keepsSubscriptions };
}
