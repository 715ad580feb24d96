import { TopGunClient } from '@topgunbuild/client';
import { messageOf, runtimeError } from '../CliError.js';
import type { Tally } from './Tally.js';

export interface Target {
  readonly url: string;
  /** Nodes of a cluster, in place of `url`. */
  readonly seeds?: readonly string[] | undefined;
  readonly clients: number;
  readonly token?: string | undefined;
}

const READY_MS = 15_000;
const ALL_NODES_MS = 3_000;

/** Opens clients and waits until all are online. @throws CliError that says why the node cannot be used */
export async function openClients(target: Target, tally: Tally): Promise<TopGunClient[]> {
  const { url, seeds, clients: count, token } = target;
  const auth = token === undefined ? {} : { auth: token };
  const where = seeds === undefined ? { url } : { cluster: { seeds } };
  const clients = Array.from({ length: count }, () => new TopGunClient({ ...where, ...auth }));
  try {
    await Promise.all(clients.map((client) => open(client, tally)));
  } catch (error) {
    await closeClients(clients);
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
    const hint = code === 'AUTH_REQUIRED' ? '; give --token "$(topgun token --sub bench)"' : '';
    const reason =
      code === 'TIMEOUT'
        ? `not connected within ${READY_MS / 1000} s; does a node run there?`
        : messageOf(error).replace(/\.$/, '');
    throw runtimeError(`${seeds?.join(', ') ?? url} cannot be used: ${reason}${hint}`, error);
  }
  return clients;
}

export async function closeClients(clients: readonly TopGunClient[]): Promise<void> {
  await Promise.all(clients.map((client) => client.close()));
}

async function open(client: TopGunClient, tally: Tally): Promise<void> {
  client.on('error', (error) => tally.countError(error.code));
  const ready = client.ready({ timeoutMs: READY_MS });
  // Waited for only after `start`, which may fail first.
  ready.catch(() => undefined);
  await client.start();
  await ready;
  await allNodes(client);
}

/** Waits until a client of a cluster is connected to all nodes, or some time: what is measured is not how that comes about. */
function allNodes(client: TopGunClient): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ALL_NODES_MS);
    const check = (): void => {
      if (client.getConnectedNodes().length < (client.getClusterStats()?.nodeCount ?? 0)) return;
      clearTimeout(timer);
      stop();
      resolve();
    };
    const stop = client.on('node', check);
    check();
  });
}
