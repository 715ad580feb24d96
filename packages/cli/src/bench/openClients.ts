import { TopGunClient } from '@topgunbuild/client';
import { messageOf, runtimeError } from '../CliError.js';
import type { Tally } from './Tally.js';

export interface Target {
  readonly url: string;
  readonly clients: number;
  readonly token?: string | undefined;
}

const READY_MS = 15_000;

/** Opens clients and waits until all are online. @throws CliError that says why the node cannot be used */
export async function openClients({ url, clients: count, token }: Target, tally: Tally): Promise<TopGunClient[]> {
  const auth = token === undefined ? {} : { auth: token };
  const clients = Array.from({ length: count }, () => new TopGunClient({ url, ...auth }));
  try {
    await Promise.all(clients.map((client) => open(client, tally)));
  } catch (error) {
    await closeClients(clients);
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
    const hint = code === 'AUTH_REQUIRED' ? '; give --token "$(topgun token --sub bench)"' : '';
    const reason = code === 'TIMEOUT' ? `no answer within ${READY_MS / 1000} s` : messageOf(error);
    throw runtimeError(`${url} cannot be used: ${reason}${hint}`, error);
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
}
