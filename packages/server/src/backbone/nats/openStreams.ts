import { type Runtime, TopGunError } from '@topgunbuild/core';
import { type ClusterConfig, checkConfig, createConfig, readConfig } from '../clusterConfig.js';
import type { JetStream } from './JetStream.js';
import type { StreamConfig } from './jetStreamTypes.js';
import type { NatsLayout } from './NatsLayout.js';
import type { NatsRegistry } from './NatsRegistry.js';

export interface OpenStreamsOptions {
  readonly js: JetStream;
  readonly registry: NatsRegistry;
  readonly layout: NatsLayout;
  readonly runtime: Runtime;
  readonly shardCount: number;
  readonly replicas: number;
}

const LOST_AFTER_MS = 5_000;
const LOOK_AGAIN_MS = 100;

/**
 * Finds the streams of the cluster, or creates them. The configuration is written when all of them are there: where it is,
 * a missing stream was lost, and with it acknowledged writes, so that it is not created anew in silence.
 * @throws TopGunError INVALID_VALUE when the options are not those of the cluster, STORAGE_FAILED when a part of it is lost
 */
export async function openStreams(options: OpenStreamsOptions): Promise<ClusterConfig> {
  const { js, registry, layout, runtime } = options;
  await ensureStream(js, {
    ...common(options),
    name: layout.registryStream,
    subjects: [`${layout.registrySubject}>`],
    max_msgs_per_subject: 1,
    deny_delete: true,
    allow_rollup_hdrs: true,
  });
  const config = (await readConfig(registry)) ?? (await create(options));
  checkConfig(config, options);
  await Promise.all([...logStreams(layout), layout.snapshotStream].map((name) => findStream(name, options)));
  return config;

  async function create(wanted: OpenStreamsOptions): Promise<ClusterConfig> {
    await Promise.all(streams(wanted).map((stream) => ensureStream(js, stream)));
    for (const name of logStreams(layout)) {
      const state = await js.streamState(name);
      if (state === null || state.last_seq === 0) continue;
      // Unless another node has created the cluster, and written to it, since this one looked.
      const created = await readConfig(registry);
      if (created === null) throw lost(`the stream ${name} has records, but the cluster's configuration is missing`);
      return created;
    }
    return createConfig(registry, wanted, runtime);
  }
}

function logStreams(layout: NatsLayout): string[] {
  return Array.from({ length: layout.logStreams }, (_, index) => layout.logStream(index));
}

function streams(options: OpenStreamsOptions): StreamConfig[] {
  const { layout, shardCount } = options;
  const subjects = new Map<string, string[]>();
  for (let shard = 0; shard < shardCount; shard++) {
    const name = layout.logStream(shard);
    subjects.set(name, [...(subjects.get(name) ?? []), layout.logSubject(shard)]);
  }
  const logs = [...subjects].map(([name, its]) => ({ ...common(options), name, subjects: its, deny_delete: true }));
  return [
    ...logs,
    { ...common(options), name: layout.snapshotStream, subjects: layout.snapshotSubjects, max_msgs_per_subject: 1 },
  ];
}

/** Never a direct get: a replica that lags behind must not answer what decides. */
function common({ replicas }: OpenStreamsOptions): Omit<StreamConfig, 'name' | 'subjects'> {
  return {
    num_replicas: replicas,
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    max_msgs_per_subject: -1,
    allow_direct: false,
  };
}

async function ensureStream(js: JetStream, config: StreamConfig): Promise<void> {
  // What an operator has changed, such as a placement, stays.
  if ((await js.streamState(config.name)) === null) await js.createStream(config);
}

/** Servers that have just elected a leader may not know yet of what another has created. */
async function findStream(name: string, { js, runtime }: OpenStreamsOptions): Promise<void> {
  const deadline = runtime.monotonic() + LOST_AFTER_MS;
  while ((await js.streamState(name)) === null) {
    if (runtime.monotonic() > deadline) throw lost(`its stream ${name} is missing`);
    await new Promise<void>((resolve) => void runtime.setTimer(LOOK_AGAIN_MS, resolve));
  }
}

function lost(what: string): TopGunError {
  return new TopGunError(
    'STORAGE_FAILED',
    `A part of the cluster is lost: ${what}. Restore it from a backup, or delete the cluster's streams to start anew.`,
  );
}
