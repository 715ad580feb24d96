import { setTimeout as delay } from 'node:timers/promises';
import { httpUrl } from '../options/parse.js';
import { type Cluster, readCluster } from '../status/readCluster.js';

const POLL_MS = 100;
const ANSWER_MS = 5_000;

/**
 * Resolves when every node serves, every node lists them all, and each owns its part.
 * @throws the signal's reason when it is aborted
 */
export async function awaitWhole(
  urls: readonly string[],
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const whole = await Promise.all(urls.map((url) => seesAll(url, names)));
    if (whole.every(Boolean)) return;
    await delay(POLL_MS, undefined, { signal });
  }
}

async function seesAll(url: string, names: readonly string[]): Promise<boolean> {
  try {
    const [ready, cluster] = await Promise.all([get(url, '/readyz'), get(url, '/cluster')]);
    return ready !== null && cluster !== null && isWhole(readCluster(cluster), names);
  } catch {
    return false;
  }
}

function isWhole(cluster: Cluster | null, names: readonly string[]): boolean {
  if (cluster === null) return false;
  const { nodes, shardCount } = cluster;
  const everyoneCanOwn = shardCount === null || shardCount >= nodes.length;
  return names.every((name) => {
    const node = nodes.find(({ id }) => id === name);
    return node !== undefined && (node.partitions > 0 || !everyoneCanOwn);
  });
}

/** Null when the answer is no success. */
async function get(url: string, path: string): Promise<string | null> {
  const response = await fetch(httpUrl(url, path), { signal: AbortSignal.timeout(ANSWER_MS) });
  const body = await response.text();
  return response.status === 200 ? body : null;
}
