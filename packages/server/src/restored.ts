import { systemRuntime, TopGunError } from '@topgunbuild/core';
import { readConfig } from './backbone/clusterConfig.js';
import { JetStream } from './backbone/nats/JetStream.js';
import { NatsBus } from './backbone/nats/NatsBus.js';
import { NatsLayout } from './backbone/nats/NatsLayout.js';
import { NatsRegistry } from './backbone/nats/NatsRegistry.js';
import { openLink, untilAvailable } from './backbone/nats/openLink.js';
import { openStreams } from './backbone/nats/openStreams.js';
import { beginNewLog, type NewLog } from './cluster/beginNewLog.js';
import { type Logger, SILENT } from './Logger.js';
import type { NatsBackboneOptions } from './ServerOptions.js';
import { serversOf } from './serversOf.js';

export type RestoredOptions = Pick<NatsBackboneOptions, 'servers' | 'cluster' | 'options'> & {
  readonly logger?: Logger;
};

const TIMEOUT_MS = 3_000;
/** Servers that have just started take seconds to agree on leaders. */
const ANSWER_WITHIN_MS = 30_000;

/**
 * To be called after the streams of a cluster were restored from a backup, before its nodes start: gives its log another id, so
 * that clients sync anew and offer again what was acknowledged to them since.
 * @throws TopGunError INVALID_VALUE when there is no such cluster, or one of its nodes runs; STORAGE_FAILED when a part of
 * it is missing; UNAVAILABLE when NATS cannot be reached
 */
export async function restored({
  servers,
  cluster = 'topgun',
  options,
  logger = SILENT,
}: RestoredOptions): Promise<NewLog> {
  const runtime = systemRuntime();
  const connection = options === undefined ? {} : { connection: options };
  const link = await openLink({ servers: serversOf(servers), ...connection }, runtime, logger);
  try {
    const js = new JetStream(link, TIMEOUT_MS);
    return await untilAvailable(runtime, ANSWER_WITHIN_MS, async () => {
      await js.check();
      // How many log streams there are is known once the configuration is read.
      const registry = new NatsRegistry({ js, runtime, logger }, new NatsLayout(cluster, 1));
      const config = await readConfig(registry);
      if (config === null) throw new TopGunError('INVALID_VALUE', `There is no cluster ${cluster} in this NATS.`);
      const layout = new NatsLayout(cluster, config.shardCount);
      await openStreams({ ...config, js, registry, layout, runtime });
      return beginNewLog({ registry, bus: new NatsBus(link, layout, logger) }, runtime);
    });
  } finally {
    await link.close();
  }
}
