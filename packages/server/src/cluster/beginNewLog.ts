import { decodeValue, encodeValue, type Runtime, TopGunError } from '@topgunbuild/core';
import type { ClusterPorts } from '../backbone/Backbone.js';
import { type ClusterConfig, CONFIG_KEY, decodeConfig } from '../backbone/clusterConfig.js';
import type { Registry } from '../backbone/Registry.js';
import { clusterMapCodec, MAP_KEY } from './ClusterMap.js';
import { PING, ROLL_CALL } from './PingReply.js';

export interface NewLog {
  readonly clusterId: string;
  readonly logId: string;
  readonly formerLogId: string;
}

/** Nodes that have lost NATS come back within two seconds. */
const CALLS = 6;
const CALL_EVERY_MS = 500;
const ANSWER_MS = 500;

/**
 * Says that the cluster's log is not the one that clients know: it was restored from a backup, and what came after is lost.
 * Clients then sync anew, and offer again what they had acknowledged. No node may run: it would go on under the former id.
 * @throws TopGunError INVALID_VALUE when there is no such cluster, or one of its nodes runs; UNAVAILABLE
 */
export async function beginNewLog(
  { registry, bus }: Pick<ClusterPorts, 'registry' | 'bus'>,
  runtime: Runtime,
): Promise<NewLog> {
  const entry = await registry.get(CONFIG_KEY);
  if (entry === null) throw new TopGunError('INVALID_VALUE', 'There is no such cluster.');
  const config = decodeConfig(entry.value);
  for (let call = 0; call < CALLS; call++) {
    if (call > 0) await new Promise<void>((resolve) => runtime.setTimer(CALL_EVERY_MS, resolve));
    await refuseIfAnyRuns();
  }
  await renewMap(registry, runtime);
  const next: ClusterConfig = { ...config, logId: runtime.id() };
  if ((await registry.compareAndSet(CONFIG_KEY, encodeValue(next), entry.revision)) === null) {
    throw new TopGunError('UNAVAILABLE', 'Somebody else has changed the cluster meanwhile. Try again.');
  }
  return { clusterId: config.clusterId, logId: next.logId, formerLogId: config.logId };

  async function refuseIfAnyRuns(): Promise<void> {
    let who = 'A node that does not answer';
    try {
      who = `The node ${String(decodeValue(await bus.request(ROLL_CALL, PING, ANSWER_MS)))}`;
    } catch (error) {
      if (!(error instanceof TopGunError && error.code === 'TIMEOUT')) return;
    }
    throw new TopGunError('INVALID_VALUE', `${who} is in the cluster. Stop all nodes first.`);
  }
}

/** Clients may know a later version of the restored map, and take only what is newer: it begins another life. */
async function renewMap(registry: Registry, runtime: Runtime): Promise<void> {
  const entry = await registry.get(MAP_KEY);
  const map = entry === null ? null : clusterMapCodec.decode(entry.value);
  if (entry === null || map === null) return;
  const next = { ...map, incarnation: runtime.id(8), version: map.version + 1 };
  await registry.compareAndSet(MAP_KEY, clusterMapCodec.encode(next), entry.revision);
}
