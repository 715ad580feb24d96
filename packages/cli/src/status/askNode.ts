import { messageOf, runtimeError } from '../CliError.js';
import { httpUrl } from '../options/parse.js';
import { type Cluster, type NodeRow, readCluster } from './readCluster.js';

export interface NodeAnswer {
  /** Why the node must not get traffic now; null = it is ready. */
  readonly problem: string | null;
  readonly cluster: Cluster;
}

const TIMEOUT_MS = 5_000;
/** For nodes that are asked besides: their addresses may be of no use here. */
const OTHERS_TIMEOUT_MS = 2_000;

/** What the node at `url` tells. @throws CliError when it cannot be reached or is no node */
export async function askNode(url: string, timeoutMs = TIMEOUT_MS): Promise<NodeAnswer> {
  const [ready, answer] = await Promise.all(['/readyz', '/cluster'].map((path) => get(httpUrl(url, path), timeoutMs)));
  const cluster = readCluster(answer?.body ?? '');
  if (cluster === null) throw runtimeError(`${url} is no TopGun node: its /cluster is not what a node answers`);
  return { problem: ready?.status === 200 ? null : (ready?.body.trim() ?? ''), cluster };
}

/** The cluster with what each of its nodes tells of itself, where the one that was asked does not know. */
export async function askOthers(cluster: Cluster): Promise<Cluster> {
  return { ...cluster, nodes: await Promise.all(cluster.nodes.map(completed)) };
}

async function completed(row: NodeRow): Promise<NodeRow> {
  if (row.ready !== null) return row;
  try {
    const { problem, cluster } = await askNode(row.endpoint, OTHERS_TIMEOUT_MS);
    const own = cluster.nodes.find(({ id }) => id === row.id);
    // Another node at its address: a balancer, or a port that is used anew.
    if (own === undefined || cluster.self !== row.id) return { ...row, problem: `${row.endpoint} is another node` };
    return { ...row, lag: own.lag, sessions: own.sessions, records: own.records, ready: problem === null, problem };
  } catch (error) {
    return { ...row, problem: messageOf(error) };
  }
}

async function get(url: URL, timeoutMs: number): Promise<{ readonly status: number; readonly body: string }> {
  const given = new AbortController();
  // Not AbortSignal.timeout: its timer does not keep the process, and neither does a fetch that waits to connect again.
  const timer = setTimeout(() => given.abort(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
  try {
    const response = await fetch(url, { signal: given.signal });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    // fetch says only that it failed; why is in its cause.
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw runtimeError(`${url.origin} cannot be reached: ${messageOf(reason) || 'connection refused'}`, error);
  } finally {
    clearTimeout(timer);
  }
}
