import { type Runtime, TopGunError } from '@topgunbuild/core';
import type { Logger } from '../../Logger.js';
import { NatsLink } from './NatsLink.js';
import type { NatsOptions } from './NatsOptions.js';

const DEFAULT_CONNECT_WITHIN_MS = 5_000;
const RETRY_MS = 250;

/** @throws TopGunError UNAVAILABLE when NATS is not there in time; FORBIDDEN at once */
export function openLink(options: NatsOptions, runtime: Runtime, logger: Logger): Promise<NatsLink> {
  const { connectWithinMs = DEFAULT_CONNECT_WITHIN_MS } = options;
  return untilAvailable(runtime, connectWithinMs, () => connect(options, runtime, logger));
}

/** What passes is tried again for a while: a server that starts answers by and by. */
export async function untilAvailable<T>(runtime: Runtime, withinMs: number, attempt: () => Promise<T>): Promise<T> {
  for (const deadline = runtime.monotonic() + withinMs; ; ) {
    try {
      return await attempt();
    } catch (error) {
      const isPassing = error instanceof TopGunError && error.code === 'UNAVAILABLE';
      if (!isPassing || runtime.monotonic() + RETRY_MS >= deadline) throw error;
      await new Promise<void>((resolve) => runtime.setTimer(RETRY_MS, resolve));
    }
  }
}

async function connect(options: NatsOptions, runtime: Runtime, logger: Logger): Promise<NatsLink> {
  try {
    return await NatsLink.open(options, runtime, logger);
  } catch (cause) {
    const servers = namesOf(options.servers);
    const why = cause instanceof Error ? cause.message : String(cause);
    if (/authoriz|authentic|certificate/i.test(why)) {
      throw new TopGunError('FORBIDDEN', `NATS at ${servers} refuses this node: ${why}`, { cause });
    }
    const message = `NATS cannot be reached at ${servers}: ${why}. Is nats-server running there?`;
    throw new TopGunError('UNAVAILABLE', message, { cause });
  }
}

/** URLs may hold passwords. */
function namesOf(servers: readonly string[]): string {
  return servers.map((server) => server.replace(/\/\/[^@/]*@/, '//')).join(', ');
}
